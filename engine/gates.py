"""Decide once per basket which campaigns its shop, customer, coupons and local time rule out."""

from collections.abc import Iterable, Iterator

import msgspec

from engine.campaign_index import PricedCampaign
from engine.model import Basket, Conditions, Customer, ExplanationReason
from engine.zones import LocalClock, is_open, local_clock, opening_minutes


class Gate(msgspec.Struct, frozen=True):
    """The conditions of a campaign that the kernel does not look at.

    `opening_minutes` are the weekly windows in minutes of the week, empty without any.
    """

    number: int
    conditions: Conditions
    opening_minutes: tuple[int, ...]


class Gates:
    """The gates of a plan's campaigns; `clock` is that of its market if a gate needs one."""

    def __init__(self, campaigns: Iterable[PricedCampaign], timezone: str) -> None:
        """Compile the gates of the campaigns, given in evaluation order."""
        self._gates = {
            number: Gate(number, conditions, opening_minutes(conditions.weekly_windows))
            for number, priced in enumerate(campaigns)
            if _is_gated(conditions := priced.campaign.conditions)
        }
        has_windows = any(gate.opening_minutes for gate in self._gates.values())
        self.clock: LocalClock | None = local_clock(timezone) if has_windows else None

    def __bool__(self) -> bool:
        """Return whether any campaign has a gate."""
        return bool(self._gates)

    def __iter__(self) -> Iterator[Gate]:
        """Yield the gates in the order of the campaigns."""
        return iter(self._gates.values())

    def closed_to(self, basket: Basket) -> list[int]:
        """Return the numbers of the campaigns that the basket does not reach."""
        minute = self.minute_of(basket)
        return [
            gate.number
            for gate in self._gates.values()
            if unmet_condition(gate.conditions, basket) or not _is_open(gate, minute)
        ]

    def is_in_window(self, number: int, basket: Basket) -> bool:
        """Return whether the basket's moment is in a weekly window of a campaign, if it has any."""
        gate = self._gates.get(number)
        return gate is None or _is_open(gate, self.minute_of(basket))

    def minute_of(self, basket: Basket) -> int | None:
        """Return the local minute of the week of a basket that has a moment, if a gate needs it."""
        if self.clock is None or basket.evaluate_time_ns is None:
            return None
        return self.clock.minute_of_week(basket.evaluate_time_ns)


def _is_open(gate: Gate, minute: int | None) -> bool:
    """Return whether the minute is in a window; a basket without a moment is in none."""
    if not gate.opening_minutes:
        return True
    return minute is not None and is_open(gate.opening_minutes, minute)


def _is_gated(conditions: Conditions) -> bool:
    """Return whether conditions besides market, validity, purchase type and any customer apply."""
    return bool(
        conditions.shops
        or conditions.customer_ids
        or conditions.customer_groups
        or conditions.coupons
        or conditions.weekly_windows
    )


def unmet_condition(conditions: Conditions, basket: Basket) -> ExplanationReason | None:
    """Return the first condition besides market and time that the basket does not meet."""
    customer = basket.customer
    if conditions.shops and basket.shop not in conditions.shops:
        return ExplanationReason.WRONG_SHOP
    if conditions.purchase_types and basket.purchase_type not in conditions.purchase_types:
        return ExplanationReason.PURCHASE_TYPE
    wanted = conditions.customer_required or conditions.customer_ids or conditions.customer_groups
    if wanted and (customer is None or not _is_wanted(conditions, customer)):
        return ExplanationReason.CUSTOMER_REQUIRED
    if conditions.coupons and set(conditions.coupons).isdisjoint(basket.coupons):
        return ExplanationReason.COUPON_REQUIRED
    return None


def _is_wanted(conditions: Conditions, customer: Customer) -> bool:
    """Return whether a customer is among the ids and the groups of the conditions."""
    if conditions.customer_ids and customer.identifier not in conditions.customer_ids:
        return False
    groups = conditions.customer_groups
    return not groups or not set(groups).isdisjoint(customer.groups)
