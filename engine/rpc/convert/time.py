"""Convert moments between timestamps and nanoseconds."""

from google.protobuf.timestamp_pb2 import Timestamp

from engine.errors import Reason
from engine.rpc.convert.fields import Problems

_NS_PER_SECOND = 1_000_000_000
_SECONDS_MIN = -(2**63) // _NS_PER_SECOND + 1
_SECONDS_MAX = 2**63 // _NS_PER_SECOND - 1
"""Moments are 64-bit nanoseconds: the years 1678 to 2261."""


def time_to_proto(time_ns: int) -> Timestamp:
    """Return the message of a moment in nanoseconds since 1970-01-01 UTC."""
    seconds, nanos = divmod(time_ns, _NS_PER_SECOND)
    return Timestamp(seconds=seconds, nanos=nanos)


def time_from_proto(message: Timestamp, path: str, name: str, problems: Problems) -> int:
    """Return a moment in nanoseconds since 1970-01-01 UTC; `path` is empty for a request itself."""
    field = f"{path}.{name}" if path else name
    if not 0 <= message.nanos < _NS_PER_SECOND:
        problems.add(
            f"{field}.nanos",
            Reason.BAD_TIME,
            f"expected 0 to {_NS_PER_SECOND - 1}, was {message.nanos}",
        )
    if not _SECONDS_MIN <= message.seconds <= _SECONDS_MAX:
        problems.add(
            f"{field}.seconds",
            Reason.BAD_TIME,
            f"expected {_SECONDS_MIN} to {_SECONDS_MAX}, was {message.seconds}",
        )
    return message.seconds * _NS_PER_SECOND + message.nanos
