"""Take a session of the client through answers given by hand: what it sends next, what it keeps."""

from typing import Any

import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tillcore_client import InvalidArgument, SessionLost, v1
from tillcore_client.session import Broken, SessionState, Steps

FIRST = v1.EditBasketRequest(add_coupon=v1.AddCoupon(coupon="first"))
SECOND = v1.EditBasketRequest(add_coupon=v1.AddCoupon(coupon="second"))
THIRD = v1.EditBasketRequest(add_coupon=v1.AddCoupon(coupon="third"))


def done(sequence: int, session_id: str = "s") -> v1.EditBasketResponse:
    """Return the answer to an action that was done; its total tells which."""
    basket = v1.EvaluatedBasket(total_micros=sequence)
    return v1.EditBasketResponse(sequence=sequence, session_id=session_id, evaluated_basket=basket)


def rejected(
    sequence: int,
    code: int,
    *,
    session_id: str = "s",
    retry_seconds: int | None = None,
) -> v1.EditBasketResponse:
    """Return the answer to an action that was rejected."""
    status = status_pb2.Status(code=code, message="no")
    if retry_seconds is not None:
        packed = any_pb2.Any()
        delay = duration_pb2.Duration(seconds=retry_seconds)
        packed.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        status.details.append(packed)
    return v1.EditBasketResponse(sequence=sequence, session_id=session_id, rejection=status)


def unknown_session() -> v1.EditBasketResponse:
    """Return the answer to `resume` of a server that does not know the session."""
    return rejected(0, code_pb2.NOT_FOUND, session_id="")


def ended(reason: v1.SessionEndReason.ValueType) -> v1.EditBasketResponse:
    """Return a notice that the session has left the stream."""
    return v1.EditBasketResponse(session_id="s", ended=v1.SessionEnded(reason=reason))


def sent(request: v1.EditBasketRequest) -> tuple[int, str]:
    """Return the number of a request and its action, of a coupon its code."""
    action = request.WhichOneof("action")
    return request.sequence, request.add_coupon.coupon if action == "add_coupon" else str(action)


def play(steps: Steps, *answers: v1.EditBasketResponse) -> tuple[list[tuple[int, str]], Any]:
    """Give answers to the requests; return what was sent, and the basket or None at a break."""
    requests = [sent(next(steps))]
    for answer in answers:
        try:
            requests.append(sent(steps.send(answer)))
        except StopIteration as stop:
            return requests, stop.value
    steps.close()
    return requests, None


@pytest.fixture
def state() -> SessionState:
    """Return a session with two actions done, whose stream has broken."""
    made = SessionState(v1.OpenSession(market_id="dk"))
    play(made.steps(None), done(1))
    play(made.steps(FIRST), done(2))
    play(made.steps(SECOND), done(3))
    made.detach()
    return made


def test_action_when_stream_broke_then_session_is_resumed(state: SessionState) -> None:
    requests, basket = play(state.steps(THIRD), done(3), done(4))

    assert [(0, "resume"), (4, "third")] == requests
    assert 4 == basket.total_micros == state.basket.total_micros


def test_action_when_session_is_unknown_then_all_is_done_again(state: SessionState) -> None:
    answers = [unknown_session(), *(done(number, "t") for number in (1, 2, 3, 4))]
    requests, basket = play(state.steps(THIRD), *answers)

    expected = [(0, "resume"), (1, "open"), (2, "first"), (3, "second"), (4, "third")]
    assert expected == requests
    assert 4 == basket.total_micros


def test_action_when_stream_breaks_while_all_is_done_again_then_begins_anew(
    state: SessionState,
) -> None:
    play(state.steps(THIRD), unknown_session(), done(1, "t"), done(2, "t"))
    state.detach()
    requests, _ = play(state.steps(THIRD), *(done(number, "u") for number in (1, 2, 3, 4)))

    assert [(1, "open"), (2, "first"), (3, "second"), (4, "third")] == requests


def test_action_when_it_cannot_all_be_done_again_then_session_is_lost(state: SessionState) -> None:
    steps = state.steps(THIRD)
    refusal = rejected(2, code_pb2.INVALID_ARGUMENT, session_id="t")
    with pytest.raises(SessionLost):
        play(steps, unknown_session(), done(1, "t"), refusal)


@pytest.mark.parametrize(
    "reason", [v1.SESSION_END_REASON_DRAINING, v1.SESSION_END_REASON_IDLE], ids=["drain", "idle"]
)
def test_action_when_session_ends_then_is_built_anew_on_another_stream(
    state: SessionState, reason: v1.SessionEndReason.ValueType
) -> None:
    with pytest.raises(Broken):
        play(state.steps(THIRD), done(3), ended(reason))
    state.detach()
    requests, _ = play(state.steps(THIRD), *(done(number, "t") for number in (1, 2, 3, 4)))

    assert [(1, "open"), (2, "first"), (3, "second"), (4, "third")] == requests


def test_action_when_another_stream_has_the_session_then_it_is_lost(state: SessionState) -> None:
    with pytest.raises(SessionLost):
        play(state.steps(THIRD), done(3), ended(v1.SESSION_END_REASON_TAKEN_OVER))


def test_action_when_server_has_too_much_to_do_then_comes_again_with_a_new_number(
    state: SessionState,
) -> None:
    overload = rejected(4, code_pb2.RESOURCE_EXHAUSTED, retry_seconds=2)
    with pytest.raises(Broken) as caught:
        play(state.steps(THIRD), done(3), overload)
    state.detach()
    requests, _ = play(state.steps(THIRD), done(4), done(5))

    assert 2 == caught.value.details.retry_seconds
    assert [(0, "resume"), (5, "third")] == requests


def test_action_when_rejected_then_is_not_done_again_later(state: SessionState) -> None:
    with pytest.raises(InvalidArgument):
        play(state.steps(THIRD), done(3), rejected(4, code_pb2.INVALID_ARGUMENT))
    state.detach()
    answers = [unknown_session(), *(done(number, "t") for number in (1, 2, 3))]
    requests, _ = play(state.steps(None), *answers)

    assert 3 == state.basket.total_micros
    assert [(0, "resume"), (1, "open"), (2, "first"), (3, "second")] == requests


@pytest.mark.parametrize(
    ("last_sequence", "expected"),
    [
        (3, [(0, "resume"), (4, "third")]),
        (4, [(0, "resume"), (4, "second"), (5, "third")]),
    ],
    ids=["not done", "done"],
)
def test_action_when_one_before_was_given_up_then_its_fate_is_learnt(
    state: SessionState, last_sequence: int, expected: list[tuple[int, str]]
) -> None:
    given_up = v1.EditBasketRequest()
    given_up.CopyFrom(SECOND)
    play(state.steps(given_up), done(3))
    state.detach()
    answers = [done(last_sequence), *(done(number) for number, _ in expected[1:])]
    requests, basket = play(state.steps(THIRD), *answers)

    assert expected == requests
    assert expected[-1][0] == basket.total_micros


def test_close_when_no_stream_has_the_session_then_sends_nothing(state: SessionState) -> None:
    assert state.closing() is None


def test_close_when_stream_has_the_session_then_is_the_next_action(state: SessionState) -> None:
    play(state.steps(None), done(3))
    request = state.closing()

    assert request is not None
    assert (4, "close") == sent(request)
