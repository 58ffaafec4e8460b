"""What the fast front holds its callers to; the reasons are in docs/front.md, section 4."""

from typing import Final

import msgspec

from engine import limits
from engine.rpc.basket_service import ANSWERED_INLINE_BYTES_MAX
from engine.rpc.server import METADATA_BYTES_REFUSED

_NS_PER_SECOND: Final = 10**9
_SECONDS: Final = "_seconds"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one front, times in seconds.

    Attributes:
        connection_count_max: Connections beyond are closed at once.
        stream_count_max: Calls of one connection at a time.
        message_bytes_max: Of a request.
        inline_bytes_max: Longer requests are handed over, so that others do not wait for them.
        metadata_bytes_max: Of a call's headers.
        held_bytes_max: Of all requests and answers in memory; calls beyond are refused.
        handed_count_max: Calls that are handed over at a time, calls beyond are refused: streams
            are counted apart, and so are watches, of which there are an eighth.
        first_seconds: How long a connection may take until its first settings are there.
        request_seconds: How long a message may take until it is whole.
        idle_seconds: How long a connection may be without calls.
        age_seconds: How old a connection gets; 0 for any age.
        stall_seconds: How long nothing may be read of what is sent.
        ping_seconds: How long a connection with calls is silent until it is asked.
        sample_every: One of so many answered calls has a line in the log; 0 for none.
    """

    connection_count_max: int = 10_000
    stream_count_max: int = 100
    message_bytes_max: int = limits.EVALUATE_MESSAGE_BYTES_MAX
    inline_bytes_max: int = ANSWERED_INLINE_BYTES_MAX
    metadata_bytes_max: int = METADATA_BYTES_REFUSED
    held_bytes_max: int = 256 * 1024 * 1024
    handed_count_max: int = 2_000
    first_seconds: float = 10.0
    request_seconds: float = 30.0
    idle_seconds: float = 600.0
    age_seconds: float = 0.0
    stall_seconds: float = 30.0
    ping_seconds: float = 60.0
    sample_every: int = 10_000


def in_c(given: Limits) -> dict[str, int]:
    """Return limits as the front takes them: in whole nanoseconds."""
    found: dict[str, int] = {}
    for name, value in msgspec.structs.asdict(given).items():
        if name.endswith(_SECONDS):
            found[f"{name.removesuffix(_SECONDS)}_ns"] = round(value * _NS_PER_SECOND)
        else:
            found[name] = value
    return found
