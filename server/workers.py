"""Serve in several processes that share the addresses and the database."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from engine.rpc.ports import holding
from engine.rpc.server import stop_signals
from engine.rpc.supervisor import Pace, Program, Supervisor
from server.colleague import WorkerSettings
from server.config import ServerSettings, Settings
from server.exports.pace import Pace as ExportPace
from server.front.opening import shared
from server.storage.lease import LOCK_FILE, Lease

_ADDRESSES: Final = ("listen", "http", "metrics")
"""The settings of `server` that name addresses; what is empty is none."""

_MODULE: Final = "server.worker"
_OWNER_ONLY: Final = 0o700


async def run_workers(settings: Settings, *, is_demo: bool = False, pace: Pace = Pace()) -> None:  # noqa: B008 - it cannot be changed
    """Serve until SIGTERM or SIGINT, and drain.

    Args:
        settings: The settings; `server.workers` says how many processes.
        is_demo: Whether everybody is let in, to an account that is made.
        pace: How long is waited for what.

    Raises:
        InvalidInput: An address is none that can be shared.
        StoreUnavailable: Another server has the embedded database.
        OSError: The data directory cannot be used.
        RuntimeError: An address is taken, or the workers cannot go on.
    """
    log: FilteringBoundLogger = structlog.get_logger().bind()
    count = settings.server.workers
    with stop_signals() as signals, ExitStack() as stack:
        server = _held(settings.server, stack)
        lease = None if settings.database.url else _leased(settings.data.directory, stack)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tillcore-")))
        given = WorkerSettings(
            settings=msgspec.structs.replace(settings, server=server),
            is_demo=is_demo,
            lease=lease,
            folder=folder,
        )
        program = Program(
            module=_MODULE,
            settings=msgspec.json.encode(given, enc_hook=str),
            descriptors=() if lease is None else (lease,),
            drain_seconds=_drain_seconds(server),
        )

        def announce() -> None:
            log.info(
                "listening",
                address=settings.server.listen,
                port=_port_of(server.listen),
                http_port=_port_of(server.http),
                metrics_port=_port_of(server.metrics),
                workers=count,
            )

        supervisor = Supervisor(program, count=count, log=log, pace=pace)
        await supervisor.run(signals, on_ready=announce)


def _held(server: ServerSettings, stack: ExitStack) -> ServerSettings:
    """Return the settings with real ports, which are kept from others until the end."""
    held = {
        name: stack.enter_context(holding(address, field=f"server.{name}"))
        for name in _ADDRESSES
        if (address := getattr(server, name))
    }
    return shared(msgspec.structs.replace(server, **held), stack)


def _leased(directory: Path, stack: ExitStack) -> int:
    """Take the lease on the embedded database for all workers, and return its descriptor."""
    directory.mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY)
    lease = Lease(directory / LOCK_FILE)
    stack.callback(lease.release)
    return lease.descriptor


def _drain_seconds(server: ServerSettings) -> float:
    """Return how long a worker may take to drain: calls first, exports under way after them."""
    return server.drain_seconds + server.grace_seconds + ExportPace().grace_seconds


def _port_of(address: str) -> int | None:
    return int(address.rpartition(":")[2]) if address else None
