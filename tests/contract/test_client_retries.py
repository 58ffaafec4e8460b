"""Call a server through a bad network: ids are kept, retries end, sessions are taken up again."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.both_clients import HASTY, Kind, connected
from tests.support.command_line import Server, serving
from tests.support.flaky_proxy import FlakyProxy, flaky_proxy
from tillcore_client import (
    CallError,
    DeadlineExceeded,
    InvalidArgument,
    RetryPolicy,
    Unavailable,
    UnknownOutcome,
    line,
    micros,
    new_id,
    v1,
)

COFFEE_MICROS = micros(28)
ALL = 1000
"""More answers than any client waits for."""

IMPATIENT = RetryPolicy(timeout_seconds=60, attempt_seconds=0.5, attempts_max=2, delay_seconds=0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Yield a server with the sample catalogue, where everybody is let in."""
    with serving("serve", "--demo") as running:
        yield running


@pytest.fixture
def proxy(server: Server) -> Iterator[FlakyProxy]:
    """Yield a proxy in front of the server."""
    with flaky_proxy(server.target) as made:
        yield made


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    """Return each kind of client."""
    return Kind(request.param)


@pytest.fixture
def client(kind: Kind, proxy: FlakyProxy) -> Iterator[Any]:
    """Yield a client that is connected through the proxy."""
    with connected(kind, proxy.target) as made:
        yield made


def basket() -> v1.Basket:
    """Return a basket with a coffee."""
    return v1.Basket(line_items=[line("coffee")])


def stock_of(product_id: str) -> list[v1.StockQuantity]:
    """Return a statement that there are 7 pieces."""
    item = v1.StockItem(product_id=product_id)
    return [v1.StockQuantity(item=item, quantity_micros=micros(7))]


def events_of(client: Any, product_id: str) -> list[v1.StockEvent]:
    """Return what happened to the stock of a product."""
    events = client.list_stock_events(page_size=1000).events
    return [each for each in events if each.item.product_id == product_id]


def test_write_when_answer_is_lost_then_same_id_is_sent_again(
    client: Any, proxy: FlakyProxy
) -> None:
    product_id = new_id()
    proxy.answers_to_lose = 1

    response = client.set_stock(stock_location_id="aarhus", quantities=stock_of(product_id))

    assert 1 == proxy.lost_count
    assert response.replayed
    assert 1 == len(events_of(client, product_id))


def test_write_when_every_answer_is_lost_then_ends_and_names_the_id(
    client: Any, proxy: FlakyProxy
) -> None:
    product_id = new_id()
    quantities = stock_of(product_id)
    proxy.answers_to_lose = ALL
    with pytest.raises(UnknownOutcome) as caught:
        client.set_stock(stock_location_id="aarhus", quantities=quantities)
    proxy.answers_to_lose = 0
    again = client.set_stock(
        request_id=caught.value.request_id, stock_location_id="aarhus", quantities=quantities
    )

    assert HASTY.attempts_max == proxy.lost_count
    assert "SetStock" == caught.value.method
    assert again.replayed
    assert 1 == len(events_of(client, product_id))


def test_write_when_not_repeatable_then_is_sent_once(client: Any, proxy: FlakyProxy) -> None:
    basket_id = new_id()
    client.save_basket(
        basket_id=basket_id, register_id="aarhus-1", cashier_id="demo", basket=basket()
    )
    proxy.answers_to_lose = ALL
    with pytest.raises(UnknownOutcome) as caught:
        client.delete_basket(basket_id=basket_id)

    assert 1 == proxy.lost_count
    assert "" == caught.value.request_id


def test_read_when_answer_is_lost_then_is_asked_again(client: Any, proxy: FlakyProxy) -> None:
    proxy.answers_to_lose = HASTY.attempts_max - 1

    evaluated = client.evaluate(basket())

    assert HASTY.attempts_max - 1 == proxy.lost_count
    assert COFFEE_MICROS == evaluated.total_micros


def test_read_when_every_answer_is_lost_then_ends(client: Any, proxy: FlakyProxy) -> None:
    proxy.answers_to_lose = ALL
    with pytest.raises(Unavailable):
        client.evaluate(basket())

    assert HASTY.attempts_max == proxy.lost_count


def test_write_when_nothing_is_reached_then_ends_as_unknown(client: Any, proxy: FlakyProxy) -> None:
    proxy.is_refusing = True
    request_id = new_id()
    with pytest.raises(UnknownOutcome) as caught:
        client.set_stock(
            request_id=request_id, stock_location_id="aarhus", quantities=stock_of("a")
        )

    assert request_id == caught.value.request_id
    assert "UNAVAILABLE" == caught.value.code


def test_read_when_server_is_silent_then_ends(kind: Kind, proxy: FlakyProxy) -> None:
    with connected(kind, proxy.target, policy=IMPATIENT) as client:
        client.evaluate(basket(), timeout_seconds=60)
        proxy.is_silent = True
        with pytest.raises(DeadlineExceeded):
            client.evaluate(basket())


def test_error_when_definite_then_is_not_tried_again(client: Any, proxy: FlakyProxy) -> None:
    with pytest.raises(InvalidArgument):
        client.evaluate(v1.Basket(line_items=[line("ghost")]))

    assert 1 == proxy.connection_count


def test_stream_when_cut_then_raises(client: Any, proxy: FlakyProxy) -> None:
    proxy.answers_to_lose = 1
    with pytest.raises(Unavailable):
        list(client.stream([basket()]))


def test_session_when_answer_is_lost_then_action_is_done_once(
    client: Any, proxy: FlakyProxy
) -> None:
    with client.edit_basket() as session:
        session.add_line(line("coffee"))
        proxy.answers_to_lose = 1
        evaluated = session.add_line(line("coffee"))

        assert 1 == proxy.lost_count
        assert 2 == len(evaluated.line_items)


def test_session_when_rejection_is_lost_then_is_raised_and_session_goes_on(
    client: Any, proxy: FlakyProxy
) -> None:
    with client.edit_basket() as session:
        proxy.answers_to_lose = 1
        with pytest.raises(InvalidArgument):
            session.add_line(line("ghost"))
        evaluated = session.add_line(line("coffee"))

        assert 1 == proxy.lost_count
        assert 1 == len(evaluated.line_items)


def test_session_when_cut_between_actions_then_goes_on(client: Any, proxy: FlakyProxy) -> None:
    with client.edit_basket(basket=basket()) as session:
        proxy.cut()
        evaluated = session.set_quantity("1", 3)

        assert 3 * COFFEE_MICROS == evaluated.total_micros
        assert 2 == proxy.connection_count


def test_session_when_action_was_given_up_then_next_one_is_another(
    kind: Kind, proxy: FlakyProxy
) -> None:
    with (
        connected(kind, proxy.target) as client,
        client.edit_basket() as session,
    ):
        proxy.answers_to_lose = ALL
        with pytest.raises(CallError):
            session.add_line(line("coffee", line_item_id="first"))
        proxy.answers_to_lose = 0
        evaluated = session.add_line(line("coffee", line_item_id="second"))

        assert ["first", "second"] == [each.line_item_id for each in evaluated.line_items]


def test_session_when_given_up_action_was_rejected_then_next_one_is_done(
    kind: Kind, proxy: FlakyProxy
) -> None:
    with (
        connected(kind, proxy.target) as client,
        client.edit_basket() as session,
    ):
        proxy.answers_to_lose = ALL
        with pytest.raises(CallError):
            session.add_line(line("ghost"))
        proxy.answers_to_lose = 0
        evaluated = session.add_line(line("coffee"))

        assert 1 == len(evaluated.line_items)


def test_session_when_every_answer_is_lost_then_ends(client: Any, proxy: FlakyProxy) -> None:
    with client.edit_basket() as session:
        proxy.answers_to_lose = ALL
        with pytest.raises(Unavailable):
            session.add_line(line("coffee"))
        # An attempt on a connection that is just being cut loses none of its own.
        assert 0 < proxy.lost_count <= HASTY.attempts_max
        proxy.answers_to_lose = 0
        evaluated = session.reevaluate()

    assert 1 == len(evaluated.line_items)


@pytest.mark.parametrize("is_drained", [False, True], ids=["killed", "drained"])
def test_session_when_server_is_gone_then_another_one_has_the_same_basket(
    kind: Kind, server: Server, *, is_drained: bool
) -> None:
    with (
        serving("serve", "--demo") as first,
        flaky_proxy(first.target) as proxy,
        connected(kind, proxy.target) as client,
        client.edit_basket() as session,
    ):
        session.add_line(line("coffee"))
        session.add_line(line("liquorice"))
        session.remove_line("1")
        with pytest.raises(InvalidArgument):
            session.add_line(line("ghost"))
        proxy.server = server.target
        if is_drained:
            assert 0 == first.stop()
        else:
            first.process.kill()
            first.process.wait()
            proxy.cut()
        evaluated = session.add_line(line("coffee"))

        names = [(each.line_item_id, each.id) for each in evaluated.line_items]
        assert [("2", "liquorice"), ("3", "coffee")] == names
