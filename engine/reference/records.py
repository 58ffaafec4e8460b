"""Write discount records: docs/evaluation.md, section 3.6."""

from dataclasses import dataclass

from engine import limits
from engine.model import (
    Application,
    Campaign,
    DiscountDomain,
    DiscountRecord,
    DiscountTrigger,
    Effect,
    L10nString,
    ManualDiscount,
    TargetKind,
    TriggerKind,
    UnitRange,
)
from engine.reference.campaigns import ActiveCampaign, trigger_count
from engine.reference.effects import Share, take_off
from engine.reference.groups import Selection
from engine.reference.rounding import to_micros
from engine.reference.units import LineUnits


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What the records of one discount have in common."""

    id: str
    effect: Effect
    domain: DiscountDomain | None = None
    identifier: str | None = None
    name: L10nString | None = None


def origin_of(active: ActiveCampaign) -> Origin:
    """Return the origin of a campaign's records."""
    campaign = active.campaign
    return Origin(
        id=f"{DiscountDomain.PROMOTION.value}/{campaign.id}",
        effect=active.effect,
        domain=DiscountDomain.PROMOTION,
        identifier=campaign.id,
        name=campaign.display_name,
    )


def manual_origin(manual: ManualDiscount, position: int, effect: Effect) -> Origin:
    """Return the origin of a cashier's discount, which is at this position of its list, from 1."""
    name_or_position = str(position) if manual.id is None else manual.id
    return Origin(id=name_or_position, effect=effect, name=manual.name)


def record(
    share: Share,
    origin: Origin,
    application: Application,
    trigger: DiscountTrigger | None = None,
) -> bool:
    """Take a share off its line and record it unless it is zero; return whether it was."""
    amount = take_off(share)
    if amount == 0:
        return False
    share.owner.records.append(
        DiscountRecord(
            amount_micros=share.owner.line.sign * to_micros(amount),
            id=origin.id,
            application=application,
            effect=origin.effect,
            domain=origin.domain,
            identifier=origin.identifier,
            name=origin.name,
            trigger=trigger,
        )
    )
    return True


def application_of(owner: LineUnits, indexes: range) -> Application:
    """Name the discounted units of a line (section 3.6)."""
    if len(indexes) == owner.unit_count:
        return Application(line_item_id=owner.line.line_item_id)
    return Application(units=_unit_range(owner, indexes))


def trigger_of(campaign: Campaign, owner: LineUnits, selection: Selection) -> DiscountTrigger:
    """Name the units that a campaign took, as seen from the record of one line (section 3.6)."""
    count = trigger_count(campaign)
    is_one_group = campaign.trigger.kind not in (TriggerKind.COUNT, TriggerKind.BUNDLE)
    if is_one_group and campaign.target.kind is TargetKind.SELECTOR:
        return DiscountTrigger(count=count, basket=True)
    taken = selection.taken
    if campaign.trigger.kind is TriggerKind.EVERY_UNIT:
        taken = {owner: selection.discounted[owner]}
    if len(taken) > limits.TRIGGER_LINES_MAX:
        return DiscountTrigger(count=count, basket=True)
    if list(taken) == [owner] and len(taken[owner]) == owner.unit_count:
        return DiscountTrigger(count=count, line_item_id=owner.line.line_item_id)
    units = tuple(_unit_range(line_units, indexes) for line_units, indexes in taken.items())
    return DiscountTrigger(count=count, units=units)


def _unit_range(owner: LineUnits, indexes: range) -> UnitRange:
    return UnitRange(
        line_item_id=owner.line.line_item_id,
        start_index=indexes.start,
        end_index=indexes.stop,
    )
