"""Read the status with its details that a failed call carries."""

from typing import Any

import grpc.aio
from google.rpc import error_details_pb2, status_pb2


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the status that an error carries as a detail."""
    trailing: dict[str, bytes] = dict(error.trailing_metadata() or ())  # type: ignore[arg-type]  # grpc-stubs call it a tuple of their own
    return status_pb2.Status.FromString(trailing["grpc-status-details-bin"])


def detail(status: status_pb2.Status, kind: type[Any]) -> Any:
    """Return the detail of a type."""
    for packed in status.details:
        if packed.Is(kind.DESCRIPTOR):
            found = kind()
            packed.Unpack(found)
            return found
    raise AssertionError(f"expected a {kind.DESCRIPTOR.full_name}, was {status}")


def violations(status: status_pb2.Status) -> list[tuple[str, str]]:
    """Return the path and the reason of each bad field."""
    bad = detail(status, error_details_pb2.BadRequest)
    return [(each.field, each.reason) for each in bad.field_violations]


def problems(error: grpc.aio.AioRpcError) -> list[tuple[str, str]]:
    """Return the path and the reason of each field that an error names."""
    return violations(status_of(error))
