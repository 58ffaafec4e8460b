"""Dispatch exports by way of a NATS broker, in place of `server.exports.exporting.embedded`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from server.exports.dispatcher import Dispatcher, dispatching
from server.exports.nats.settings import TIMINGS, NatsSettings, Timings, check
from server.exports.tools import Tools


@asynccontextmanager
async def nats_dispatching(
    settings: NatsSettings,
    tools: Tools,
    *,
    owner: str,
    is_alone: bool,
    timings: Timings = TIMINGS,
) -> AsyncGenerator[None, None]:
    """Dispatch until the end of the block, and finish what is under way.

    It does not wait for the broker: while that does not answer, entries wait in the database.

    Args:
        settings: How the broker is reached.
        tools: What the dispatcher shares with others.
        owner: What this process is called in leases; another one in every life.
        is_alone: Whether no other process uses the database.
        timings: How long is waited for what.

    Raises:
        InvalidInput: A setting is wrong.
        ImportError: The extra `nats` is not installed.
    """
    check(settings)
    # Loaded where it is used: the extra need not be installed.
    from server.exports.nats.broker import connected
    from server.exports.nats.consumers import consuming
    from server.exports.nats.relay_lane import RelayLane

    async with (
        connected(settings, timings, log=tools.log) as broker,
        consuming(tools, broker=broker, timings=timings) as consumers,
    ):
        new_lane = partial(RelayLane, broker=broker, timings=timings)
        dispatcher = Dispatcher(tools, new_lane, owner=owner, is_alone=is_alone)
        async with dispatching(dispatcher, tools):
            try:
                yield
            finally:
                consumers.stop()
