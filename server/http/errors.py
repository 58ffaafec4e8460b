"""Answer errors over HTTP: the status of each kind, one JSON form for all (design: api.md, 5)."""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine import limits
from engine.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
    OutOfRange,
    Overloaded,
    PermissionDenied,
    StoreUnavailable,
    TillcoreError,
    Unauthenticated,
    WrongState,
)
from engine.rpc.status import Draining

RETRY_SECONDS: Final = 1


class TooLarge(Overloaded):
    """A body or a message is longer than its maximum; sending it again does not help."""


STATUSES: Final[dict[type[TillcoreError], int]] = {
    InvalidInput: 400,
    OutOfRange: 400,
    Unauthenticated: 401,
    PermissionDenied: 403,
    NotFound: 404,
    WrongState: 409,
    Conflict: 409,
    TooLarge: 413,
    AlreadyExists: 422,
    Overloaded: 429,
    StoreUnavailable: 503,
    Draining: 503,
}
"""The status of each type of error; one that is not listed has that of its base, or 500."""

_RETRIED: Final = frozenset({429, 503})


def status_of(error: TillcoreError) -> int:
    """Return the status of an error."""
    return next((STATUSES[base] for base in type(error).__mro__ if base in STATUSES), 500)


def error_document(error: TillcoreError) -> dict[str, object]:
    """Return what is said about an error: code, message, and the first bad fields."""
    shown = error.problems[: limits.PROBLEMS_REPORTED_MAX]
    document: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "fields": [
            {"field": each.field, "reason": each.reason.name, "message": each.message}
            for each in shown
        ],
    }
    omitted = len(error.problems) - len(shown)
    if omitted:
        document["omitted_field_count"] = omitted
    return document


def error_answer(error: TillcoreError) -> Response:
    """Return the answer to a request that failed."""
    status = status_of(error)
    headers = {"cache-control": "no-store"}
    if status in _RETRIED:
        headers["retry-after"] = str(RETRY_SECONDS)
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": error_document(error)}, status_code=status, headers=headers)


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer a request whose handler raised one of our errors; for Starlette."""
    del request
    assert isinstance(error, TillcoreError), error
    return error_answer(error)
