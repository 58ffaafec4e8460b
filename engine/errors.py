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
    REGISTER_CLOSED = "register_closed"
    TOTAL_CHANGED = "total_changed"
    VOIDED = "voided"
    COMPLETED = "completed"
    COLLECTED = "collected"
    EXPIRED = "expired"


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


class NotFound(TillcoreError):
    """The id names nothing of the caller's account; another account's id names nothing either."""

    code = "NOT_FOUND"


class AlreadyExists(TillcoreError):
    """The id is taken by other content; nothing was stored."""

    code = "ALREADY_EXISTS"


class WrongState(TillcoreError):
    """What the id names is not in the state that the request needs; nothing was stored."""

    code = "FAILED_PRECONDITION"


class Conflict(TillcoreError):
    """Another request changed the same thing meanwhile; nothing was stored: read and try again."""

    code = "ABORTED"


class Unauthenticated(TillcoreError):
    """The call brings no key, or one that does not open anything."""

    code = "UNAUTHENTICATED"


class PermissionDenied(TillcoreError):
    """The key is good but not for this."""

    code = "PERMISSION_DENIED"


class Overloaded(TillcoreError):
    """More is waiting than the server takes; nothing was stored."""

    code = "RESOURCE_EXHAUSTED"


class StoreUnavailable(TillcoreError):
    """The database does not answer, or not as it should; sending the same id again is safe.

    Attributes:
        is_unknown: Whether the outcome is unknown: what was to be stored may be there. Otherwise
            nothing was stored.
    """

    code = "UNAVAILABLE"

    def __init__(self, message: str, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.is_unknown = is_unknown


def invalid(field: str, reason: Reason, message: str) -> InvalidInput:
    """Return the error for one bad field."""
    return InvalidInput((FieldProblem(field, reason, message),))
