"""Write the status of a call as gRPC sends it: the fields of an HTTP/2 trailer."""

import base64
from typing import Final
from urllib.parse import quote

from engine.rpc.calls import REQUEST_ID_KEY
from engine.rpc.status import DETAILS_KEY
from server.http.browser.bridge import End

_PRINTABLE: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
"""What stays as it is in a grpc-message; everything else is percent-encoded."""


def trailer_of(end: End, details: str | bytes | None) -> bytes:
    """Return `name NUL value NUL` for each field, grpc-status first.

    Args:
        end: How the call ended.
        details: What the handler sends as grpc-status-details-bin; what the status has unless any.
    """
    fields = [("grpc-status", str(end.status.code))]
    if end.status.message:
        fields.append(("grpc-message", quote(end.status.message, safe=_PRINTABLE)))
    if details is None and end.status.details:
        details = end.status.SerializeToString()
    if isinstance(details, bytes):
        fields.append((DETAILS_KEY, base64.b64encode(details).decode().rstrip("=")))
    if end.request_id:
        fields.append((REQUEST_ID_KEY, end.request_id))
    return b"".join(f"{name}\0{value}\0".encode("ascii") for name, value in fields)
