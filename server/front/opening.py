"""Decide whether a server has a fast front, and open it for as long as the server runs.

Nothing here imports the compiled front before it is known to be there: where libnghttp2 was absent
when Tillcore was built, everything else works.
"""

import asyncio
import resource
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import msgspec
from structlog.typing import FilteringBoundLogger

from engine.errors import Reason, invalid
from engine.rpc.ports import holding
from engine.rpc.server import StopSignals
from server.config import FrontSettings, ServerSettings, Settings
from server.front.address import AUTOMATIC, AUTOMATIC_ADDRESS, close, listening

if TYPE_CHECKING:
    from server.front.door import FrontParts, OpenFront

_MODULE: Final = "ext.front.front"
_FIELD: Final = "server.front"
ABSENT: Final = (
    "expected a build with libnghttp2, was one without: install its headers and pkg-config "
    "(Debian: apt-get install libnghttp2-dev pkg-config), and then Tillcore again"
)


_BOUNDS: Final = (
    ("connections", 1, 1_000_000),
    ("idle_seconds", 1, 86_400),
    ("log_one_of", 0, 1_000_000_000),
)


def is_built() -> bool:
    """Return whether this Tillcore has the compiled front."""
    return find_spec(_MODULE) is not None


def held_front(server: ServerSettings, stack: ExitStack) -> str:
    """Return the front's address for several workers, held until the end of a stack; "" for none.

    Raises:
        InvalidInput: The address cannot be shared, or there is no front.
        RuntimeError: It is taken.
    """
    if server.front == AUTOMATIC:
        with suppress(RuntimeError):
            if is_built():
                return stack.enter_context(holding(AUTOMATIC_ADDRESS, field=_FIELD))
        return ""
    if not server.front:
        return ""
    _check_built()
    return stack.enter_context(holding(server.front, field=_FIELD))


@contextmanager
def front_socket(
    settings: Settings, *, is_shared: bool, log: FilteringBoundLogger
) -> Generator[socket.socket | None, None, None]:
    """Yield the listening socket of the front until the end of the block, None for no front.

    Args:
        settings: Say where, and whether other machines may reach it.
        is_shared: Whether other processes listen at the same port.
        log: Takes why there is none.

    Raises:
        InvalidInput: The address is bad, or there is no front.
        OSError: The address is taken, or not of this machine.
    """
    _check_bounds(settings.front)
    listener = _listener(settings, is_shared=is_shared, log=log)
    try:
        yield listener
    finally:
        if listener is not None:
            close(listener)


def _listener(
    settings: Settings, *, is_shared: bool, log: FilteringBoundLogger
) -> socket.socket | None:
    address = settings.server.front
    if not address:
        return None
    if address != AUTOMATIC:
        _check_built()
        return listening(address, is_public=settings.front.public, is_shared=is_shared)
    if not is_built():
        log.info("front_closed", reason=ABSENT)
        return None
    try:
        return listening(AUTOMATIC_ADDRESS, is_shared=is_shared)
    except OSError as error:
        log.info("front_closed", reason=str(error))
        return None


@asynccontextmanager
async def opening_front(
    listener: socket.socket | None,
    parts: "Callable[[], FrontParts]",
    settings: FrontSettings,
    *,
    signals: StopSignals,
    age_seconds: float,
    drain_seconds: float,
    log: FilteringBoundLogger,
) -> "AsyncGenerator[OpenFront | None, None]":
    """Yield the front of a server, which drains with it; None where there is none.

    Args:
        listener: Its listening socket; None for no front.
        parts: What it stands on.
        settings: What the operator wants of it.
        signals: Say when to drain, and when to stop at once.
        age_seconds: After so long clients are asked to connect anew; 0 for never.
        drain_seconds: How long calls are still taken after the first signal.
        log: Takes where it listens.
    """
    if listener is None:
        yield None
        return
    from server.front.door import serving_front
    from server.front.limits import Limits

    limits = Limits(
        connection_count_max=min(settings.connections, _open_files_max() // 2),
        idle_seconds=settings.idle_seconds,
        age_seconds=age_seconds,
        sample_every=settings.log_one_of,
    )
    async with serving_front(
        listener, parts(), limits=limits, is_hurried=signals.second.is_set
    ) as front:
        log.info("front_listening", address=front.address)

        async def drain() -> None:
            await signals.first.wait()
            await asyncio.sleep(drain_seconds)
            front.drain()

        draining = asyncio.create_task(drain())
        try:
            yield front
        finally:
            draining.cancel()


def shared(server: ServerSettings, stack: ExitStack) -> ServerSettings:
    """Return the settings of several workers with the front's real address."""
    return msgspec.structs.replace(server, front=held_front(server, stack))


def _check_bounds(front: FrontSettings) -> None:
    """Check the numbers of the settings.

    Raises:
        InvalidInput: One is out of bounds.
    """
    for name, least, most in _BOUNDS:
        value = getattr(front, name)
        if not least <= value <= most:
            expected = f"expected {least} to {most}, was {value:g}"
            raise invalid(f"front.{name}", Reason.OUT_OF_BOUNDS, expected)


def _open_files_max() -> int:
    """Return how many files this process may have open; databases need some of them."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def _check_built() -> None:
    if not is_built():
        raise invalid(_FIELD, Reason.UNKNOWN_VALUE, ABSENT)
