"""Hold the sessions of EditBasket: bounded in number and bytes, gone when they are idle."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from engine.errors import Conflict, NotFound, Overloaded
from engine.model import EvaluatedLine
from engine.plan import PricePlan
from engine.rpc.calls import Messages, caller_id
from engine.session import EditedBasket
from engine.strict_json import shown_text
from tillcore.v1 import context_pb2

MonotonicClock = Callable[[], int]
"""Returns nanoseconds that never go back."""

_NS_PER_SECOND: Final = 10**9


class SessionIdle(Conflict):
    """There was no action for too long."""

    def __init__(self, idle_seconds: int) -> None:
        super().__init__(f"expected an action within {idle_seconds} seconds, was none")


class SessionTakenOver(Conflict):
    """Another stream has the session now."""

    def __init__(self) -> None:
        super().__init__("another stream has resumed the session")


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of all sessions together.

    Attributes:
        idle_seconds: How long a session lives without an action, and a stream without a session.
        count_max: How many sessions there are at most.
        bytes_max: How many bytes their baskets, contexts and last answers have together at most, as
            messages. In memory they take about ten times as much.
    """

    idle_seconds: int = 900
    count_max: int = 10_000
    bytes_max: int = 64 * 1024 * 1024


class KeptMessage(NamedTuple):
    """An evaluated line and the field of the evaluated basket that holds it, serialized."""

    line: EvaluatedLine
    data: bytes


class Session:
    """One basket under edit.

    Attributes:
        id: Its id, which nobody can guess.
        caller_id: The account that opened it; nobody else finds it.
        lock: Held by the action that is under way.
        stream: The stream that has the session; None while no stream has it.
        market_id: The market as the client named it.
        context: What the client brought; None without.
        plan: The newest plan of both; None before the first action.
        generation: The generation of the catalogues that the plan is of.
        edited: The basket after the last action that was done.
        sequence: The number of the last action, rejected ones included.
        answer: The answer to it, serialized.
        lines: The messages of the evaluated lines, by id.
        converted_count: How many lines were ever turned into messages.
        basket_bytes: At least as many bytes as basket and context have as messages.
        charged_bytes: What the session counts among the bytes of all.
        used_ns: When it was last used.
    """

    __slots__ = (
        "answer",
        "base",
        "basket_bytes",
        "caller_id",
        "charged_bytes",
        "context",
        "converted_count",
        "edited",
        "id",
        "lines",
        "lock",
        "market_id",
        "plan",
        "sequence",
        "stream",
        "used_ns",
    )

    def __init__(self, id_: str, *, market_id: str, context: context_pb2.Context | None) -> None:
        """Begin with an empty basket that is not evaluated yet."""
        self.id = id_
        self.caller_id = caller_id.get()
        self.lock = asyncio.Lock()
        self.stream: Messages | None = None
        self.market_id = market_id
        self.context = context
        self.plan: PricePlan | None = None
        self.base: PricePlan | None = None
        self.edited = EditedBasket()
        self.sequence = 0
        self.answer = b""
        self.lines: dict[str, KeptMessage] = {}
        self.converted_count = 0
        self.basket_bytes = 0
        self.charged_bytes = 0
        self.used_ns = 0


class Sessions:
    """The sessions by id, the least lately used first, and the streams that have none."""

    def __init__(
        self,
        *,
        clock: MonotonicClock,
        new_id: Callable[[], str],
        limits: SessionLimits = SessionLimits(),  # noqa: B008 - frozen, so one for all
    ) -> None:
        """Start without sessions.

        Args:
            clock: Tells how long something was idle.
            new_id: Makes ids that nobody can guess.
            limits: The bounds.
        """
        self.limits = limits
        self._clock = clock
        self.new_id = new_id
        self._idle_ns = limits.idle_seconds * _NS_PER_SECOND
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._streams: OrderedDict[Messages, int] = OrderedDict()
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    @property
    def stream_count(self) -> int:
        """How many streams are open that have no session."""
        return len(self._streams)

    def add(self, session: Session, stream: Messages, size: int) -> None:
        """Keep a new session of so many bytes, and attach it to its stream.

        Raises:
            Overloaded: There are as many sessions as there may be, or as many bytes.
        """
        self.expire()
        if len(self._sessions) >= self.limits.count_max:
            raise Overloaded(f"expected fewer than {self.limits.count_max} sessions, was one more")
        self.charge(session, size)
        self._sessions[session.id] = session
        self._attach(session, stream)

    def find(self, session_id: str) -> Session:
        """Return a session of this caller; raises NotFound."""
        self.expire()
        session = self._sessions.get(session_id)
        if session is None or session.caller_id != caller_id.get():
            message = f"expected a session that is open, was {shown_text(session_id)}"
            raise NotFound(f"{message}; open another one with the basket")
        return session

    def take(self, session: Session, stream: Messages) -> None:
        """Attach a session to another stream; the one that had it is told and ends."""
        if session.stream is not None:
            session.stream.interrupt(SessionTakenOver())
        self._attach(session, stream)

    def use(self, session: Session) -> None:
        """Note that a session is in use."""
        session.used_ns = self._clock()
        self._sessions.move_to_end(session.id)

    def charge(self, session: Session, size: int) -> None:
        """Note how many bytes a session has.

        Raises:
            Overloaded: All sessions together have as many bytes as they may have.
        """
        more = size - session.charged_bytes
        if more > 0 and self._bytes + more > self.limits.bytes_max:
            raise Overloaded(f"expected sessions of {self.limits.bytes_max} bytes, were more")
        self._bytes += more
        session.charged_bytes = size

    def close(self, session: Session) -> None:
        """Remove a session; its stream goes on without."""
        self._remove(session)
        if session.stream is not None:
            self.watch(session.stream)
            session.stream = None

    def watch(self, stream: Messages) -> None:
        """Note that a stream has no session, and ends when that is so for too long."""
        self._streams[stream] = self._clock()
        self._arm()

    def leave(self, stream: Messages, session: Session | None) -> None:
        """Forget a stream that has ended; its session waits to be resumed."""
        self._streams.pop(stream, None)
        if session is not None and session.stream is stream:
            session.stream = None

    def expire(self) -> None:
        """Remove the sessions that were idle for too long, and end their streams and others."""
        end_ns = self._clock() - self._idle_ns
        while self._sessions:
            session = next(iter(self._sessions.values()))
            if session.used_ns > end_ns or session.lock.locked():
                break
            self._remove(session)
            if session.stream is not None:
                session.stream.interrupt(SessionIdle(self.limits.idle_seconds))
                session.stream = None
        while self._streams:
            stream, since_ns = next(iter(self._streams.items()))
            if since_ns > end_ns:
                break
            del self._streams[stream]
            stream.interrupt(SessionIdle(self.limits.idle_seconds))

    def _attach(self, session: Session, stream: Messages) -> None:
        self._streams.pop(stream, None)
        session.stream = stream
        self.use(session)
        self._arm()

    def _remove(self, session: Session) -> None:
        del self._sessions[session.id]
        self._bytes -= session.charged_bytes
        session.charged_bytes = 0

    def _arm(self) -> None:
        """Wake up when the first idle time may be over, as long as there is something to end."""
        if self._timer is None and (self._sessions or self._streams):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.limits.idle_seconds / 8, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.expire()
        self._arm()
