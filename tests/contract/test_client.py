"""Call a real server with both clients of `tillcore_client`: every kind of call, every error."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import grpc
import pytest

import tillcore_client
from tests.contract.test_tls import identity
from tests.support.both_clients import Kind, connected
from tests.support.command_line import Server, serving, tillcore
from tillcore.v1 import basket_pb2, basket_service_pb2, basket_service_pb2_grpc
from tillcore_client import (
    AlreadyExists,
    AsyncClient,
    CallError,
    Client,
    Details,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    SessionLost,
    Tls,
    Unauthenticated,
    Unavailable,
    cash,
    line,
    micros,
    new_id,
    v1,
)
from tillcore_client.errors import error_of
from tillcore_client.v1 import methods_pb2_grpc as methods

COFFEE_MICROS = micros(28)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Yield a server with the sample catalogue, where everybody is let in."""
    with serving("serve", "--demo") as running:
        yield running


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    """Return each kind of client."""
    return Kind(request.param)


@pytest.fixture
def client(kind: Kind, server: Server) -> Iterator[Any]:
    """Yield each kind of client, connected to the server."""
    with connected(kind, server.target) as made:
        yield made


@pytest.fixture
def register_id(client: Any) -> Iterator[str]:
    """Yield an open register, and close it."""
    client.open_register(register_id="aarhus-1", cashier_id="demo", cash_total_at_open_micros=0)
    yield "aarhus-1"
    counted = v1.PaymentCount(payment_type_identifier="cash", counted_micros=0)
    closed = client.close_register(register_id="aarhus-1", cashier_id="demo", counts=[counted])
    assert not closed.replayed


def coffees(count: int = 1, **fields: Any) -> v1.Basket:
    """Return a basket of coffees."""
    return v1.Basket(line_items=[line("coffee", quantity=count)], **fields)


def ghosts() -> v1.Basket:
    """Return a basket with a product that nobody knows."""
    return v1.Basket(line_items=[line("ghost")])


# --- evaluation ---------------------------------------------------------------------------------


def test_evaluate_when_answered_then_is_what_the_server_says(client: Any, server: Server) -> None:
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    basket = coffees(3, evaluate_time=moment)
    request = basket_service_pb2.EvaluateBasketRequest(
        basket=basket_pb2.Basket.FromString(basket.SerializeToString())
    )
    with grpc.insecure_channel(server.target) as channel:
        stub = basket_service_pb2_grpc.BasketServiceStub(channel)
        expected = stub.EvaluateBasket(request).evaluated_basket
    evaluated = client.evaluate(basket, market_id="dk")

    assert 3 * COFFEE_MICROS == evaluated.total_micros
    assert expected.SerializeToString(deterministic=True) == evaluated.SerializeToString(
        deterministic=True
    )


def test_evaluate_many_when_one_is_bad_then_has_its_error_in_its_place(client: Any) -> None:
    first, bad, last = client.evaluate_many([coffees(1), ghosts(), coffees(2)])

    assert [COFFEE_MICROS, 2 * COFFEE_MICROS] == [first.total_micros, last.total_micros]
    assert isinstance(bad, InvalidArgument)
    assert "UNKNOWN_ID" == bad.violations[0].reason


def test_stream_when_one_is_bad_then_has_its_error_in_its_place(client: Any) -> None:
    first, bad, last = client.stream([coffees(1), ghosts(), coffees(2)])

    assert [COFFEE_MICROS, 2 * COFFEE_MICROS] == [first.total_micros, last.total_micros]
    assert isinstance(bad, InvalidArgument)


async def test_stream_when_baskets_come_asynchronously_then_is_answered(server: Server) -> None:
    async def baskets() -> Any:
        for count in (1, 2):
            yield coffees(count)

    async with AsyncClient(server.target) as client:
        totals = [
            each.total_micros
            async for each in client.stream(baskets())
            if isinstance(each, v1.EvaluatedBasket)
        ]

    assert [COFFEE_MICROS, 2 * COFFEE_MICROS] == totals


def test_stream_when_left_early_then_client_goes_on(server: Server) -> None:
    with Client(server.target) as client:
        for _ in client.stream(coffees(1) for _ in range(100)):
            break

        assert COFFEE_MICROS == client.evaluate(coffees()).total_micros


def test_session_when_edited_then_has_the_basket_after_each_action(client: Any) -> None:
    with client.edit_basket(basket=coffees()) as session:
        steps = [session.basket]
        steps.append(session.add_line(line("liquorice", line_item_id="x"), position=0))
        steps.append(session.change_line(line("coffee", line_item_id="x")))
        steps.append(session.set_quantity("x", 2))
        steps.append(session.remove_line("1"))
        steps.append(session.add_discount(tillcore_client.amount_off(6, discount_id="d")))
        steps.append(session.remove_discount("d"))
        steps.append(session.change_basket(v1.Basket(payments=[cash(100)]), "payments"))
        steps.append(session.replace_basket(coffees(3)))
        steps.append(session.add_coupon("A"))
        steps.append(session.remove_coupon("A"))
        steps.append(session.reevaluate())

        totals = [each.total_micros for each in steps]
        assert steps[-1] == session.basket
    assert [28, 2, 84] == [totals[0] // 10**6, len(steps[1].line_items), totals[3] // 10**6]
    assert [56, 50, 56, 56] == [each // 10**6 for each in totals[4:8]]
    assert [84, 84, 84, 84] == [each // 10**6 for each in totals[8:]]


def test_session_when_message_is_changed_afterwards_then_action_is_not(client: Any) -> None:
    added = line("coffee")
    with client.edit_basket() as session:
        session.add_line(added)
        added.id = "ghost"

        assert COFFEE_MICROS == session.reevaluate().total_micros


def test_session_when_taken_over_then_is_lost(client: Any, server: Server) -> None:
    with client.edit_basket() as session, grpc.insecure_channel(server.target) as channel:
        state = getattr(session, "_wrapped", session)._state
        request = v1.EditBasketRequest(
            resume=v1.ResumeSession(session_id=state._session_id, last_sequence=1)
        )
        other = channel.stream_stream(
            methods.EDIT_BASKET.path,
            request_serializer=v1.EditBasketRequest.SerializeToString,
            response_deserializer=v1.EditBasketResponse.FromString,
        )(iter([request]))
        assert next(other).HasField("evaluated_basket")
        with pytest.raises(SessionLost, match="TAKEN_OVER"):
            session.add_line(line("coffee"))


# --- what is kept -------------------------------------------------------------------------------


def test_checkout_when_completed_then_is_found_totalled_and_returned(
    client: Any, register_id: str
) -> None:
    basket = coffees(2, payments=[cash(56)])
    named = {"checkout_id": new_id(), "register_id": register_id, "cashier_id": "demo"}
    first = client.complete_checkout(
        **named, basket=basket, expected_total_micros=2 * COFFEE_MICROS
    )
    again = client.complete_checkout(
        **named, basket=basket, expected_total_micros=2 * COFFEE_MICROS
    )
    sale_id = first.checkout.sales[0].identifier
    recorded = client.get_sale(sale_id=sale_id).recorded_sale
    totals = client.get_register_totals(register_id=register_id)
    prepared = client.prepare_return(sale_id=sale_id, register_id=register_id)
    aggregated = client.aggregate_sales([recorded.sale])

    assert [False, True] == [first.replayed, again.replayed]
    assert first.checkout == again.checkout
    assert recorded.account_number == first.checkout.sales[0].account_number
    assert "DKK" == totals.base_currency_code == aggregated.base_currency_code
    assert [2_000_000] == [each.left_micros for each in prepared.remainders]
    assert 1 == aggregated.sale_count


def test_checkouts_when_completed_together_then_each_has_its_result(
    client: Any, register_id: str
) -> None:
    def checkout(basket: v1.Basket) -> v1.CompleteCheckoutRequest:
        return v1.CompleteCheckoutRequest(register_id=register_id, cashier_id="demo", basket=basket)

    wanted = [checkout(coffees(n, payments=[cash(28 * n)])) for n in (1, 2)]
    wanted.insert(1, checkout(ghosts()))
    done = client.complete_checkouts(wanted, view=v1.CHECKOUT_VIEW_NUMBERS)
    again = list(client.stream_checkouts(wanted))

    assert isinstance(done[1], InvalidArgument)
    assert isinstance(again[1], InvalidArgument)
    ids = [each.checkout_id for each in wanted]
    assert 3 == len(set(ids))
    assert [ids[0], ids[2]] == [each.checkout.identifier for each in (done[0], done[2])]
    assert [False, False, True, True] == [
        each.replayed for each in (done[0], done[2], again[0], again[2])
    ]
    numbers = [
        [each.checkout.sales[0].sequence_number for each in (a[0], a[2])] for a in (done, again)
    ]
    assert numbers[0] == numbers[1]


def test_checkout_when_id_is_not_given_then_has_one(client: Any, register_id: str) -> None:
    basket = coffees(1, payments=[cash(28)])
    done = [
        client.complete_checkout(register_id=register_id, cashier_id="demo", basket=basket)
        for _ in range(2)
    ]

    assert [False, False] == [each.replayed for each in done]
    assert 2 == len({each.checkout.identifier for each in done})


def test_products_when_imported_then_are_evaluated(client: Any) -> None:
    product_id = new_id()
    product = v1.Product(
        id=product_id,
        name=v1.LocalizedString(text="New"),
        retail_price=v1.MarketPrice(amount_micros=micros(5)),
    )
    result = client.import_products([v1.ImportProductsRequest(products=[product])]).result
    evaluated = client.evaluate(v1.Basket(line_items=[line(product_id)]))

    assert [] == list(result.failures)
    assert micros(5) == evaluated.total_micros


def test_journal_when_exported_then_comes_in_pieces(client: Any) -> None:
    data = b"".join(piece.data for piece in client.export_journal())

    assert data.startswith(b"{")


# --- errors -------------------------------------------------------------------------------------


def test_error_when_fields_are_bad_then_names_them_and_the_call(client: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        client.evaluate(ghosts())
    error = caught.value

    assert "basket.line_items[0].id" == error.violations[0].field
    assert "UNKNOWN_ID" == error.violations[0].reason == error.reason
    assert "was 'ghost'" in error.violations[0].description
    assert str(error).startswith("INVALID_ARGUMENT: basket.line_items[0].id")
    assert error.details.call_id


def test_error_when_more_fields_are_bad_than_are_named_then_counts_them(client: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        client.evaluate(v1.Basket(line_items=[line("ghost") for _ in range(100)]))

    assert 100 == len(caught.value.violations) + caught.value.details.omitted_field_count
    assert 0 < caught.value.details.omitted_field_count


def dear() -> v1.Basket:
    """Return a basket whose total is more than can be stated."""
    amounts = v1.MarketPrice(amount_micros=micros(999_999_999_999))
    name = v1.LocalizedString(text="Dear")
    product = v1.Product(id="dear", name=name, retail_price=amounts)
    row = v1.BasketLine(product=product, quantity_micros=micros(100))
    return v1.Basket(line_items=[row])


def long() -> v1.Basket:
    """Return a basket that is longer than 4 MiB."""
    return v1.Basket(coupons=["A" * 5 * 1024 * 1024])


CALLS: list[tuple[type[CallError], str, dict[str, Any]]] = [
    (NotFound, "get_sale", {"sale_id": "nobody's"}),
    (OutOfRange, "evaluate", {"basket": dear()}),
    (ResourceExhausted, "evaluate", {"basket": long()}),
    (PermissionDenied, "list_api_keys", {}),
    (FailedPrecondition, "get_register_totals", {"register_id": "aarhus-1"}),
]


@pytest.mark.parametrize(("error", "name", "arguments"), CALLS, ids=lambda each: str(each)[:20])
def test_error_when_refused_then_has_the_class_of_its_code(
    client: Any, error: type[CallError], name: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(error):
        getattr(client, name)(**arguments)


def test_error_when_id_has_another_content_then_already_exists(client: Any) -> None:
    item = v1.StockItem(product_id=new_id())
    request_id = new_id()

    def set_stock(quantity: int) -> Any:
        quantities = [v1.StockQuantity(item=item, quantity_micros=micros(quantity))]
        return client.set_stock(
            request_id=request_id, stock_location_id="aarhus", quantities=quantities
        )

    set_stock(1)
    with pytest.raises(AlreadyExists):
        set_stock(2)


def test_error_when_code_is_not_known_then_is_a_call_error() -> None:
    assert CallError is type(error_of(Details("UNIMPLEMENTED", "no such method")))


def test_key_when_it_is_none_then_is_unauthenticated(kind: Kind, server: Server) -> None:
    with (
        connected(kind, server.target, api_key="tc_nobodys_key") as client,
        pytest.raises(Unauthenticated),
    ):
        client.list_shops()


class Secured(NamedTuple):
    """A server that asks for a key and for a certificate, and what a client brings."""

    target: str
    api_key: str
    tls: Tls


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Yield a server with an account acme, over mutual TLS."""
    directory = tmp_path_factory.mktemp("secured")
    data = ("--data", directory / "data")
    assert 0 == tillcore("account", "create", "acme", *data).returncode
    made = tillcore("apikey", "create", "--account", "acme", "--scopes", "owner", *data)
    root = identity("root")
    ours, theirs = identity("server", root), identity("till", root)
    files = {"certificate": ours.chain, "key": ours.private, "client_ca": root.chain}
    for name, text in files.items():
        (directory / name).write_bytes(text)
    config = directory / "tillcore.toml"
    named = "".join(f"{name} = '{directory / name}'\n" for name in files)
    config.write_text(f"[tls]\n{named}", encoding="utf-8")
    with serving("serve", "--config", config, *data) as server:
        yield Secured(
            # The certificate is that of a name.
            target=server.target.replace("127.0.0.1", "localhost"),
            api_key=made.stdout.decode().strip(),
            tls=Tls(root_certificates=root.chain, certificate=theirs.chain, key=theirs.private),
        )


def test_key_when_good_then_opens_the_account(kind: Kind, secured: Secured) -> None:
    with connected(kind, secured.target, api_key=secured.api_key, tls=secured.tls) as client:
        assert "acme" == client.get_account().account.id


def test_server_when_its_root_is_another_then_is_not_talked_to(
    kind: Kind, secured: Secured
) -> None:
    stranger = Tls(root_certificates=identity("stranger").chain)
    with (
        connected(kind, secured.target, api_key=secured.api_key, tls=stranger) as client,
        pytest.raises(Unavailable),
    ):
        client.get_account()
