"""Serve EditBasket: a session on one basket, answered with the whole evaluated basket each time.

An answer is put together from serialized parts: a line that has not changed since the last answer
is not converted again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Final, NamedTuple

from google.protobuf import duration_pb2
from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from engine import limits
from engine.errors import InvalidInput, Reason, TillcoreError, WrongState, invalid
from engine.plan import PricePlan
from engine.rpc.basket_service import Clock, parse
from engine.rpc.calls import Messages
from engine.rpc.catalogues import INLINE_BYTES_MAX, Plans
from engine.rpc.convert import (
    Action,
    action_from_proto,
    basket_to_proto,
    evaluated_basket_to_proto,
    evaluated_line_to_proto,
    open_from_proto,
    renamed,
)
from engine.rpc.sessions import KeptMessage, Session, SessionIdle, Sessions, SessionTakenOver
from engine.rpc.status import Draining, status_of
from engine.rpc.wire import embedded
from engine.session import EditedBasket
from tillcore.v1 import edit_basket_pb2, evaluated_basket_pb2

KEEPALIVE_SECONDS: Final = 30
"""How often a client should ping; three times as often is not too often for the server."""

INLINE_LINES_MAX: Final = 200
"""A basket of up to so many lines is evaluated in the event loop, a larger one in a thread."""

_END_REASONS: Final[dict[type[TillcoreError], edit_basket_pb2.SessionEndReason.ValueType]] = {
    SessionIdle: edit_basket_pb2.SESSION_END_REASON_IDLE,
    SessionTakenOver: edit_basket_pb2.SESSION_END_REASON_TAKEN_OVER,
    Draining: edit_basket_pb2.SESSION_END_REASON_DRAINING,
}
_OPENING: Final = {"market_id": "open.market_id", "context": "open.context"}
_RESULT = edit_basket_pb2.EditBasketResponse.DESCRIPTOR.fields_by_name["evaluated_basket"]
_LINES = evaluated_basket_pb2.EvaluatedBasket.DESCRIPTOR.fields_by_name["line_items"]


class _Connection:
    """One stream, and the session that it has."""

    __slots__ = ("session", "stream")

    def __init__(self, stream: Messages) -> None:
        self.stream = stream
        self.session: Session | None = None


class _Evaluated(NamedTuple):
    """A basket after an action, and its message.

    Attributes:
        edited: The basket, evaluated.
        lines: The messages of its lines, by id.
        body: The serialized evaluated basket.
        converted_count: How many lines were converted for it.
    """

    edited: EditedBasket
    lines: dict[str, KeptMessage]
    body: bytes
    converted_count: int


class BasketEditor:
    """Edit baskets in sessions, each on one stream at a time."""

    def __init__(
        self,
        catalogues: Plans,
        sessions: Sessions,
        *,
        clock: Clock,
        executor: Executor,
        log: FilteringBoundLogger,
    ) -> None:
        """Serve the catalogues.

        Args:
            catalogues: The plans; every action is evaluated under the newest one.
            sessions: The sessions.
            clock: The moment of baskets that state none.
            executor: Evaluates large baskets and searches best prices, so that others do not wait.
            log: Takes the exceptions that are answered in band.
        """
        self._catalogues = catalogues
        self._sessions = sessions
        self._clock = clock
        self._executor = executor
        self._log = log
        self._terms = edit_basket_pb2.SessionTerms(
            idle_timeout=duration_pb2.Duration(seconds=sessions.limits.idle_seconds),
            keepalive_interval=duration_pb2.Duration(seconds=KEEPALIVE_SECONDS),
            line_count_max=limits.LINES_PER_BASKET_MAX,
            basket_bytes_max=limits.EVALUATE_MESSAGE_BYTES_MAX,
        )

    async def edit_basket(self, stream: Messages) -> None:
        """Answer the actions of a stream until it ends."""
        connection = _Connection(stream)
        self._sessions.watch(stream)
        try:
            while (data := await stream.read()) is not None:
                await stream.write(await self._answer(connection, data))
        except (SessionIdle, SessionTakenOver, Draining) as error:
            if connection.session is not None:
                await stream.write(_notice(connection.session, error))
            raise
        finally:
            self._sessions.leave(stream, connection.session)

    async def _answer(self, connection: _Connection, data: bytes) -> bytes:
        """Answer one action, in band also when it is bad."""
        sequence = 0
        try:
            request = parse(edit_basket_pb2.EditBasketRequest, data)
            sequence = request.sequence
            match request.WhichOneof("action"):
                case "open":
                    return await self._open(connection, request, len(data))
                case "resume":
                    return await self._resume(connection, request.resume)
                case _:
                    return await self._act(connection, request, len(data))
        except SessionTakenOver:
            raise
        except Exception as error:
            return self._rejection(connection.session, sequence, error)

    # --- opening and resuming ----------------------------------------------------------------

    async def _open(
        self, connection: _Connection, request: edit_basket_pb2.EditBasketRequest, size: int
    ) -> bytes:
        present = connection.session
        if present is not None:
            if request.sequence == present.sequence == 1:
                return present.answer
            raise WrongState("expected `close` before another `open`: the stream has a session")
        if request.sequence != 1:
            raise _bad_sequence(1, was=request.sequence)
        opened = request.open
        session = Session(
            self._sessions.new_id(),
            market_id=opened.market_id,
            context=opened.context if opened.HasField("context") else None,
        )
        action = open_from_proto(opened)
        after = action.apply(session.edited)
        try:
            plan = await self._plan(session, after)
        except TillcoreError as error:
            raise renamed(error, _OPENING) from error
        evaluated = await self._evaluated(session, action, after, plan, size)
        answer = _answer(session.id, 1, evaluated.body, self._terms)
        self._sessions.add(session, connection.stream, len(answer) + size)
        session.basket_bytes = size
        _commit(session, evaluated)
        session.sequence, session.answer = 1, answer
        connection.session = session
        return answer

    async def _resume(
        self, connection: _Connection, request: edit_basket_pb2.ResumeSession
    ) -> bytes:
        if connection.session is not None:
            raise WrongState("expected `close` before `resume`: the stream has a session")
        session = self._sessions.find(request.session_id)
        # An action that the other stream has sent is done to its end before this answer.
        async with session.lock:
            if not 0 <= request.last_sequence <= session.sequence:
                raise invalid(
                    "resume.last_sequence",
                    Reason.OUT_OF_BOUNDS,
                    f"expected 0 to {session.sequence}, was {request.last_sequence}",
                )
            self._sessions.take(session, connection.stream)
            connection.session = session
            _, body, _ = _body(session.edited, session.lines)
            return _answer(session.id, session.sequence, body, self._terms)

    # --- acting ------------------------------------------------------------------------------

    async def _act(
        self, connection: _Connection, request: edit_basket_pb2.EditBasketRequest, size: int
    ) -> bytes:
        session = connection.session
        if session is None:
            raise WrongState("expected `open` or `resume` first: the stream has no session")
        async with session.lock:
            if session.stream is not connection.stream:
                raise SessionTakenOver
            self._sessions.use(session)
            if request.sequence == session.sequence:
                return session.answer
            if request.sequence != session.sequence + 1:
                raise _bad_sequence(session.sequence + 1, was=request.sequence)
            if request.WhichOneof("action") == "close":
                return self._close(connection, session, request.sequence)
            try:
                answer = await self._edit(session, request, size)
            except Exception as error:
                answer = self._rejection(session, request.sequence, error)
            session.sequence, session.answer = request.sequence, answer
            return answer

    async def _edit(
        self, session: Session, request: edit_basket_pb2.EditBasketRequest, size: int
    ) -> bytes:
        """Do one edit and return its answer; when it raises, the session is as before."""
        action = action_from_proto(request)
        after = action.apply(session.edited)
        plan = await self._plan(session, after)
        evaluated = await self._evaluated(session, action, after, plan, size)
        basket_bytes = self._basket_bytes(session, evaluated.edited, size)
        answer = _answer(session.id, request.sequence, evaluated.body)
        self._sessions.charge(session, len(answer) + basket_bytes)
        session.basket_bytes = basket_bytes
        _commit(session, evaluated)
        return answer

    def _close(self, connection: _Connection, session: Session, sequence: int) -> bytes:
        self._sessions.close(session)
        connection.session = None
        ended = edit_basket_pb2.SessionEnded(reason=edit_basket_pb2.SESSION_END_REASON_CLOSED)
        return edit_basket_pb2.EditBasketResponse(
            sequence=sequence, session_id=session.id, ended=ended
        ).SerializeToString()

    async def _plan(self, session: Session, after: EditedBasket) -> PricePlan:
        """Return the newest plan of a session's market and context, for a basket in it."""
        market_id, context = session.market_id, session.context
        base = await self._catalogues.base(
            market_id,
            context,
            shop_id=after.basket.shop or "",
            moment_ns=after.basket.evaluate_time_ns,
        )
        if session.plan is None or session.base is not base:
            plan = (
                base if context is None else await self._catalogues.over(base, market_id, context)
            )
            session.plan, session.base = plan, base
        assert session.plan is not None, "a session without a context has a loaded plan"
        return session.plan

    async def _evaluated(
        self, session: Session, action: Action, after: EditedBasket, plan: PricePlan, size: int
    ) -> _Evaluated:
        """Evaluate what an action made, in a thread when it is much or searches the best price."""
        before, now_ns = session.edited, self._clock()
        is_small = size <= INLINE_BYTES_MAX and len(after.basket.line_items) <= INLINE_LINES_MAX
        if is_small and not plan.is_best_price:
            return _evaluate(action, before, after, plan, now_ns, session.lines)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, _evaluate, action, before, after, plan, now_ns, session.lines
        )

    @staticmethod
    def _basket_bytes(session: Session, edited: EditedBasket, size: int) -> int:
        """Return how many bytes the basket has as a message with its context, or a bit more.

        Raises:
            InvalidInput: It would not fit a unary request.
        """
        size += session.basket_bytes
        if size <= limits.EVALUATE_MESSAGE_BYTES_MAX:
            return size
        size = basket_to_proto(edited.basket).ByteSize()
        size += session.context.ByteSize() if session.context is not None else 0
        if size > limits.EVALUATE_MESSAGE_BYTES_MAX:
            most = limits.EVALUATE_MESSAGE_BYTES_MAX
            raise invalid("basket", Reason.TOO_MANY, f"expected at most {most} bytes, was {size}")
        return size

    def _rejection(self, session: Session | None, sequence: int, error: Exception) -> bytes:
        if not isinstance(error, TillcoreError):
            self._log.exception("edit", code="INTERNAL")
        return edit_basket_pb2.EditBasketResponse(
            sequence=sequence,
            session_id="" if session is None else session.id,
            rejection=status_of(error),
        ).SerializeToString()


def _commit(session: Session, evaluated: _Evaluated) -> None:
    """Take over what an action made."""
    session.edited, session.lines = evaluated.edited, evaluated.lines
    session.converted_count += evaluated.converted_count


def _evaluate(
    action: Action,
    before: EditedBasket,
    after: EditedBasket,
    plan: PricePlan,
    now_ns: int,
    kept: Mapping[str, KeptMessage],
) -> _Evaluated:
    """Evaluate the basket that an action has made, and convert what differs."""
    try:
        edited = after.evaluate(plan, now_ns)
    except TillcoreError as error:
        raise action.renamed(error, before.basket, after.basket) from error
    lines, body, converted_count = _body(edited, kept)
    return _Evaluated(edited, lines, body, converted_count)


def _body(
    edited: EditedBasket, kept: Mapping[str, KeptMessage]
) -> tuple[dict[str, KeptMessage], bytes, int]:
    """Return the messages of the lines, the evaluated basket, and how many lines were converted."""
    assert edited.evaluation is not None, "the basket was evaluated"
    moment_ns = edited.evaluation.basket.evaluate_time_ns
    assert moment_ns is not None, "the clock fills it in"
    lines: dict[str, KeptMessage] = {}
    parts: list[bytes] = []
    converted_count = 0
    for line in edited.result.line_items:
        message = kept.get(line.line_item_id)
        if message is None or (message.line is not line and message.line != line):
            data = evaluated_line_to_proto(line).SerializeToString()
            message = KeptMessage(line, embedded(_LINES.number, data))
            converted_count += 1
        lines[line.line_item_id] = message
        parts.append(message.data)
    summary = evaluated_basket_to_proto(replace(edited.result, line_items=()), moment_ns)
    parts.append(summary.SerializeToString())
    return lines, b"".join(parts), converted_count


def _answer(
    session_id: str,
    sequence: int,
    body: bytes,
    terms: edit_basket_pb2.SessionTerms | None = None,
) -> bytes:
    """Return the serialized answer that holds an evaluated basket."""
    envelope = edit_basket_pb2.EditBasketResponse(
        sequence=sequence, session_id=session_id, terms=terms
    )
    return envelope.SerializeToString() + embedded(_RESULT.number, body)


def _notice(session: Session, error: TillcoreError) -> bytes:
    """Return the message that says why a session leaves its stream."""
    ended = edit_basket_pb2.SessionEnded(reason=_END_REASONS[type(error)])
    if not isinstance(error, SessionTakenOver):
        ended.basket.CopyFrom(basket_to_proto(session.edited.basket))
    return edit_basket_pb2.EditBasketResponse(
        session_id=session.id, ended=ended
    ).SerializeToString()


def _bad_sequence(expected: int, *, was: int) -> InvalidInput:
    return invalid("sequence", Reason.OUT_OF_BOUNDS, f"expected {expected}, was {was}")
