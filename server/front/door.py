"""Open the fast front: its socket, its thread, and the way from its events to the handlers."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from structlog.typing import FilteringBoundLogger

from engine.rpc.calls import Calls
from engine.rpc.server import Health
from ext.front.front import Front
from server.auth import Principal, required_scopes
from server.auth.principal import principal_or_none
from server.front.address import address_of
from server.front.counting import FrontCounting
from server.front.handed_calls import HandedCalls
from server.front.key_ring import Answerers, KeyRing, KnownKeys
from server.front.limits import Limits, in_c
from server.observability.call_meter import CallMeter

LEAVE_SECONDS_MAX: Final = 3.0
"""How long the connections of a drained front may take to go, once no call is under way."""


class FrontParts(NamedTuple):
    """What a front stands on.

    Attributes:
        calls: Have the handlers that answer what is handed over.
        health: Answers for the services.
        keys: Tell which keys are good, and for how long.
        plans: Have what answers an account.
        meter: Counts calls.
        log: Takes what somebody has to know.
        anybody: Who a call without a key comes from; None where there is no such call.
    """

    calls: Calls
    health: Health
    keys: KnownKeys
    plans: Answerers
    meter: CallMeter
    log: FilteringBoundLogger
    anybody: Principal | None = None


class OpenFront(NamedTuple):
    """A front that answers calls.

    Attributes:
        address: Where it listens, with the port that it took.
        front: The loop.
        counting: Tells the metrics.
    """

    address: str
    front: Front
    counting: FrontCounting

    def drain(self) -> None:
        """Take no new connections, and ask those that are open to go."""
        self.front.drain()


@asynccontextmanager
async def serving_front(
    listener: socket.socket,
    parts: FrontParts,
    *,
    limits: Limits = Limits(),  # noqa: B008 - it cannot be changed
    now_ns: int | None = None,
    is_hurried: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[OpenFront, None]:
    """Yield a front that answers; at the end of the block it is drained and ends.

    Args:
        listener: Its listening socket.
        parts: What it stands on.
        limits: What it holds callers to.
        now_ns: The moment of all calls, for tests; the system's clock unless given.
        is_hurried: Whether nobody waits for callers at the end.
    """
    front = Front(**in_c(limits), fixed_now_ns=now_ns or 0)
    ring = KeyRing(
        front,
        required_scopes(),
        keys=parts.keys,
        plans=parts.plans,
        anybody=parts.anybody,
    )

    def learn(authorization: bytes) -> None:
        principal = principal_or_none()
        if principal is not None:
            ring.learn(authorization, principal)

    handed = HandedCalls(
        front,
        parts.calls,
        parts.health,
        learn=learn,
        log=parts.log,
        sample_every=limits.sample_every,
    )
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def run() -> None:
        try:
            front.run(listener.fileno())
        except OSError as error:
            parts.log.error("front_failed", trouble=str(error))
        finally:
            loop.call_soon_threadsafe(ended.set)

    thread = threading.Thread(target=run, name="front", daemon=True)
    loop.add_reader(front.event_fd, handed.take)
    thread.start()
    try:
        yield OpenFront(address_of(listener), front, FrontCounting(front, parts.meter))
    finally:
        front.drain()
        if not is_hurried():
            # The calls have had their time: what is left watches, and would watch for ever.
            await handed.end()
            await asyncio.wait({asyncio.ensure_future(ended.wait())}, timeout=LEAVE_SECONDS_MAX)
        front.stop()
        await ended.wait()
        loop.remove_reader(front.event_fd)
        await handed.end()
