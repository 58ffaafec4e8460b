"""Where the fast front listens: a port of this machine alone, or a Unix socket."""

import socket
import stat
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from engine.errors import Reason, invalid
from engine.strict_json import shown_text

UNIX: Final = "unix:"
AUTOMATIC: Final = "auto"
"""The setting that opens `AUTOMATIC_ADDRESS` where that is possible, and nothing elsewhere."""

AUTOMATIC_ADDRESS: Final = "127.0.0.1:50052"
_FIELD: Final = "server.front"
_BACKLOG: Final = 1024
_LOOPBACK_NAME: Final = "localhost"
_SOCKET_MODE: Final = 0o660


def listening(address: str, *, is_public: bool = False, is_shared: bool = False) -> socket.socket:
    """Return a listening socket.

    Args:
        address: `127.0.0.1:50052`, `[::1]:50052` or `unix:/run/tillcore/front`; port 0 takes a
            free one.
        is_public: Whether other machines may reach it, though it has no TLS.
        is_shared: Whether other processes of the same user listen at the same port.

    Raises:
        InvalidInput: It is no address, or one that other machines reach and must not.
        OSError: It is taken, or not of this machine.
    """
    if address.startswith(UNIX):
        return _unix(Path(address.removeprefix(UNIX)), is_shared=is_shared)
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if host == _LOOPBACK_NAME:
        host = "127.0.0.1"
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise _malformed(address)
    try:
        ip = ip_address(host)
    except ValueError:
        raise _malformed(address) from None
    if not (ip.is_loopback or is_public):
        message = (
            f"expected an address of this machine alone, was {host}: calls and keys are not "
            "encrypted there; front.public = true allows it"
        )
        raise invalid(_FIELD, Reason.OUT_OF_BOUNDS, message)
    listener = socket.socket(socket.AF_INET6 if ip.version == 6 else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, int(port)))
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{_FIELD} {address}: {error.strerror}") from error
    return _listening(listener)


def address_of(listener: socket.socket) -> str:
    """Return the address of a listening socket, with the port that it took."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"{UNIX}{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"


def close(listener: socket.socket) -> None:
    """Close a listening socket, and remove its file if it has one."""
    path = listener.getsockname() if listener.family == socket.AF_UNIX else ""
    listener.close()
    if path:
        with suppress(OSError):
            Path(path).unlink()


def _unix(path: Path, *, is_shared: bool) -> socket.socket:
    if is_shared:
        message = "expected a host and a port for several workers, was a Unix socket"
        raise invalid(_FIELD, Reason.WRONG_TYPE, message)
    if not path.is_absolute():
        raise _malformed(f"{UNIX}{path}")
    _remove_abandoned(path)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(_SOCKET_MODE)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{_FIELD} {UNIX}{path}: {error.strerror}") from error
    return _listening(listener)


def _remove_abandoned(path: Path) -> None:
    """Remove the socket that a server left behind which was killed; one that answers stays."""
    if not (path.exists() and stat.S_ISSOCK(path.stat().st_mode)):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def _listening(listener: socket.socket) -> socket.socket:
    listener.settimeout(0)
    listener.listen(_BACKLOG)
    return listener


def _malformed(address: str) -> Exception:
    message = (
        f"expected an IP address with a port such as {AUTOMATIC_ADDRESS}, or unix:/path, "
        f"was {shown_text(address)}"
    )
    return invalid(_FIELD, Reason.MALFORMED, message)
