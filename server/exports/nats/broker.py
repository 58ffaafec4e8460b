"""The connection to the broker: it comes back by itself, and so does the stream."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, NamedTuple

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    Header,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError
from structlog.typing import FilteringBoundLogger

from server.exports.nats.names import subjects_of
from server.exports.nats.publishing import Publisher
from server.exports.nats.settings import NatsSettings, Timings, tls_context

TROUBLE: Final = (nats.errors.Error, OSError, TimeoutError)
"""What is raised when the broker is not there, or refuses."""

_CONNECT_SECONDS: Final = 2
_PING_SECONDS: Final = 10
_CLOSE_SECONDS: Final = 5
_DRAIN_SECONDS: Final = 2.0
_CANCEL_SECONDS: Final = 0.5
_ADMINISTERED_AT_A_TIME: Final = 16
_API: Final = "$JS.API.CONSUMER"

# What the stream of another version may have otherwise, and is made to have.
_COMPARED: Final = (
    "subjects",
    "discard",
    "discard_new_per_subject",
    "max_msgs_per_subject",
    "max_age",
    "num_replicas",
)


class _Names(msgspec.Struct):
    """One page of the names of consumers."""

    total: int = 0
    consumers: list[str] | None = None


class Inbox(NamedTuple):
    """Where messages of a queue arrive."""

    subject: str
    subscription: Subscription


class Broker:
    """A connection that is kept up, over which queues are told of and listened to.

    Attributes:
        prefix: Name of the stream, and first word of its subjects.
        epoch: How often the connection was made; consumers have to be looked after in each.
    """

    def __init__(
        self, settings: NatsSettings, timings: Timings, *, log: FilteringBoundLogger
    ) -> None:
        """Connect to nothing yet; `run` does."""
        self.prefix = settings.prefix
        self.epoch = 0
        self._settings = settings
        self._timings = timings
        self._log = log
        self._client: Client | None = None
        self._publisher = Publisher()
        self._is_whole = False
        self._is_reported = False
        self._check = asyncio.Event()
        self._listeners: set[Callable[[], None]] = set()
        self._administering = asyncio.Semaphore(_ADMINISTERED_AT_A_TIME)

    @property
    def is_up(self) -> bool:
        """Whether the broker answers and has the stream."""
        return self._is_whole and self._client is not None and self._client.is_connected

    @contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Have a function called in the block whenever `is_up` or `epoch` may have changed."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def run(self) -> None:
        """Keep the connection and the stream, until cancelled."""
        while True:
            self._check.clear()
            try:
                await self._restore()
            except TROUBLE as error:
                self._report(error)
            except Exception:
                self._log.exception("nats_defect")
            else:
                await self._check.wait()
                continue
            await asyncio.sleep(self._timings.reconnect_seconds)

    async def close(self) -> None:
        """End the connection; what was acknowledged before is on its way."""
        client = self._client
        if client is None or client.is_closed:
            return
        with suppress(*TROUBLE):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await (client.drain() if client.is_connected else client.close())
        if not client.is_closed:
            await client.close()

    def suspect(self) -> None:
        """Look whether the stream is still there: something was not answered as it should be."""
        self._fall()
        self._check.set()

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> list[bool]:
        """Put messages in the stream, each unless there is one with its subject.

        Args:
            messages: Subject and content of each.

        Returns:
            For each whether the broker has one with its subject, as far as it has said so.
        """
        client = self._client
        if client is None or not self.is_up:
            return [False] * len(messages)
        try:
            result = await self._publisher.publish(
                client, messages, seconds=self._timings.reply_seconds
            )
        except TROUBLE as error:
            self._report(error)
            self.suspect()
            return [False] * len(messages)
        if result.refusal:
            self._report(RuntimeError(result.refusal))
        if not any(result.confirmed):
            self.suspect()
        return result.confirmed

    async def answer(self, reply: str, content: bytes = b"") -> None:
        """Say what became of a message; if it is lost, the broker hands the message out again."""
        if self._client is not None:
            with suppress(*TROUBLE):
                await self._client.publish(reply, content)

    async def open_inbox(self, arrived: Callable[[Msg], Awaitable[None]]) -> Inbox:
        """Listen for messages of a queue.

        Raises:
            Exception: One of `TROUBLE`.
        """
        client = self._connected()
        subject = client.new_inbox()
        return Inbox(subject, await client.subscribe(subject, cb=arrived))

    async def close_inbox(self, inbox: Inbox) -> None:
        """Listen no more; what is on its way has arrived when it returns."""
        with suppress(*TROUBLE):
            if not self.is_up:
                await inbox.subscription.unsubscribe()
                return
            async with asyncio.timeout(_DRAIN_SECONDS):
                await inbox.subscription.drain()  # type: ignore[no-untyped-call]  # it returns nothing

    async def pull(self, token: str, inbox: Inbox, *, count: int) -> None:
        """Ask for messages of a queue; they arrive at the inbox, or why there are none.

        Raises:
            Exception: One of `TROUBLE`.
        """
        expires_ns = int(self._timings.pull_seconds * 1e9)
        request = msgspec.json.encode({"batch": count, "expires": expires_ns})
        subject = f"{_API}.MSG.NEXT.{self.prefix}.{token}"
        await self._connected().publish(subject, request, reply=inbox.subject)

    async def ensure_consumer(self, token: str, *, description: str, in_hand_max: int) -> None:
        """Make the consumer of a queue, or make it what it has to be.

        Args:
            token: The queue.
            description: What it is called for people who look at the broker.
            in_hand_max: Messages that all processes together may have in hand.

        Raises:
            Exception: One of `TROUBLE`.
        """
        config = ConsumerConfig(
            name=token,
            durable_name=token,
            description=description,
            filter_subject=subjects_of(self.prefix, token),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._timings.ack_wait_seconds,
            max_deliver=-1,
            max_ack_pending=in_hand_max,
        )
        async with self._administering:
            try:
                await self._manager().add_consumer(self.prefix, config)
            except NotFoundError:
                self.suspect()
                raise

    async def consumers(self) -> list[str]:
        """Return the tokens of the queues that there are consumers of.

        Raises:
            Exception: One of `TROUBLE`.
        """
        found: list[str] = []
        while True:
            request = msgspec.json.encode({"offset": len(found)})
            subject = f"{_API}.NAMES.{self.prefix}"
            answer = await self._connected().request(
                subject, request, timeout=self._timings.reply_seconds
            )
            page = msgspec.json.decode(answer.data, type=_Names)
            found += page.consumers or []
            if not page.consumers or len(found) >= page.total:
                return found

    async def forget(self, token: str) -> None:
        """Remove the consumer and the messages of a queue that is no more.

        Raises:
            Exception: One of `TROUBLE`.
        """
        subjects = subjects_of(self.prefix, token)
        with suppress(NotFoundError):
            await self._manager().purge_stream(self.prefix, subject=subjects)
        with suppress(NotFoundError):
            await self._manager().delete_consumer(self.prefix, token)

    def _connected(self) -> Client:
        if self._client is None:
            raise nats.errors.ConnectionClosedError
        return self._client

    def _manager(self) -> JetStreamContext:
        return self._connected().jetstream(timeout=self._timings.reply_seconds)

    async def _restore(self) -> None:
        """Connect if need be, and make the stream if need be."""
        if self._client is None or self._client.is_closed:
            await self._connect()
        if self._client is None or not self._client.is_connected:
            # The client tries by itself, and tells when it has succeeded.
            return
        await self._ensure_stream()
        self.epoch += 1
        self._is_whole = True
        if self._is_reported:
            self._log.info("nats_available")
        self._is_reported = False
        self._tell()

    async def _connect(self) -> None:
        """Connect as soon as there is a server.

        Raises:
            Exception: The settings are of no use, or one of `TROUBLE`.
        """
        client = self._client = Client()
        try:
            await self._open(client)
        except BaseException:
            self._client = None
            with suppress(*TROUBLE):
                await client.close()
            raise
        await self._publisher.subscribe(client)

    async def _open(self, client: Client) -> None:
        settings = self._settings
        await client.connect(
            list(settings.servers),
            name="tillcore",
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=self._timings.reconnect_seconds,  # type: ignore[arg-type]  # it only sleeps so long
            connect_timeout=_CONNECT_SECONDS,
            ping_interval=_PING_SECONDS,
            drain_timeout=_CLOSE_SECONDS,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_disconnected,
            user_credentials=None if settings.credentials is None else str(settings.credentials),
            user=settings.user or None,
            password=settings.password or None,
            token=settings.token or None,
            tls=tls_context(settings),
        )

    async def _ensure_stream(self) -> None:
        name = self.prefix
        wanted = StreamConfig(
            name=name,
            description="Exports of Tillcore that are due",
            subjects=[subjects_of(name)],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            discard_new_per_subject=True,
            max_msgs_per_subject=1,
            max_age=self._timings.message_seconds,
            num_replicas=self._settings.replicas,
            # The oldest window that the server takes: subjects tell twins apart, not ids.
            duplicate_window=min(1.0, self._timings.message_seconds),
        )
        manager = self._manager()
        try:
            found = (await manager.stream_info(name)).config
        except NotFoundError:
            await manager.add_stream(wanted)
            self._log.info("nats_stream_made", stream=name)
            return
        if any(getattr(found, each) != getattr(wanted, each) for each in _COMPARED):
            await manager.update_stream(wanted)

    async def _on_error(self, error: Exception) -> None:
        self._report(error)

    async def _on_disconnected(self) -> None:
        self._fall()
        self._check.set()

    async def _on_reconnected(self) -> None:
        self._check.set()

    def _report(self, error: Exception) -> None:
        """Log the first trouble since the broker was whole."""
        if not self._is_reported:
            self._is_reported = True
            text = str(error) or type(error).__name__
            self._log.warning("nats_trouble", stream=self.prefix, error=text)

    def _fall(self) -> None:
        if self._is_whole:
            self._is_whole = False
            self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def status_of(message: Msg) -> str:
    """Return the status that the broker sent in place of a message; empty for a message."""
    if message.data or not message.headers:
        return ""
    status: str = message.headers.get(Header.STATUS, "")
    return status


async def end(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks that use the broker, and wait for their end."""
    left: set[asyncio.Task[None]] = set(tasks)
    while left:
        for task in left:
            # Not once: what waits for an answer of the broker may miss it. Up to Python 3.11
            # asyncio.wait_for does when the answer comes at the same time.
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_SECONDS)


@asynccontextmanager
async def connected(
    settings: NatsSettings, timings: Timings, *, log: FilteringBoundLogger
) -> AsyncGenerator[Broker, None]:
    """Yield a broker that connects as soon as it can; the connection ends with the block."""
    broker = Broker(settings, timings, log=log)
    running = asyncio.create_task(broker.run())
    try:
        yield broker
    finally:
        await end(running)
        await broker.close()
