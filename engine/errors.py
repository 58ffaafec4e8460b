"""Name what went wrong: one base class, a leaf for each fact, the bad fields with their paths."""

from collections.abc import Iterable
from enum import Enum

import msgspec

from engine import limits


class Reason(Enum):
    """Stable reason of a field problem; the value is what every interface reports."""

    REQUIRED = "required"
    WRONG_TYPE = "wrong_type"
    BAD_NUMBER = "bad_number"
    BAD_TIME = "bad_time"
    OUT_OF_BOUNDS = "out_of_bounds"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_ID = "unknown_id"
    UNKNOWN_VALUE = "unknown_value"
    DUPLICATE = "duplicate"
    NOT_ALLOWED = "not_allowed"
    NOT_SOLD_HERE = "not_sold_here"
    PRICE_REQUIRED = "price_required"
    VARIANT_REQUIRED = "variant_required"
    TOO_MANY = "too_many"
    MALFORMED = "malformed"


class FieldProblem(msgspec.Struct, frozen=True):
    """One bad field: its path (`line_items[3].quantity`), why, and what would be right."""

    field: str
    reason: Reason
    message: str


class TillcoreError(Exception):
    """Base of every error that the engine raises on purpose; `code` is the published name."""

    code = "INTERNAL"

    def __init__(self, message: str, problems: Iterable[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems = tuple(problems)


class InvalidInput(TillcoreError):
    """The input breaks a rule that the caller can mend; nothing was evaluated or stored."""

    code = "INVALID_ARGUMENT"

    def __init__(self, problems: Iterable[FieldProblem]) -> None:
        every = tuple(problems)
        assert every, "an InvalidInput names at least one field"
        shown = every[: limits.PROBLEMS_REPORTED_MAX]
        text = "; ".join(f"{p.field}: {p.message}" if p.field else p.message for p in shown)
        if len(every) > len(shown):
            text += f"; and {len(every) - len(shown)} more"
        super().__init__(text, every)


class OutOfRange(TillcoreError):
    """A result does not fit the range of amounts (evaluation, section 1)."""

    code = "OUT_OF_RANGE"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(
            f"{field}: {message}", (FieldProblem(field, Reason.OUT_OF_BOUNDS, message),)
        )


def invalid(field: str, reason: Reason, message: str) -> InvalidInput:
    """Return the error for one bad field."""
    return InvalidInput((FieldProblem(field, reason, message),))
