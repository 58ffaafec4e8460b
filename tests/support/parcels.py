"""Parcels to deliver, and the rules under which loopback may be reached."""

from ipaddress import ip_network
from typing import Any

from server.exports.network import Rules
from server.exports.outcome import Parcel

LOOPBACK = Rules(allowed=(ip_network("127.0.0.0/8"), ip_network("::1/128")), is_http_allowed=True)
"""Lets deliveries reach servers of tests."""

NOTHING_PRIVATE = Rules()
"""Lets deliveries reach public addresses only."""

BODY = b"id;total\r\n1;2,50\r\n.\r\n\x00\xff\xf0 end without line"
"""What no protocol may change: a lone dot, bytes beyond text, no last line end."""


def parcel(**changes: Any) -> Parcel:
    """Return a parcel, with changes."""
    fields: dict[str, Any] = {
        "delivery_id": "msg_0123456789abcdef0123456789abcdef",
        "queue_id": "queue-1",
        "queue_name": "Salg på Ærø",
        "element_keys": ("sale-1",),
        "moment_ns": 1_790_000_000_000_000_000,
        "placed_ns": 1_780_000_000_000_000_000,
        "body": BODY,
        "content_type": "text/csv; charset=utf-8",
        "extension": ".csv",
    }
    return Parcel(**fields | changes)
