"""Say how a call ended, in the JSON of Connect (reference: Connect Protocol, Error End-Stream)."""

import base64
from typing import Any, Final

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2

from engine.rpc.status import CODE_OF_NUMBER

HTTP_STATUSES: Final[dict[grpc.StatusCode, int]] = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
"""The HTTP status of each code, which the protocol fixes: it differs from the other doors'."""


def code_name(code: grpc.StatusCode) -> str:
    """Return a code as Connect writes it: `invalid_argument`; it spells `canceled` with one l."""
    return "canceled" if code is grpc.StatusCode.CANCELLED else code.name.lower()


def error_json(status: status_pb2.Status) -> dict[str, Any]:
    """Return an error as JSON: code, message, and the details of google.rpc."""
    found: dict[str, Any] = {
        "code": code_name(CODE_OF_NUMBER[status.code]),
        "message": status.message,
    }
    details = [
        {
            "type": detail.type_url.rpartition("/")[2],
            "value": base64.b64encode(detail.value).decode().rstrip("="),
            "debug": _debug(detail),
        }
        for detail in status.details
    ]
    return {**found, "details": details} if details else found


def retry_seconds(status: status_pb2.Status) -> int | None:
    """Return after how long the same call may succeed; None where that is not stated."""
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(retry):
            return max(retry.retry_delay.seconds, 1)
    return None


def _debug(detail: Any) -> dict[str, Any]:
    shown: dict[str, Any] = json_format.MessageToDict(detail)
    del shown["@type"]
    return shown
