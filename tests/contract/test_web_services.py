"""Record sales by the web services, as an integrator does."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from io import BytesIO
from typing import Any

import pytest

from engine.records.sales import read_sale
from engine.strict_json import decode
from server.auth import Scope
from server.storage import Store
from server.storage.basket_tables import quote, saved_basket
from server.storage.sale_tables import sale
from tests.support.checkouts import rows_of
from tests.support.server import OURS, THEIRS
from tests.support.web_services import (
    CLOSED_TILL,
    FAR_TILL,
    OTHER_TILL,
    SHOP,
    TILL,
    UNIT,
    WebServices,
    running_web_services,
)
from tillcore.v1 import basket_pb2, catalog_product_pb2, register_service_pb2

DAY_NS = 86_400 * 10**9

ON_SQLITE = pytest.mark.parametrize("store_settings", ["sqlite"], indirect=True)
"""What is read and checked before anything is stored needs one kind of database."""


@pytest.fixture
async def web(store: Store) -> AsyncIterator[WebServices]:
    """Yield the web services of a shop, once for each kind of database."""
    async with running_web_services(store) as running:
        yield running


async def rows(web: WebServices, table: Any, account_id: str = OURS) -> list[Any]:
    """Return the rows of an account."""
    return await web.site.served.store.read(partial(rows_of, table=table, account_id=account_id))


async def last_sale(web: WebServices) -> Any:
    """Return the sale that was recorded last."""
    every = sorted(await rows(web, sale), key=lambda row: row["account_number"])
    return read_sale(decode(every[-1]["document"]))


async def refused(
    web: WebServices, status: int, **fields: Any
) -> tuple[str, list[tuple[str, str]]]:
    """Return the code and the bad fields of a call that is refused, and that stored nothing."""
    actual, answer = await web.sent(**fields)
    assert (status, "ERROR") == (actual, answer["result"]), answer
    assert [] == await rows(web, sale)
    error = answer["error"]
    return error["code"], [(each["field"], each["reason"]) for each in error["fields"]]


# --- one call --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/web-services/sales", "/workers/webapp.php"])
async def test_sale_when_recorded_then_answer_has_its_id_number_and_total(
    web: WebServices, path: str
) -> None:
    answer = await web.post(path, itemsList=["lamp_2_Lamp"])

    made = await last_sale(web)
    assert made.identifier == answer["id"]
    assert ("OK", "sale", 1, 1) == tuple(
        answer[name] for name in ("result", "type", "number", "accountNumber")
    )
    assert (Decimal("3590.00"), "DKK", False) == (
        answer["total"],
        answer["currency"],
        answer["replayed"],
    )
    assert TILL == made.source.register_id
    assert "webservice" == made.source.cashier_id


@ON_SQLITE
async def test_sale_when_it_has_everything_then_it_is_recorded(web: WebServices) -> None:
    await web.post(
        itemsList=[
            "shirt/m_2_Shirt for Ann",
            "-to_go_12.50_Sandwich",
            "coffee_2_go_3_Coffee_to_go",
        ],
        deliveryMethod=2,
        idUser="usc",
        idcaisse=OTHER_TILL,
        idClient="c-1",
        publicComment="Ring twice",
    )

    made = await last_sale(web)
    lines = [
        (line.product.id, line.product.product_group, line.quantity_micros, line.comment)
        for line in made.summary.line_items
    ]
    assert [
        ("shirt", None, 2 * UNIT, "Shirt for Ann"),
        ("department-to_go", "to_go", UNIT, None),
        ("coffee_2_go", "drinks", 3 * UNIT, "Coffee_to_go"),
    ] == lines
    assert "Sandwich" == made.summary.line_items[1].product.name
    assert 475_500_000 == made.summary.total_micros
    assert ("on_site", "c-1", "Ring twice") == (
        made.summary.purchase_type.id,
        made.summary.customer.identifier,
        made.summary.comment,
    )
    assert (OTHER_TILL, "USC") == (made.source.register_id, made.source.cashier_name)


@ON_SQLITE
async def test_sale_when_of_a_measured_item_then_the_number_is_how_much(web: WebServices) -> None:
    answer = await web.post(itemsList=["hummus_4.5"])

    assert Decimal("15.00") == answer["total"]


@ON_SQLITE
async def test_sale_when_it_names_a_moment_then_it_was_made_then(web: WebServices) -> None:
    moment = web.site.served.clock() // 10**9 - 3_600

    await web.post(itemsList=["lamp_1"], dateValeur=moment)

    assert moment * 10**9 == (await last_sale(web)).timing.timestamp_ns


@ON_SQLITE
async def test_sale_when_a_client_is_told_of_then_the_same_one_has_the_same_id(
    web: WebServices,
) -> None:
    client = {"nom": "Aps", "prenom": "Ann", "numtva": "38683829", "pays": "dk", "age": "9"}

    first = await web.post(itemsList=["lamp_1"], client=client)
    one = (await last_sale(web)).summary.customer
    await web.post(itemsList=["lamp_2"], client=client)
    other = (await last_sale(web)).summary.customer

    assert ("Ann Aps", "38683829", "DK") == (one.name, one.organization_number, one.country_code)
    assert one == other
    assert ["client[age]"] == first["ignored"]


@ON_SQLITE
async def test_sale_when_parameters_mean_nothing_here_then_the_answer_names_them(
    web: WebServices,
) -> None:
    answer = await web.post(itemsList=["lamp_1"], idtable=4, privateComment="x", pagerNum=1)

    assert ["idtable", "pagerNum", "privateComment"] == answer["ignored"]


@ON_SQLITE
@pytest.mark.parametrize(
    ("payment", "amount", "kinds"),
    [
        ("card.external", None, {"card.external": 35}),
        ("cash", 50, {"cash": 50, "cash.cashback": -15}),
        ("cash", None, {"cash": 35}),
    ],
)
async def test_sale_when_paid_then_payments_settle_it(
    web: WebServices, payment: str, amount: int | None, kinds: dict[str, int]
) -> None:
    await web.post(itemsList=["coffee_2_go_1"], payment=payment, paymentAmount=amount)

    made = await last_sale(web)
    paid = {each.payment_type: each.amount_micros // UNIT for each in made.payments}
    assert kinds == paid


@ON_SQLITE
async def test_sale_when_lists_and_shop_are_spelled_otherwise_then_it_is_the_same(
    web: WebServices,
) -> None:
    body = (
        f"shopID={SHOP}&key={web.key}&payment=card.external"
        "&itemsList%5B0%5D=lamp_1&itemsList[1]=coffee_2_go_1"
    )
    headers = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
    async with web.site.session.post("/web-services/sales", data=body, headers=headers) as response:
        assert 200 == response.status, await response.text()
    again = await web.post(itemsList=["lamp_1", "coffee_2_go_1"])

    assert again["replayed"]


# --- not paid --------------------------------------------------------------------------------


async def test_sale_when_not_validated_then_a_till_finds_the_basket(web: WebServices) -> None:
    answer = await web.post(itemsList=["lamp_2"], payment=-2, publicComment="Ann")

    [row] = await rows(web, saved_basket)
    basket = basket_pb2.Basket.FromString(row["basket"])
    assert ("basket", row["basket_id"], Decimal("3590.00"), None) == (
        answer["type"],
        answer["id"],
        answer["total"],
        answer["PDFinvoice"],
    )
    assert ("Ann", "lamp") == (row["name"], basket.line_items[0].id)
    assert [] == await rows(web, sale)


async def test_sale_when_validated_and_not_paid_then_a_till_can_collect_the_quote(
    web: WebServices,
) -> None:
    answer = await web.post(itemsList=["lamp_2"], payment=-1)
    again = await web.post(itemsList=["lamp_2"], payment=-1)

    [row] = await rows(web, quote)
    assert ("quote", row["quote_id"], Decimal("3590.00")) == (
        answer["type"],
        answer["id"],
        answer["total"],
    )
    assert (answer["id"], True) == (again["id"], again["replayed"])


# --- again -----------------------------------------------------------------------------------


async def test_sale_when_sent_again_then_is_answered_from_the_record(web: WebServices) -> None:
    first = await web.post(itemsList=["lamp_1"])
    again = await web.post(itemsList=["lamp_1"], key=web.key)

    assert first | {"replayed": True} == again
    assert 1 == len(await rows(web, sale))


@ON_SQLITE
async def test_sale_when_sent_again_after_its_item_is_gone_then_is_answered(
    web: WebServices,
) -> None:
    first = await web.post(itemsList=["lamp_1"], requestID="r-1")
    await web.site.served.owner.call(
        catalog_product_pb2.DeleteProductsRequest(market_ids=["dk"], ids=["lamp"])
    )

    again = await web.post(itemsList=["lamp_1"], requestID="r-1")

    assert first["id"] == again["id"]


async def test_sale_when_sent_again_a_day_later_then_is_another_sale(web: WebServices) -> None:
    first = await web.post(itemsList=["lamp_1"])
    web.site.served.clock.now_ns += DAY_NS - 1
    again = await web.post(itemsList=["lamp_1"])
    web.site.served.clock.now_ns += 1
    later = await web.post(itemsList=["lamp_1"])

    assert (first["id"], True) == (again["id"], again["replayed"])
    assert (2, False) == (later["number"], later["replayed"])


async def test_sale_when_sent_twice_at_once_then_is_recorded_once(web: WebServices) -> None:
    answers = await asyncio.gather(*(web.sent(itemsList=["lamp_1"]) for _ in range(5)))

    assert 1 == len(await rows(web, sale))
    assert {status for status, _ in answers} <= {200, 409}
    assert 1 == len({answer["id"] for status, answer in answers if status == 200})


@ON_SQLITE
async def test_sale_when_ids_differ_then_the_same_content_is_two_sales(web: WebServices) -> None:
    for request_id in ("r-1", "r-2", "r-1"):
        await web.post(itemsList=["lamp_1"], requestID=request_id)

    assert 2 == len(await rows(web, sale))


async def test_sale_when_an_id_comes_with_other_content_then_is_refused(web: WebServices) -> None:
    await web.post(itemsList=["lamp_1"], requestID="r-1")

    status, answer = await web.sent(itemsList=["lamp_2"], requestID="r-1")

    assert (422, "ALREADY_EXISTS") == (status, answer["error"]["code"])
    assert "requestID" == answer["error"]["fields"][0]["field"]
    assert 1 == len(await rows(web, sale))


# --- refused ---------------------------------------------------------------------------------


BAD: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"itemsList": ["lamp_1", "ghost_1_x"]}, ("itemsList[1]", "UNKNOWN_ID")),
    ({"itemsList": ["-ghost_1_x"]}, ("itemsList[0]", "UNKNOWN_ID")),
    ({"itemsList": ["any_1_more_2"]}, ("itemsList[0]", "MALFORMED")),
    ({"itemsList": ["shirt_1"]}, ("itemsList[0]", "VARIANT_REQUIRED")),
    ({"itemsList": ["any_1"]}, ("itemsList[0]", "PRICE_REQUIRED")),
    ({"itemsList": ["lamp_1"], "payment": -3}, ("payment", "UNKNOWN_ID")),
    ({"itemsList": ["any_1"], "paymentAmount": 1}, ("itemsList[0]", "PRICE_REQUIRED")),
    ({"itemsList": ["lamp_1"], "paymentAmount": 1}, ("paymentAmount", "OUT_OF_BOUNDS")),
    ({"itemsList": ["lamp_1"], "idClient": "ghost"}, ("idClient", "UNKNOWN_ID")),
    ({"itemsList": ["lamp_1"], "idcaisse": FAR_TILL}, ("idcaisse", "UNKNOWN_ID")),
    (
        {"itemsList": ["lamp_1"], "client": {"nom": "x" * 6_000, "prenom": "x" * 6_000}},
        ("client.name", "OUT_OF_BOUNDS"),
    ),
    (
        {"itemsList": ["lamp_1"], "client": {"email": "x" * 10_001}},
        ("client[email]", "OUT_OF_BOUNDS"),
    ),
]


@ON_SQLITE
async def test_sale_when_a_parameter_is_bad_then_the_answer_names_it(web: WebServices) -> None:
    found = [await refused(web, 400, **fields) for fields, _ in BAD]

    assert [("INVALID_ARGUMENT", [expected]) for _, expected in BAD] == found


@ON_SQLITE
async def test_sale_when_an_id_has_numbers_inside_then_the_known_one_counts(
    web: WebServices,
) -> None:
    answer = await web.post(itemsList=["coffee_2_go_2_lamp_1"])

    assert Decimal("70.00") == answer["total"]


CLOSED = [("idcaisse", "REGISTER_CLOSED")]
IMPOSSIBLE: list[tuple[dict[str, Any], int, str, list[tuple[str, str]]]] = [
    ({"idcaisse": CLOSED_TILL}, 409, "FAILED_PRECONDITION", CLOSED),
    ({"idcaisse": "ghost"}, 404, "NOT_FOUND", []),
    ({"idboutique": "ghost"}, 404, "NOT_FOUND", []),
    ({"key": ""}, 401, "UNAUTHENTICATED", []),
    ({"key": "tillcore_no"}, 401, "UNAUTHENTICATED", []),
]


@ON_SQLITE
async def test_sale_when_it_cannot_be_recorded_then_the_status_says_so(web: WebServices) -> None:
    found = [
        await refused(web, status, itemsList=["lamp_1"], **fields)
        for fields, status, _, _ in IMPOSSIBLE
    ]

    assert [(code, fields) for _, _, code, fields in IMPOSSIBLE] == found


async def test_sale_when_no_register_of_the_shop_is_open_then_is_refused(web: WebServices) -> None:
    await web.site.served.owner.call(
        register_service_pb2.CloseRegisterRequest(
            close_id="c", register_id=FAR_TILL, cashier_id="usc",
            counts=[register_service_pb2.PaymentCount(
                payment_type_identifier="cash", counted_micros=100 * UNIT)],
        )
    )  # fmt: skip

    found = await refused(web, 409, itemsList=["lamp_1"], idboutique="odense")

    assert ("FAILED_PRECONDITION", [("idcaisse", "REGISTER_CLOSED")]) == found


@ON_SQLITE
async def test_sale_when_the_key_may_only_read_then_is_refused(web: WebServices) -> None:
    assert ("PERMISSION_DENIED", []) == await refused(
        web, 403, itemsList=["lamp_1"], key=web.reader
    )


@ON_SQLITE
async def test_sale_when_the_key_is_of_another_account_then_finds_nothing(web: WebServices) -> None:
    other = await web.site.served.caller(Scope.REGISTER, account_id=THEIRS)

    assert "NOT_FOUND" == (await refused(web, 404, itemsList=["lamp_1"], key=other.key))[0]


async def test_sale_when_a_device_sells_then_it_is_at_its_own_register(web: WebServices) -> None:
    device = await web.site.served.caller(Scope.REGISTER, register_id=OTHER_TILL)

    own = await web.post(itemsList=["lamp_1"], key=device.key)
    status, answer = await web.sent(itemsList=["lamp_1"], key=device.key, idcaisse=TILL)

    assert OTHER_TILL == own["registerID"]
    assert (403, "PERMISSION_DENIED") == (status, answer["error"]["code"])


FORM = "application/x-www-form-urlencoded"
NO_FORMS: list[tuple[bytes, str, int]] = [
    (b"{}", "application/json", 400),
    (b"--x", "multipart/form-data; boundary=x", 400),
    (b"a=%ff", FORM, 400),
    (b"\xff", FORM, 400),
    (b"a&" * 20_001, FORM, 400),
    (b"a" * (2**20 + 1), FORM, 413),
    (b"", "", 401),
]


@ON_SQLITE
async def test_sale_when_the_body_is_no_form_then_is_refused(web: WebServices) -> None:
    found = []
    for body, content_type, _ in NO_FORMS:
        async with web.site.session.post(
            "/workers/webapp.php", data=BytesIO(body), headers={"content-type": content_type}
        ) as response:
            found.append(response.status)

    assert [status for _, _, status in NO_FORMS] == found


@ON_SQLITE
async def test_sale_when_by_get_then_is_refused_and_says_why(web: WebServices) -> None:
    status, _, body = await web.got(
        "/workers/webapp.php", idboutique=SHOP, payment="cash", key=web.key, itemsList=["lamp_1"]
    )

    assert 403 == status
    assert b"compat.query_writes" in body
    assert [] == await rows(web, sale)


@ON_SQLITE
async def test_sale_when_get_is_switched_on_then_is_recorded_once(store: Store) -> None:
    async with running_web_services(store, has_query_writes=True) as web:
        fields = {"idboutique": SHOP, "payment": "cash", "key": web.key, "itemsList": ["lamp_1"]}
        first = await web.json("/workers/webapp.php", **fields)
        again = await web.json("/web-services/sales", **fields)

        assert (first["id"], True) == (again["id"], again["replayed"])
        assert 1 == len(await rows(web, sale))


@ON_SQLITE
async def test_sign_in_when_asked_for_then_says_that_there_is_none(web: WebServices) -> None:
    status, answer = await web.sent("/workers/getAuthToken.php", login="a", password="b")

    assert (501, "UNIMPLEMENTED") == (status, answer["error"]["code"])


@ON_SQLITE
async def test_answers_when_a_key_came_along_then_are_not_stored(web: WebServices) -> None:
    async with web.site.session.post("/web-services/sales", data={"key": "no"}) as response:
        assert (401, "no-store") == (response.status, response.headers["cache-control"])
    query = {"key": web.reader, "shop": SHOP}
    for path in ("/web-services/sales-report", "/web-services/items", "/web-services/users"):
        async with web.site.session.get(path, params=query) as response:
            assert (200, "no-store") == (response.status, response.headers["cache-control"])


@ON_SQLITE
async def test_log_when_a_key_came_in_the_query_or_the_body_then_has_none(
    web: WebServices, capsys: pytest.CaptureFixture[str]
) -> None:
    await web.got("/web-services/users")
    await web.got("/workers/getSales.php", idboutique="ghost")
    await web.sent(itemsList=["ghost_1"])

    log = capsys.readouterr().out
    assert "/workers/getSales.php" in log
    assert web.key not in log
    assert web.reader not in log
