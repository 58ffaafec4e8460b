"""Turn the status of a call into a typed error: what is wrong, with which field, and what to do.

An error is definite, nothing was stored; or it is `UnknownOutcome`: the answer is lost, and the
same request with the same id is safe to send again, at any later time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

DETAILS_KEY: Final = "grpc-status-details-bin"
"""The trailing metadata that carries a google.rpc.Status."""

_NS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field of the request that is bad.

    Attributes:
        field: The path in the request, such as `basket.line_items[3].quantity_micros`.
        reason: A stable reason of `ErrorReason`, such as `UNKNOWN_ID`.
        description: What was expected and what it was, for people.
    """

    field: str
    reason: str
    description: str


@dataclass(frozen=True, slots=True)
class Details:
    """What a status says.

    Attributes:
        code: The name of the status code, such as `INVALID_ARGUMENT`.
        message: What is wrong, for people.
        reason: The stable reason, such as `REGISTER_CLOSED`; "" when the server gave none.
        violations: The bad fields, the first ones.
        omitted_field_count: How many bad fields there are beyond these.
        retry_seconds: How long to wait before another attempt; None when the server does not say.
        call_id: The call in the log of the server; "" when it gave none.
    """

    code: str
    message: str
    reason: str = ""
    violations: tuple[FieldViolation, ...] = ()
    omitted_field_count: int = 0
    retry_seconds: float | None = None
    call_id: str = ""


class CallError(Exception):
    """A call failed, or one basket of several did. The classes below tell why."""

    def __init__(self, details: Details) -> None:
        """Fail for these details."""
        super().__init__(f"{details.code}: {details.message}")
        self.details = details

    @property
    def code(self) -> str:
        """The name of the status code."""
        return self.details.code

    @property
    def reason(self) -> str:
        """The stable reason, such as `REGISTER_CLOSED`; "" when the server gave none."""
        return self.details.reason

    @property
    def violations(self) -> tuple[FieldViolation, ...]:
        """The bad fields."""
        return self.details.violations


class InvalidArgument(CallError):
    """The request is bad, whatever the server holds; see `violations`."""


class OutOfRange(CallError):
    """A result is too large to be stated."""


class NotFound(CallError):
    """The id names nothing that this key can see."""


class AlreadyExists(CallError):
    """The id was used for another content."""


class FailedPrecondition(CallError):
    """The state of things does not allow it: a closed register, a voided sale; see `reason`."""


class Aborted(CallError):
    """Somebody else changed the same thing meanwhile: read it and try again."""


class Unauthenticated(CallError):
    """The call brings no key, or one that does not open anything."""


class PermissionDenied(CallError):
    """The key is not good for this method, or not for this register."""


class ResourceExhausted(CallError):
    """The message is too big, or the server has too much to do."""


class Unavailable(CallError):
    """No server could be reached, or it could not answer, over all attempts."""


class DeadlineExceeded(CallError):
    """The time for the call is over."""


class UnknownOutcome(CallError):
    """A write was sent and its answer is lost: it may have been done or not.

    The same call with `request_id` and the same content is safe at any later time: it is done once,
    and says `replayed` when it had been done. Without an id, look at what the server holds.
    """

    def __init__(self, details: Details, *, method: str, request_id: str) -> None:
        """Fail for the last attempt of a method under an id, "" for none."""
        super().__init__(details)
        self.method = method
        self.request_id = request_id
        self.add_note(f"{method} with the id {request_id!r} may have been done")


class SessionLost(CallError):
    """A session of EditBasket is gone, and its basket could not be taken over."""


_CLASSES: Final[dict[str, type[CallError]]] = {
    "ABORTED": Aborted,
    "ALREADY_EXISTS": AlreadyExists,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "FAILED_PRECONDITION": FailedPrecondition,
    "INVALID_ARGUMENT": InvalidArgument,
    "NOT_FOUND": NotFound,
    "OUT_OF_RANGE": OutOfRange,
    "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": ResourceExhausted,
    "UNAUTHENTICATED": Unauthenticated,
    "UNAVAILABLE": Unavailable,
}


def error_of(details: Details) -> CallError:
    """Return the error of a status."""
    return _CLASSES.get(details.code, CallError)(details)


def details_of(error: grpc.RpcError) -> Details:
    """Return what a broken or refused call says, of the sync or the asyncio client."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return Details("UNKNOWN", str(error))
    trailing: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()
    for key, value in trailing:
        if key == DETAILS_KEY and isinstance(value, bytes):
            return details_of_status(status_pb2.Status.FromString(value))
    return Details(error.code().name, error.details() or "")


def details_of_status(status: status_pb2.Status) -> Details:
    """Return what a status says with its details."""
    bad_request, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
    retry, request = error_details_pb2.RetryInfo(), error_details_pb2.RequestInfo()
    retry_seconds = None
    for detail in status.details:
        for message in (bad_request, info, retry, request):
            if detail.Unpack(message) and message is retry:
                delay = retry.retry_delay
                retry_seconds = delay.seconds + delay.nanos / _NS_PER_SECOND
    omitted = info.metadata.get("omitted_field_count", "0")
    return Details(
        code=code_pb2.Code.Name(status.code)
        if status.code in code_pb2.Code.values()
        else "UNKNOWN",
        message=status.message,
        reason=info.reason,
        violations=tuple(
            FieldViolation(each.field, each.reason, each.description)
            for each in bad_request.field_violations
        ),
        omitted_field_count=int(omitted) if omitted.isdecimal() else 0,
        retry_seconds=retry_seconds,
        call_id=request.request_id,
    )
