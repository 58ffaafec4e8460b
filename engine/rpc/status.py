"""Turn errors into status: the one table of codes, and the details of google.rpc."""

import re
from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from engine import limits
from engine.errors import (
    AlreadyExists,
    Conflict,
    FieldProblem,
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
from tillcore.v1 import basket_pb2, evaluated_basket_pb2, evaluated_line_pb2, frozen_pb2

DOMAIN: Final = "tillcore"
"""The domain of every ErrorInfo."""

DETAILS_KEY: Final = "grpc-status-details-bin"
"""The trailing metadata that carries the google.rpc.Status."""

_FIELD_BYTES_MAX = 200
_DESCRIPTION_BYTES_MAX = 400
_MESSAGE_BYTES_MAX = 300
"""Bounds that keep a status with its details inside the 8 kB that clients accept as metadata."""

DRAIN_RETRY_SECONDS: Final = 1


class Draining(TillcoreError):
    """The server is about to stop; another one, or a later call, answers."""

    code = "UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("the server is about to stop; send the call again")


CODES: Final[dict[type[TillcoreError], grpc.StatusCode]] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    WrongState: grpc.StatusCode.FAILED_PRECONDITION,
    Conflict: grpc.StatusCode.ABORTED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
    Draining: grpc.StatusCode.UNAVAILABLE,
}
"""The code of each type of error; a type that is not listed has that of its base, or INTERNAL."""

RETRY_SECONDS: Final[dict[type[TillcoreError], int]] = {
    Draining: DRAIN_RETRY_SECONDS,
    Overloaded: 1,
    StoreUnavailable: 1,
}
"""The types of error after which the same call may succeed, and how long to wait, in seconds."""

CODE_OF_NUMBER: Final = {code.value[0]: code for code in grpc.StatusCode}


def status_of(error: Exception, *, request_id: str = "") -> status_pb2.Status:
    """Return the status of an error with its details.

    An error that is not a `TillcoreError` is INTERNAL, and nothing of its text leaves the server.

    Args:
        error: What was raised.
        request_id: The id of the call for a RequestInfo; there is none when it is empty.
    """
    details: list[Message] = []
    if isinstance(error, TillcoreError):
        code, message = _code_of(type(error)), _summary(error)
        shown = _violations(error.problems)
        if shown:
            details.append(error_details_pb2.BadRequest(field_violations=shown))
        details.append(_error_info(error, omitted=len(error.problems) - len(shown)))
    else:
        code, message = grpc.StatusCode.INTERNAL, "an internal error"
        details.append(error_details_pb2.ErrorInfo(reason=code.name, domain=DOMAIN))
    retry_seconds = _retry_seconds_of(type(error))
    if retry_seconds is not None:
        delay = duration_pb2.Duration(seconds=retry_seconds)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if request_id:
        details.append(error_details_pb2.RequestInfo(request_id=request_id))
    return status_pb2.Status(code=code.value[0], message=message, details=map(_packed, details))


def _retry_seconds_of(kind: type[Exception]) -> int | None:
    """Return the wait of the nearest listed base, None where a repetition does not help."""
    listed = (RETRY_SECONDS[base] for base in kind.__mro__ if base in RETRY_SECONDS)
    return next(listed, None)


def _code_of(kind: type[TillcoreError]) -> grpc.StatusCode:
    """Return the code of the nearest listed base."""
    return next((CODES[base] for base in kind.__mro__ if base in CODES), grpc.StatusCode.INTERNAL)


def _summary(error: TillcoreError) -> str:
    """Return the message: the first problem, and how many there are beyond it."""
    if not error.problems:
        return _cut(error.message, _MESSAGE_BYTES_MAX)
    first = error.problems[0]
    text = f"{first.field}: {first.message}" if first.field else first.message
    text = _cut(text, _MESSAGE_BYTES_MAX)
    more = len(error.problems) - 1
    return f"{text}; and {more} more" if more else text


def _violations(
    problems: tuple[FieldProblem, ...],
) -> list[error_details_pb2.BadRequest.FieldViolation]:
    """Return the first problems, as many as are reported and fit the bytes."""
    shown: list[error_details_pb2.BadRequest.FieldViolation] = []
    bytes_left = limits.PROBLEM_BYTES_MAX
    for problem in problems[: limits.PROBLEMS_REPORTED_MAX]:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(problem.field, _FIELD_BYTES_MAX),
            description=_cut(problem.message, _DESCRIPTION_BYTES_MAX),
            reason=problem.reason.name,
        )
        bytes_left -= violation.ByteSize() + 4
        if bytes_left < 0:
            break
        shown.append(violation)
    return shown


def _error_info(error: TillcoreError, *, omitted: int) -> error_details_pb2.ErrorInfo:
    """Return the reason of the first problem, or the published code of an error without fields."""
    reason = error.problems[0].reason.name if error.problems else error.code
    metadata = {"omitted_field_count": str(omitted)} if omitted else {}
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)


def _cut(text: str, bytes_max: int) -> str:
    """Return a text that has at most so many bytes in UTF-8, between characters."""
    data = text.encode(errors="replace")
    if len(data) <= bytes_max:
        return data.decode()
    return data[: bytes_max - 3].decode(errors="ignore") + "..."


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


# --- paths -----------------------------------------------------------------------------------

_SUFFIX = "_micros"
_NUMBERS = frozenset(
    field.name.removesuffix(_SUFFIX)
    for message in (
        basket_pb2.BasketLine,
        basket_pb2.Payment,
        evaluated_basket_pb2.EvaluatedBasket,
        evaluated_line_pb2.EvaluatedLine,
        frozen_pb2.ReturnedLine,
    )
    for field in message.DESCRIPTOR.fields
    if field.name.endswith(_SUFFIX)
)
_NUMBER_PATH = re.compile(
    r"(?:(?:line_items|payments)\[\d+\]\.|(?:returns|quotes)\[\d+\]\.(?:.*\.)?)?(\w+)"
)


def located(error: TillcoreError, path: str) -> TillcoreError:
    """Return an error of the engine with the paths of the message: below `path`, in its words.

    The engine names fields as JSON does; the numbers of messages end in `_micros`.
    """
    problems = [
        FieldProblem(_wire_path(problem.field, path), problem.reason, problem.message)
        for problem in error.problems
    ]
    if isinstance(error, InvalidInput):
        return InvalidInput(problems)
    if isinstance(error, OutOfRange) and problems:
        return OutOfRange(problems[0].field, problems[0].message)
    return error


def _wire_path(field: str, path: str) -> str:
    match = _NUMBER_PATH.fullmatch(field)
    if match and match[1] in _NUMBERS:
        field += _SUFFIX
    return f"{path}.{field}" if field else path
