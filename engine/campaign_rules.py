"""State once what a campaign may combine: limits with triggers, targets with groups, validity.

The readers of JSON and of messages check single fields; what depends on several is checked here, so
that both refuse the same campaigns. Paths are in the words of `engine.model`.
"""

from collections.abc import Iterator
from datetime import UTC

from engine.errors import FieldProblem, Reason
from engine.instants import has_offset, instant_ns
from engine.model import Campaign, Conditions, Selector, TargetKind, Trigger, TriggerKind

FULL_FORM = "campaign"
"""The type of a campaign that is no template."""

GROUPING = (TriggerKind.COUNT, TriggerKind.BUNDLE)
"""The triggers that form complete groups (section 3.3 of docs/evaluation.md)."""

ALL_WEEKDAYS = tuple(range(1, 8))
"""The days of a window that names none, by their numbers of ISO 8601."""

DAY_MINUTES = 24 * 60
"""The end of a window at most; an end at or before the start is a time of the following day."""

WINDOW_START_MINUTE_MAX = DAY_MINUTES - 1


def problems_of(campaign: Campaign) -> Iterator[FieldProblem]:
    """Yield what is wrong with a campaign whose single fields are right."""
    trigger, target = campaign.trigger, campaign.target
    is_grouping = trigger.kind in GROUPING
    if campaign.max_groups is not None:
        if not is_grouping:
            message = f"expected none with the trigger {trigger.kind.value}, which forms no groups"
            yield FieldProblem("max_groups", Reason.NOT_ALLOWED, message)
        elif target.kind is TargetKind.BASKET:
            message = "expected none with the target basket, which is discounted once"
            yield FieldProblem("max_groups", Reason.NOT_ALLOWED, message)
    if target.kind in (TargetKind.CHEAPEST, TargetKind.DEAREST) and is_grouping:
        yield from _count_problems(target.count or 1, trigger)
    yield from _validity_problems(campaign.conditions)


def selector_problems(selector: Selector) -> Iterator[FieldProblem]:
    """Yield why a selector selects nothing, or says more than it means; paths are relative to it.

    What `exclude` holds was checked when it was read.
    """
    is_named = bool(
        selector.products
        or selector.variants
        or selector.tags
        or selector.product_groups
        or selector.attributes
    )
    if not is_named and not selector.everything:
        message = "expected a selector that names something, was empty"
        yield FieldProblem("", Reason.REQUIRED, message)
    if is_named and selector.everything:
        message = "expected either everything or what is named, was both"
        yield FieldProblem("", Reason.NOT_ALLOWED, message)
    exclude = selector.exclude
    if exclude is not None and exclude.everything and exclude.exclude is None:
        message = "expected an exclusion that leaves something, was everything"
        yield FieldProblem("exclude", Reason.NOT_ALLOWED, message)


def _count_problems(count: int, trigger: Trigger) -> Iterator[FieldProblem]:
    """Yield the problem that more units of a group are discounted than it has."""
    size = trigger.unit_count
    if count > size:
        message = f"expected at most the {size} units of a group, was {count}"
        yield FieldProblem("target.count", Reason.OUT_OF_BOUNDS, message)


def _validity_problems(conditions: Conditions) -> Iterator[FieldProblem]:
    """Yield the problem that no time lies between start and end.

    Of two texts with only one offset between them that is unknown: the market is not known here.
    """
    start, end = conditions.valid_from, conditions.valid_until
    if start is None or end is None or has_offset(start) != has_offset(end):
        return
    if instant_ns(start, UTC, end=False) >= instant_ns(end, UTC, end=True):
        message = f"expected a time after valid_from {start}, was {end}"
        yield FieldProblem("conditions.valid_until", Reason.OUT_OF_BOUNDS, message)
