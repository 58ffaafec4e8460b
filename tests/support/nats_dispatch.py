"""Run the dispatcher with a broker in a test's process, and look at what the broker has."""

import asyncio
import time
from functools import partial
from typing import Any, Final

import msgspec
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo
from nats.js.errors import NotFoundError

from server.exports.nats.dispatching import nats_dispatching
from server.exports.nats.names import token_of
from server.exports.nats.settings import PREFIX_DEFAULT, NatsSettings, Timings
from server.exports.retry import Schedule
from server.exports.transforms.job import Job, Made, wrapped
from server.storage.exports import QueueName
from tests.support.exports import ACCOUNT, QUICK, Dispatch, Log, until
from tests.support.nats_server import NatsServer
from tests.support.web_hook_sink import WebHookSink

EARLY: Final = Timings(
    republish_seconds=0.5, poll_seconds=0.05, pull_seconds=1.0, reconnect_seconds=0.05
)
"""Looks often: what a test waits for is seldom a time."""

WAITS: Final = Schedule(reference_ns=(20_000_000,) * 4, standard_ns=(20_000_000,) * 9)
"""Waits that pass while a test waits."""


class NatsLog(Log):
    """Keeps what is logged of the broker too."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def info(self, event: str, **_: object) -> None:
        """Keep something that is good to know."""
        self.told.append(event)

    def warning(self, event: str, **_: object) -> None:
        """Keep trouble that passes."""
        self.told.append(event)


class Counting:
    """Transforms nothing, and counts what a process has attempted."""

    def __init__(self) -> None:
        self.count = 0

    async def transform(self, job: Job) -> Made:
        """Return the elements by key."""
        self.count += 1
        body = wrapped(job.elements)
        return Made(body=body, content_type="application/json", extension=".json")


def by_nats(server: NatsServer, **settings: Any) -> NatsSettings:
    """Return the settings of a broker."""
    return msgspec.structs.replace(NatsSettings(servers=(server.url,)), **settings)


def worker(
    settings: NatsSettings,
    owner: str = "process-1",
    *,
    timings: Timings = EARLY,
    log: Log | None = None,
    transformer: Counting | None = None,
) -> Dispatch:
    """Return how a process dispatches.

    Args:
        settings: Of the broker.
        owner: What it is called in leases.
        timings: How long is waited for what.
        log: Takes what is logged.
        transformer: In place of the sandbox.
    """
    dispatching = partial(nats_dispatching, settings, owner=owner, is_alone=False, timings=timings)
    return Dispatch(
        clock=time.time_ns,
        owner=owner,
        pace=QUICK,
        schedule=WAITS,
        dispatching=dispatching,
        transformer=transformer,
        log=NatsLog() if log is None else log,
    )


def arrived_keys(sink: WebHookSink, path: str = "/hook") -> list[str]:
    """Return the element keys that have arrived at a path, in their order."""
    bodies = [each.body for each in sink.deliveries if each.path == path]
    return [key for body in bodies for key in msgspec.json.decode(body)]


def token(queue_id: str = "q") -> str:
    """Return what a queue is called at the broker."""
    return token_of(QueueName(ACCOUNT, queue_id))


async def until_consumed(broker: JetStreamContext, queue_id: str = "q") -> ConsumerInfo:
    """Wait until a queue has a consumer, and return it."""
    found: list[ConsumerInfo] = []

    async def is_there() -> bool:
        try:
            found.append(await broker.consumer_info(PREFIX_DEFAULT, token(queue_id)))
        except NotFoundError:
            return False
        return True

    await until(is_there)
    return found[-1]


async def until_asked(broker: JetStreamContext, *, count: int) -> None:
    """Wait until so many processes ask for messages of the queue."""

    async def is_so() -> bool:
        return (await until_consumed(broker)).num_waiting == count

    await until(is_so)


async def until_only_consumed(broker: JetStreamContext, *queue_ids: str) -> None:
    """Wait until the broker has consumers of some queues, and of no others."""

    async def is_so() -> bool:
        names = {each.name for each in await broker.consumers_info(PREFIX_DEFAULT)}
        return names == {token(queue_id) for queue_id in queue_ids}

    await until(is_so)


async def message_count(broker: JetStreamContext) -> int:
    """Return how many messages the stream has."""
    return (await broker.stream_info(PREFIX_DEFAULT)).state.messages


async def until_empty(broker: JetStreamContext) -> None:
    """Wait until the stream has no messages."""

    async def is_so() -> bool:
        return await message_count(broker) == 0

    await until(is_so)


async def passed(*, tries_count: int) -> None:
    """Let a process that cannot reach its broker try so often."""
    await asyncio.sleep(tries_count * EARLY.reconnect_seconds)
