"""Call Tillcore: baskets, checkouts, registers, catalogues, stock and orders, with exact numbers.

`Client` blocks, `AsyncClient` is for asyncio; both have the same methods. `v1` holds the messages.
"""

from tillcore_client import v1
from tillcore_client.async_client import AsyncClient
from tillcore_client.async_edit_session import AsyncEditSession
from tillcore_client.builders import amount_off, cash, line, payment, percentage_off, text_of
from tillcore_client.client import Client
from tillcore_client.connection import Tls, new_id
from tillcore_client.edit_session import EditSession
from tillcore_client.errors import (
    Aborted,
    AlreadyExists,
    CallError,
    DeadlineExceeded,
    Details,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    SessionLost,
    Unauthenticated,
    Unavailable,
    UnknownOutcome,
)
from tillcore_client.numbers import Number, decimal_of, micros
from tillcore_client.retry import RetryPolicy

__all__ = [
    "Aborted",
    "AlreadyExists",
    "AsyncClient",
    "AsyncEditSession",
    "CallError",
    "Client",
    "DeadlineExceeded",
    "Details",
    "EditSession",
    "FailedPrecondition",
    "FieldViolation",
    "InvalidArgument",
    "NotFound",
    "Number",
    "OutOfRange",
    "PermissionDenied",
    "ResourceExhausted",
    "RetryPolicy",
    "SessionLost",
    "Tls",
    "Unauthenticated",
    "Unavailable",
    "UnknownOutcome",
    "amount_off",
    "cash",
    "decimal_of",
    "line",
    "micros",
    "new_id",
    "payment",
    "percentage_off",
    "text_of",
    "v1",
]
