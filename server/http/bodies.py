"""Read the bodies of HTTP requests, each up to a maximum."""

from typing import Final

from starlette.requests import Request

from server.http.errors import TooLarge

BODY_BYTES_MAX: Final = 1024 * 1024
"""How long a body may be where a handler says nothing else."""


async def read_body(request: Request, *, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Return the body of a request.

    Raises:
        TooLarge: It is longer; what follows the maximum is not read.
    """
    expected = f"expected a body of at most {bytes_max} bytes"
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > bytes_max:
        raise TooLarge(f"{expected}, was {stated}")
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > bytes_max:
            raise TooLarge(f"{expected}, was more")
        parts.append(part)
    return b"".join(parts)
