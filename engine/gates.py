"""Decide once per basket which campaigns its shop, customer, coupons and local time rule out."""

from collections.abc import Iterable

import msgspec

from engine.campaign_index import PricedCampaign
from engine.model import Basket, Conditions
from engine.zones import LocalClock, is_open, local_clock, opening_minutes


class Gate(msgspec.Struct, frozen=True):
    """The conditions of a campaign that the kernel does not look at.

    `opening_minutes` are the weekly windows in minutes of the week, empty without any.
    """

    number: int
    conditions: Conditions
    opening_minutes: tuple[int, ...]


class Gates:
    """The gates of a plan's campaigns, and the clock of its market if a gate needs one."""

    def __init__(self, campaigns: Iterable[PricedCampaign], timezone: str) -> None:
        """Compile the gates of the campaigns, given in evaluation order."""
        self._gates = [
            Gate(number, conditions, opening_minutes(conditions.weekly_windows))
            for number, priced in enumerate(campaigns)
            if _is_gated(conditions := priced.campaign.conditions)
        ]
        has_windows = any(gate.opening_minutes for gate in self._gates)
        self._clock: LocalClock | None = local_clock(timezone) if has_windows else None

    def __bool__(self) -> bool:
        """Return whether any campaign has a gate."""
        return bool(self._gates)

    def closed_to(self, basket: Basket) -> list[int]:
        """Return the numbers of the campaigns that the basket does not reach.

        A basket without an evaluate time is in no weekly window.
        """
        minute = None
        if self._clock is not None and basket.evaluate_time_ns is not None:
            minute = self._clock.minute_of_week(basket.evaluate_time_ns)
        return [
            gate.number
            for gate in self._gates
            if not _is_met(gate.conditions, basket)
            or (
                gate.opening_minutes
                and (minute is None or not is_open(gate.opening_minutes, minute))
            )
        ]


def _is_gated(conditions: Conditions) -> bool:
    """Return whether conditions besides market, validity, purchase type and any customer apply."""
    return bool(
        conditions.shops
        or conditions.customer_ids
        or conditions.customer_groups
        or conditions.coupons
        or conditions.weekly_windows
    )


def _is_met(conditions: Conditions, basket: Basket) -> bool:
    """Return whether shop, customer and coupons of the basket meet the conditions."""
    customer = basket.customer
    if conditions.shops and basket.shop not in conditions.shops:
        return False
    if conditions.coupons and set(conditions.coupons).isdisjoint(basket.coupons):
        return False
    if conditions.customer_ids and (
        customer is None or customer.identifier not in conditions.customer_ids
    ):
        return False
    return not conditions.customer_groups or (
        customer is not None and not set(conditions.customer_groups).isdisjoint(customer.groups)
    )
