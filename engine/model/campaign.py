"""Discounts: effects, selectors, and campaigns of conditions, trigger, target and limits."""

from enum import Enum

from engine.model.product import AttributeValue
from engine.model.value import L10nString, MarketPrice, Value


class EffectKind(Enum):
    """The six kinds of discount (section 3)."""

    AMOUNT = "amount"
    AMOUNT_PER_ITEM = "amount_per_item"
    PERCENTAGE = "percentage"
    PERCENTAGE_WITH_MAX = "percentage_with_max"
    NEW_PRICE = "new_price"
    NEW_PRICE_PER_ITEM = "new_price_per_item"


class Effect(Value, frozen=True):
    """What a discount does; a percentage is a fraction in micros, everything else an amount."""

    kind: EffectKind
    value_micros: MarketPrice
    max_micros: MarketPrice | None = None


class Selector(Value, frozen=True):
    """A set of products: the union of what is named, minus `exclude`."""

    everything: bool = False
    products: tuple[str, ...] = ()
    variants: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    product_groups: tuple[str, ...] = ()
    attributes: tuple[tuple[str, AttributeValue], ...] = ()
    exclude: "Selector | None" = None


class TriggerKind(Enum):
    """What sets a campaign off."""

    EVERY_UNIT = "every_unit"
    COUNT_OR_MORE = "count_or_more"
    COUNT = "count"
    BUNDLE = "bundle"
    SPEND = "spend"


class BundlePart(Value, frozen=True):
    """One slot of a bundle: `count` units of the selector."""

    selector: Selector
    count: int


class Trigger(Value, frozen=True):
    """The triggering units; `parts` only for a bundle, `spend_micros` only for spend."""

    kind: TriggerKind
    selector: Selector = Selector()
    count: int = 1
    parts: tuple[BundlePart, ...] = ()
    spend_micros: MarketPrice | None = None

    @property
    def unit_count(self) -> int:
        """Return how many units set the trigger off at least: n, or all parts of a bundle."""
        if self.kind is TriggerKind.BUNDLE:
            return sum(part.count for part in self.parts)
        counted = (TriggerKind.COUNT, TriggerKind.COUNT_OR_MORE)
        return self.count if self.kind in counted else 1


class TargetKind(Enum):
    """Which units, or whether the basket, a campaign discounts."""

    TRIGGERING_UNITS = "triggering_units"
    CHEAPEST = "cheapest"
    DEAREST = "dearest"
    SELECTOR = "selector"
    BASKET = "basket"


class Target(Value, frozen=True):
    """The discounted units; `count` is k of each group, `selector` only for another selector."""

    kind: TargetKind = TargetKind.TRIGGERING_UNITS
    count: int | None = None
    selector: Selector | None = None


class WeeklyWindow(Value, frozen=True):
    """A weekly window in local time: ISO weekdays, minutes of the day, end exclusive."""

    weekdays: tuple[int, ...]
    start_minute: int = 0
    end_minute: int = 24 * 60


class Conditions(Value, frozen=True):
    """When a campaign is active; an empty tuple or None does not restrict."""

    markets: tuple[str, ...] = ()
    shops: tuple[str, ...] = ()
    valid_from: str | None = None
    valid_until: str | None = None
    weekly_windows: tuple[WeeklyWindow, ...] = ()
    purchase_types: tuple[str, ...] = ()
    customer_required: bool = False
    customer_ids: tuple[str, ...] = ()
    customer_groups: tuple[str, ...] = ()
    coupons: tuple[str, ...] = ()


class Campaign(Value, frozen=True):
    """A discount campaign: conditions, trigger, target, effect and limits (section 3).

    `valid_from` and `valid_until` of the conditions keep their checked ISO 8601 text; a text
    without an offset is local to the market and becomes an instant when a plan is compiled.
    """

    id: str
    type: str
    name: str
    display_name: L10nString
    priority_micros: int
    trigger: Trigger
    target: Target
    effect: Effect
    conditions: Conditions = Conditions()
    min_total_micros: MarketPrice | None = None
    max_groups: int | None = None
    stackable: bool = False


class ManualDiscount(Value, frozen=True):
    """A discount that a cashier adds to a line or to the basket."""

    effect: Effect
    id: str | None = None
    name: L10nString | None = None
