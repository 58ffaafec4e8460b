"""Hold the sessions of EditBasket to their life: resumed, taken over, idle, drained, bounded."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import NamedTuple

import grpc
import grpc.aio
import pytest
from google.rpc import code_pb2, error_details_pb2

from engine import limits
from engine.rpc import edit_basket
from engine.rpc.sessions import SessionLimits, Sessions
from tests.support.core_server import UNIT, Core, lamps, running_core
from tests.support.edit_stream import Editor, FakeClock
from tests.support.statuses import detail, violations
from tests.support.statuses import status_of as details_of
from tillcore.v1 import basket_pb2, edit_basket_pb2

LAMP = 1_795 * UNIT
IDLE_SECONDS = 60
SECONDS_MAX = 5
ACCEPTING = 1
"""The server has one task that waits for the next call, another one for every call."""


class Shop(NamedTuple):
    """A running core whose sessions live by a clock of the test."""

    core: Core
    sessions: Sessions
    clock: FakeClock


def numbered() -> Iterator[str]:
    """Yield ids that a test can name."""
    return (f"session-{number}" for number in count(1))


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """Yield a running core with room for three sessions."""
    clock = FakeClock()
    bounds = SessionLimits(idle_seconds=IDLE_SECONDS, count_max=3, bytes_max=100_000)
    sessions = Sessions(clock=clock, new_id=numbered().__next__, limits=bounds)
    async with running_core(sessions=sessions) as core:
        yield Shop(core, sessions, clock)


async def opened(shop: Shop) -> Editor:
    """Return a stream with a session of two lamps."""
    editor = Editor(shop.core)
    answer = await editor.open(lamps())
    assert answer.HasField("evaluated_basket"), answer
    return editor


class Ended(NamedTuple):
    """How a stream ended: the message before its end, if there was one, and the error."""

    notice: edit_basket_pb2.SessionEnded
    error: grpc.aio.AioRpcError


async def ended(editor: Editor, *, notice: bool = True) -> Ended:
    """Read a stream to its end."""
    told = (await editor.call.read()).ended if notice else edit_basket_pb2.SessionEnded()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await editor.call.read()
    return Ended(told, raised.value)


# --- resuming --------------------------------------------------------------------------------


async def test_resume_when_stream_broke_then_current_state_with_terms(shop: Shop) -> None:
    first = await opened(shop)
    await first.add("lamp")
    first.call.cancel()
    second = Editor(shop.core)

    resumed = await second.resume("session-1", 1)
    after = await second.add("lamp")

    assert (2, 3 * LAMP) == (resumed.sequence, resumed.evaluated_basket.total_micros)
    assert IDLE_SECONDS == resumed.terms.idle_timeout.seconds
    assert (3, 4 * LAMP) == (after.sequence, after.evaluated_basket.total_micros)


async def test_resume_when_last_answer_was_lost_then_comes_again(shop: Shop) -> None:
    first = await opened(shop)
    rejected = await first.add("ghost")
    first.call.cancel()
    second = Editor(shop.core)
    await second.resume("session-1", 1)

    line = basket_pb2.BasketLine(id="ghost")
    again = await second.send(sequence=2, add_line=edit_basket_pb2.AddLine(line=line))

    assert rejected == again


async def test_resume_when_unknown_then_rejected_and_stream_may_open(shop: Shop) -> None:
    editor = Editor(shop.core)
    rejected = await editor.resume("nobody's", 0)
    editor.sequence = 0
    answer = await editor.open()

    assert code_pb2.NOT_FOUND == rejected.rejection.code
    assert answer.HasField("evaluated_basket")


@pytest.mark.parametrize("last_sequence", [2, -1])
async def test_resume_when_last_answer_never_was_then_rejected(
    shop: Shop, last_sequence: int
) -> None:
    await opened(shop)
    answer = await Editor(shop.core).resume("session-1", last_sequence)

    assert [("resume.last_sequence", "OUT_OF_BOUNDS")] == violations(answer.rejection)


async def test_resume_when_stream_has_a_session_then_rejected(shop: Shop) -> None:
    await opened(shop)
    answer = await (await opened(shop)).resume("session-1", 1)

    assert code_pb2.FAILED_PRECONDITION == answer.rejection.code


async def test_resume_when_first_stream_lives_then_it_is_told_and_ends(shop: Shop) -> None:
    first = await opened(shop)
    second = Editor(shop.core)
    resumed = await second.resume("session-1", 1)
    told, error = await ended(first)
    after = await second.add("lamp")

    assert resumed.HasField("evaluated_basket")
    assert edit_basket_pb2.SESSION_END_REASON_TAKEN_OVER == told.reason
    assert not told.HasField("basket")
    assert grpc.StatusCode.ABORTED == error.code()
    assert 3 * LAMP == after.evaluated_basket.total_micros


# --- idle ------------------------------------------------------------------------------------


async def test_session_when_idle_then_told_with_its_basket_and_ended(shop: Shop) -> None:
    editor = await opened(shop)
    shop.clock.advance(IDLE_SECONDS)
    shop.sessions.expire()
    told, error = await ended(editor)

    assert edit_basket_pb2.SESSION_END_REASON_IDLE == told.reason
    assert ["1"] == [line.line_item_id for line in told.basket.line_items]
    assert grpc.StatusCode.ABORTED == error.code()
    assert 0 == shop.sessions.count


async def test_session_when_used_then_lives_on(shop: Shop) -> None:
    editor = await opened(shop)
    for _ in range(3):
        shop.clock.advance(IDLE_SECONDS - 1)
        answer = await editor.add("lamp")
        shop.sessions.expire()

    assert answer.HasField("evaluated_basket")
    assert 1 == shop.sessions.count


async def test_session_when_idle_without_a_stream_then_not_found(shop: Shop) -> None:
    editor = await opened(shop)
    editor.call.cancel()
    shop.clock.advance(IDLE_SECONDS)
    answer = await Editor(shop.core).resume("session-1", 1)

    assert code_pb2.NOT_FOUND == answer.rejection.code


async def test_stream_when_it_never_opens_a_session_then_ended(shop: Shop) -> None:
    editor = Editor(shop.core)
    await editor.add("lamp")
    shop.clock.advance(IDLE_SECONDS)
    shop.sessions.expire()

    assert grpc.StatusCode.ABORTED == (await ended(editor, notice=False)).error.code()
    assert 0 == shop.sessions.stream_count


async def test_session_when_nothing_else_happens_then_the_timer_ends_it() -> None:
    clock = FakeClock()
    sessions = Sessions(
        clock=clock, new_id=numbered().__next__, limits=SessionLimits(idle_seconds=1)
    )
    async with running_core(sessions=sessions) as core:
        editor = Editor(core)
        await editor.open()
        clock.advance(1)
        told, _ = await asyncio.wait_for(ended(editor), SECONDS_MAX)

    assert edit_basket_pb2.SESSION_END_REASON_IDLE == told.reason


# --- the drain -------------------------------------------------------------------------------


async def test_drain_when_session_is_open_then_told_with_its_basket_before_unavailable(
    shop: Shop,
) -> None:
    editor = await opened(shop)
    await editor.add("shirt", variant_id="m")
    shop.core.calls.drain()
    told, error = await ended(editor)

    assert edit_basket_pb2.SESSION_END_REASON_DRAINING == told.reason
    assert grpc.StatusCode.UNAVAILABLE == error.code()
    async with running_core() as elsewhere:
        answer = await Editor(elsewhere).open(told.basket)
    assert 2 * LAMP + 179 * UNIT == answer.evaluated_basket.total_micros


async def test_drain_when_stream_has_no_session_then_unavailable_with_retry(shop: Shop) -> None:
    editor = Editor(shop.core)
    await editor.add("lamp")
    shop.core.calls.drain()
    _, error = await ended(editor, notice=False)

    assert grpc.StatusCode.UNAVAILABLE == error.code()
    delay = detail(details_of(error), error_details_pb2.RetryInfo).retry_delay
    assert delay.ToSeconds() > 0


# --- bounds ----------------------------------------------------------------------------------


async def test_open_when_there_are_too_many_then_rejected_until_one_is_closed(shop: Shop) -> None:
    editors = [await opened(shop) for _ in range(3)]
    late = Editor(shop.core)
    rejected = await late.open()
    await editors[0].send(close=edit_basket_pb2.CloseSession())
    late.sequence = 0
    answer = await late.open()

    assert code_pb2.RESOURCE_EXHAUSTED == rejected.rejection.code
    assert detail(rejected.rejection, error_details_pb2.RetryInfo).retry_delay.ToSeconds() > 0
    assert answer.HasField("evaluated_basket")


async def test_edit_when_sessions_have_too_many_bytes_then_rejected_and_as_before(
    shop: Shop,
) -> None:
    editor = await opened(shop)
    rejected = await editor.send(
        replace_basket=edit_basket_pb2.ReplaceBasket(
            basket=basket_pb2.Basket(line_items=[basket_pb2.BasketLine(id="lamp")] * 3_000)
        )
    )
    after = await editor.add("lamp")

    assert code_pb2.RESOURCE_EXHAUSTED == rejected.rejection.code
    assert 3 * LAMP == after.evaluated_basket.total_micros


async def test_edit_when_basket_would_not_fit_a_message_then_rejected(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EVALUATE_MESSAGE_BYTES_MAX", 200)
    editor = await opened(shop)
    line = basket_pb2.BasketLine(id="lamp", line_item_id="1", comment="x" * 100)
    for _ in range(5):
        replaced = await editor.send(change_line=edit_basket_pb2.ChangeLine(line=line))
    rejected = await editor.add("lamp", comment="y" * 100)

    assert replaced.HasField("evaluated_basket"), "what is gone does not count"
    assert [("basket", "TOO_MANY")] == violations(rejected.rejection)


async def test_edit_when_basket_is_large_then_evaluated_in_a_thread_with_the_same_answer(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline = await (await opened(shop)).add("lamp")
    monkeypatch.setattr(edit_basket, "INLINE_LINES_MAX", 0)
    threaded = await (await opened(shop)).add("lamp")

    assert inline.evaluated_basket == threaded.evaluated_basket


async def test_streams_when_cancelled_then_no_task_and_no_call_stays() -> None:
    clock = FakeClock()
    sessions = Sessions(clock=clock, new_id=numbered().__next__)
    async with running_core(sessions=sessions) as core:
        before = asyncio.all_tasks()
        for _ in range(200):
            (await _opened_on(core)).call.cancel()
        await asyncio.wait_for(core.calls.idle(), SECONDS_MAX)
        async with asyncio.timeout(SECONDS_MAX):
            while len(more := asyncio.all_tasks() - before) > ACCEPTING:
                await asyncio.wait(more, return_when=asyncio.FIRST_COMPLETED)
        waiting = sessions.count
        clock.advance(SessionLimits().idle_seconds)
        sessions.expire()

    assert 200 == waiting
    assert (0, 0) == (sessions.count, sessions.stream_count)


async def _opened_on(core: Core) -> Editor:
    editor = Editor(core)
    await editor.open(lamps())
    return editor


# --- only what changed -----------------------------------------------------------------------


async def test_edit_when_one_of_many_lines_changes_then_only_it_is_converted(shop: Shop) -> None:
    editor = Editor(shop.core)
    lines = [basket_pb2.BasketLine(id="lamp") for _ in range(100)]
    await editor.open(basket_pb2.Basket(line_items=lines))
    session = shop.sessions.find("session-1")
    at_first = session.converted_count
    for number in range(1, 51):
        await editor.send(
            set_quantity=edit_basket_pb2.SetQuantity(
                line_item_id=str(number), quantity_micros=2 * UNIT
            )
        )
    evaluation = session.edited.evaluation

    assert (100, 50) == (at_first, session.converted_count - at_first)
    assert evaluation is not None
    assert (1, 1) == (evaluation.resolved_count, evaluation.built_count)
