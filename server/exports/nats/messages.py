"""The messages about one queue: those asked for, and those that this process has in hand."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from nats.aio.msg import Msg
from structlog.typing import FilteringBoundLogger

from server.exports.nats.broker import Broker, Inbox, status_of
from server.exports.nats.names import entry_of, token_of
from server.exports.nats.settings import Timings
from server.storage.exports import QueueName

_IN_PROGRESS: Final = b"+WPI"
_GIVEN_BACK: Final = b"-NAK "
_REQUEST_IS_OVER: Final = ("404", "408")
_NS_PER_SECOND: Final = 10**9


class Held(NamedTuple):
    """A message in hand: where it is answered, and the entry that it is about."""

    reply: str
    entry_number: int


class Hand:
    """Messages that were taken and not answered yet, over whatever connection they came."""

    def __init__(self, broker: Broker) -> None:
        """Begin with none."""
        self._broker = broker
        self._replies: set[str] = set()

    def __len__(self) -> int:
        return len(self._replies)

    def take(self, held: Held) -> None:
        """Have a message in hand."""
        self._replies.add(held.reply)

    async def settle(self, held: Held) -> None:
        """Tell the broker that a message is done with."""
        self._replies.discard(held.reply)
        await self._broker.answer(held.reply)

    async def give_back(self, held: Held, *, seconds: float = 0.0) -> None:
        """Have the broker hand a message out again, to whomever, after some seconds."""
        self._replies.discard(held.reply)
        delay_ns = max(1, int(seconds * _NS_PER_SECOND))
        await self._broker.answer(
            held.reply, _GIVEN_BACK + msgspec.json.encode({"delay": delay_ns})
        )

    async def hold_on(self) -> None:
        """Tell the broker that what is in hand is being worked on."""
        for reply in tuple(self._replies):
            await self._broker.answer(reply, _IN_PROGRESS)


class Pulling:
    """Asks for messages over one connection, one request at a time.

    Attributes:
        is_lost: Whether the consumer at the broker is gone or cannot be used.
    """

    def __init__(
        self,
        name: QueueName,
        *,
        broker: Broker,
        hand: Hand,
        timings: Timings,
        on_news: Callable[[], None],
        log: FilteringBoundLogger,
    ) -> None:
        """Ask for nothing yet.

        Args:
            name: Of the queue.
            broker: Who has the messages.
            hand: Takes them.
            timings: How long a request lasts.
            on_news: Called when a message has arrived, or will not.
            log: Takes what is not as it should be.
        """
        self.is_lost = False
        self._name = name
        self._token = token_of(name)
        self._broker = broker
        self._hand = hand
        self._timings = timings
        self._on_news = on_news
        self._log = log
        self._inbox: Inbox | None = None
        self._arrived: list[Held] = []
        self._asked_count = 0
        self._asked_until_seconds = 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long a request may still be answered; None without one."""
        if not self._asked_count:
            return None
        return max(0.0, self._asked_until_seconds - asyncio.get_running_loop().time())

    async def open(self) -> None:
        """Be ready to ask.

        Raises:
            Exception: One of `TROUBLE`.
        """
        self._inbox = await self._broker.open_inbox(self._on_message)

    async def close(self) -> None:
        """Ask no more, and give back what was not taken."""
        if self._inbox is not None:
            await self._broker.close_inbox(self._inbox)
        for held in self.taken():
            await self._hand.give_back(held)

    async def ask(self, count: int) -> None:
        """Ask for messages.

        Raises:
            Exception: One of `TROUBLE`.
        """
        assert self._inbox is not None
        await self._broker.pull(self._token, self._inbox, count=count)
        self._asked_count = count
        # The broker says when the request is over; if that is lost, it is over all the same.
        seconds = self._timings.pull_seconds + self._timings.reply_seconds
        self._asked_until_seconds = asyncio.get_running_loop().time() + seconds

    def taken(self) -> list[Held]:
        """Return what has arrived since the last call."""
        taken, self._arrived = self._arrived, []
        return taken

    async def _on_message(self, message: Msg) -> None:
        status = status_of(message)
        if status:
            self._asked_count = 0
            self.is_lost = self.is_lost or status not in _REQUEST_IS_OVER
            self._on_news()
            return
        self._asked_count = max(0, self._asked_count - 1)
        number = entry_of(message.data, self._name)
        if number is None:
            # Somebody else writes to the stream: another installation with the same prefix?
            self._log.error("nats_foreign_message", subject=message.subject)
            await self._broker.answer(message.reply)
            return
        held = Held(message.reply, number)
        self._hand.take(held)
        self._arrived.append(held)
        self._on_news()
