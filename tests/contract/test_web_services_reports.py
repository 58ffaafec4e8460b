"""Ask the web services for the sales of a day, and for lists of the catalogue."""

import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from pypdf import PdfReader
from python_calamine import CalamineWorkbook

from server.auth import Scope
from server.reports import sales_report
from server.storage import Store
from server.tables import formats
from server.tables.formats import TableFormat
from tests.support.reports import Page
from tests.support.server import THEIRS
from tests.support.web_services import (
    OTHER_TILL,
    SHOP,
    TILL,
    WebServices,
    running_web_services,
)
from tests.support.workbooks import read_workbook
from tillcore.v1 import basket_pb2, checkout_pb2

REPORT = "/web-services/sales-report"
DAY = "2026-05-28"
"""The day of the server's clock, in Copenhagen."""

DAY_NS = 86_400 * 10**9
UNIT = 1_000_000

ON_SQLITE = pytest.mark.parametrize("store_settings", ["sqlite"], indirect=True)


@pytest.fixture
async def web(store: Store) -> AsyncIterator[WebServices]:
    """Yield the web services of a shop, once for each kind of database."""
    async with running_web_services(store) as running:
        yield running


async def sell_a_day(web: WebServices) -> None:
    """Record three sales, a return and a voided checkout."""
    first = await web.post(itemsList=["lamp_2", "coffee_2_go_1_Coffee"], idClient="c-1")
    await web.post(itemsList=["coffee_2_go_3"], payment="cash", paymentAmount=110, idUser="usc")
    await web.post(itemsList=["shirt/m_1"], idcaisse=OTHER_TILL)
    basket = basket_pb2.Basket()
    back = basket.returns.add(return_reference=first["id"])
    entry = back.line_items.add(quantity_micros=UNIT)
    entry.line_item.line_item_id = "1"
    basket.payments.add(payment_type="cash", amount_micros=-1795 * UNIT)
    till: dict[str, Any] = {"register_id": TILL, "cashier_id": "usc"}
    await web.site.served.owner.call(
        checkout_pb2.CompleteCheckoutRequest(checkout_id="back", basket=basket, **till)
    )
    lost = basket_pb2.Basket(line_items=[basket_pb2.BasketLine(id="lamp")])
    lost.payments.add(payment_type="cash", amount_micros=UNIT)
    await web.site.served.owner.call(
        checkout_pb2.VoidCheckoutRequest(checkout_id="lost", basket=lost, **till)
    )


TOTAL = {
    "gross": Decimal("2114.00"),
    "discounts": Decimal("0.00"),
    "sub_total": Decimal("2114.00"),
    "net": Decimal("1691.20"),
    "vat_25": Decimal("422.80"),
    "total": Decimal("2114.00"),
    "payment_card.external": Decimal("3804.00"),
    "payment_cash": Decimal("-1685.00"),
    "payment_cash.cashback": Decimal("-5.00"),
}
"""What the day above adds up to."""


def read(chosen: str, body: bytes) -> tuple[list[str], list[list[str]]]:
    """Return the heads of the columns, and the cells of rows and total, as texts."""
    match chosen:
        case "csv":
            rows = list(csv.reader(io.StringIO(body.decode(), newline="")))
            return rows[0], rows[1:]
        case "xml":
            root = ElementTree.fromstring(body)
            names = [each.attrib["name"] for each in root.findall("columns/column")]
            every = [*root.findall("rows/row"), *root.findall("total")]
            cells = [{c.attrib["column"]: c.text or "" for c in row} for row in every]
            return names, [[row.get(name, "") for name in names] for row in cells]
        case "html":
            table = Page(body).tables[0]
            return table[0], table[1:]
        case _:
            sheet = CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0)
            found = [[str(cell) for cell in row] for row in sheet.to_python()[2:]]
            return found[0], found[1:]


def numbers(rows: list[list[str]], index: int) -> list[Decimal | None]:
    """Return a column as numbers; English thousands are taken out."""
    cells = [row[index].replace(",", "") for row in rows]
    return [Decimal(each) if each else None for each in cells]


# --- one day ---------------------------------------------------------------------------------


async def test_report_when_a_day_was_sold_then_rows_and_sums_are_those_of_the_sales(
    web: WebServices,
) -> None:
    await sell_a_day(web)

    document = await web.json(REPORT, shop=SHOP, date=DAY, format="json")

    rows, total = document["rows"], document["total"]
    assert TOTAL == {name: total[name] for name in TOTAL}
    for name, amount in TOTAL.items():
        assert amount == sum(row[name] or 0 for row in rows), name
    assert ["sale", "sale", "sale", "return", "voided"] == [row["kind"] for row in rows]
    assert [1, 2, 1, 3, 4] == [row["number"] for row in rows]
    assert [1, 2, 3, 4, 5] == [row["account_number"] for row in rows]
    assert "2 \N{MULTIPLICATION SIGN} Lampe, 1 \N{MULTIPLICATION SIGN} Coffee" == rows[0]["items"]
    assert ("webservice", "USC") == (rows[0]["cashier"], rows[1]["cashier"])
    assert ("=1+1 Aps", "") == (rows[0]["customer"], rows[1]["customer"])
    assert "2026-05-28T22:26:40+02:00" == rows[0]["time"]
    assert {None} == {rows[4][name] for name in TOTAL}
    for row in rows[:4]:
        assert row["gross"] - row["discounts"] == row["sub_total"]
        assert row["net"] + row["vat_25"] == row["sub_total"]
        paid = sum(row[name] or 0 for name in TOTAL if name.startswith("payment_"))
        assert row["total"] == paid


async def test_report_when_in_every_format_then_all_have_the_same_numbers(
    web: WebServices,
) -> None:
    await sell_a_day(web)
    document = await web.json(REPORT, shop=SHOP, date=DAY, format="json")
    names = [column["name"] for column in document["columns"]]
    titles = [column["title"] for column in document["columns"]]
    every = [*document["rows"], document["total"]]

    for chosen in ("csv", "xml", "html", "xlsx", "xls"):
        status, _, body = await web.got(REPORT, shop=SHOP, date=DAY, format=chosen)

        assert 200 == status
        heads, rows = read(chosen, body)
        assert heads == (names if chosen in ("csv", "xml") else titles)
        for name in (*TOTAL, "number"):
            index = names.index(name)
            assert [row[name] for row in every] == numbers(rows, index), (chosen, name)
        for name in ("items", "kind", "sale_id"):
            index = names.index(name)
            cells = [row[index].removeprefix("'") for row in rows]
            assert [row[name] or "" for row in every] == cells, chosen


async def test_report_when_as_pdf_then_has_the_printed_numbers(web: WebServices) -> None:
    await sell_a_day(web)

    _, kind, body = await web.got(REPORT, shop=SHOP, date=DAY, format="pdf", language="da")

    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages)
    assert "application/pdf" == kind
    flat = "".join(text.split())
    for expected in ("Dagenssalg2026-05-28", "2.114,00", "1.691,20", "422,80", "-1.685,00"):
        assert expected in flat, text


@ON_SQLITE
async def test_report_when_names_are_formulas_then_csv_guards_them(web: WebServices) -> None:
    await web.post(itemsList=["lamp_1"], idClient="c-1")

    _, _, body = await web.got(REPORT, shop=SHOP, date=DAY, format="csv")

    heads, rows = read("csv", body)
    assert "'=1+1 Aps" == rows[0][heads.index("customer")]


async def test_report_when_the_day_has_many_pages_then_every_sale_is_there_once(
    web: WebServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sales_report, "PAGE_SALES", 2)
    for number in range(5):
        await web.post(itemsList=["lamp_1"], requestID=str(number))

    document = await web.json(REPORT, shop=SHOP, date=DAY, format="json")

    assert [1, 2, 3, 4, 5] == [row["account_number"] for row in document["rows"]]


async def test_report_when_no_day_is_named_then_is_of_yesterday_on_the_clock_of_the_shop(
    web: WebServices,
) -> None:
    await web.post(itemsList=["lamp_1"])
    clock = web.site.served.clock
    # 22:26 in Copenhagen: an hour and a half to midnight there, three and a half to that of UTC.
    clock.now_ns += 2 * 3600 * 10**9
    await web.post(itemsList=["lamp_2"])

    yesterday = await web.json(REPORT, shop=SHOP, format="json")
    today = await web.json(REPORT, shop=SHOP, format="json", date="2026-05-29")

    assert (DAY, [Decimal("1795.00")]) == (
        yesterday["date"],
        [row["total"] for row in yesterday["rows"]],
    )
    assert [Decimal("3590.00")] == [row["total"] for row in today["rows"]]


@ON_SQLITE
async def test_report_when_nothing_was_sold_then_is_empty(web: WebServices) -> None:
    document = await web.json(REPORT, shop=SHOP, date="2020-02-29", format="json")

    assert ([], "DKK", Decimal("0.00")) == (
        document["rows"],
        document["currency"],
        document["total"]["total"],
    )


@ON_SQLITE
async def test_report_when_names_are_formulas_then_the_workbook_has_them_as_strings(
    web: WebServices,
) -> None:
    names = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", '=HYPERLINK("http://a.example")']
    for number, name in enumerate(names):
        client = {"nom": name, "numtva": "38683829"}
        await web.post(itemsList=["lamp_1"], requestID=str(number), client=client)

    for chosen in ("xlsx", "xls"):
        _, _, body = await web.got(REPORT, shop=SHOP, date=DAY, format=chosen)

        workbook = read_workbook(body)
        found = [each for each in workbook.strings if each.startswith(("=", "+", "-", "@"))]
        assert (names, []) == (found, workbook.active), chosen


@ON_SQLITE
async def test_report_when_of_one_register_then_has_its_sales_only(web: WebServices) -> None:
    await sell_a_day(web)
    device = await web.site.served.caller(Scope.REGISTER, register_id=OTHER_TILL)

    asked = await web.json(REPORT, shop=SHOP, date=DAY, format="json", register=OTHER_TILL)
    own = await web.json(REPORT, shop=SHOP, date=DAY, format="json", key=device.key)

    assert [OTHER_TILL] == [row["register"] for row in asked["rows"]]
    assert asked == own


@ON_SQLITE
async def test_report_when_asked_for_as_the_vendor_does_then_is_the_same(web: WebServices) -> None:
    await sell_a_day(web)
    asked = {"idboutique": SHOP, "d": 28, "m": 5, "y": 2026}

    for name, chosen in (("Std", "html"), ("CSV", "csv"), ("XLS", "xlsx")):
        theirs = await web.got("/workers/getSales.php", formatExport=name, **asked)
        ours = await web.got(REPORT, shop=SHOP, date=DAY, format=chosen)
        assert ours[:2] == theirs[:2]
        assert read(chosen, ours[2]) == read(chosen, theirs[2])


WRONG: list[tuple[str, dict[str, Any], int]] = [
    (REPORT, {}, 400),
    (REPORT, {"shop": "ghost"}, 404),
    (REPORT, {"shop": SHOP, "date": "28-05-2026"}, 400),
    (REPORT, {"shop": SHOP, "date": "2026-02-30"}, 400),
    (REPORT, {"shop": SHOP, "date": "9999-12-31"}, 400),
    (REPORT, {"shop": SHOP, "format": "doc"}, 400),
    (REPORT, {"shop": SHOP, "register": "far-1"}, 400),
    (REPORT, {"shop": SHOP, "register": "ghost"}, 404),
    (REPORT, {"shop": SHOP, "key": "no"}, 401),
    ("/workers/getSales.php", {"idboutique": SHOP, "d": 1}, 400),
    ("/workers/getSales.php", {"idboutique": SHOP, "d": 31, "m": 2, "y": 2026}, 400),
    ("/workers/getSales.php", {"idboutique": SHOP, "formatExport": "saft"}, 400),
    ("/web-services/items", {}, 404),
    ("/web-services/items", {"shop": SHOP, "format": "doc"}, 400),
    ("/web-services/users", {"key": ""}, 401),
]


@ON_SQLITE
async def test_report_when_a_parameter_is_bad_then_the_status_says_so(web: WebServices) -> None:
    found = [(await web.got(path, **query))[0] for path, query, _ in WRONG]

    assert [status for _, _, status in WRONG] == found


@ON_SQLITE
async def test_report_when_the_key_is_of_another_account_then_finds_nothing(
    web: WebServices,
) -> None:
    other = await web.site.served.caller(Scope.READ, account_id=THEIRS)

    status, _, _ = await web.got(REPORT, shop=SHOP, key=other.key)

    assert 404 == status


@ON_SQLITE
async def test_report_when_there_are_too_many_sales_then_says_what_to_do(
    web: WebServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(formats.ROWS_MAX, TableFormat.PDF, 1)
    for number in range(2):
        await web.post(itemsList=["lamp_1"], requestID=str(number))

    status, _, body = await web.got(REPORT, shop=SHOP, date=DAY, format="pdf")

    assert 409 == status
    assert b"at most 1 sales in this format, was more: choose csv" in body


# --- lists -----------------------------------------------------------------------------------


@ON_SQLITE
async def test_items_when_listed_then_their_ids_can_be_sold(web: WebServices) -> None:
    document = await web.json("/web-services/items", shop=SHOP, language="en")
    priced = [row for row in document["rows"] if row["price"] is not None]

    answer = await web.post(
        itemsList=[f"{row['id']}_1_{row['name']}" for row in priced if row["id"] != "dear"]
    )

    assert ["Lamp"] == [row["name"] for row in priced if row["id"] == "lamp"]
    assert ("Shirt, l", Decimal("199.00"), "Moms 25 %") == next(
        (row["name"], row["price"], row["taxes"]) for row in priced if row["id"] == "shirt/l"
    )
    # Of what is sold by measure one unit is sold: 1 dl of 4.5 for 15.
    assert Decimal("2221.33") == answer["total"], answer


EXPECTED: dict[str, list[dict[str, Any]]] = {
    "departments": [
        {"id": "deli", "name": "Delikatesse"},
        {"id": "to_go", "name": "To go"},
    ],
    "payment-methods": [
        {"id": "-2", "name": "Not paid: put aside as a basket"},
        {"id": "-1", "name": "Not paid: agreed as a quote"},
        {"id": "card.external", "name": "Card.external"},
        {"id": "cash", "name": "Cash"},
    ],
    "users": [{"id": "webservice", "name": "Web services"}, {"id": "usc", "name": "USC"}],
    "shops": [
        {"id": "aarhus", "name": "Aarhus", "market": "dk"},
        {"id": "odense", "name": "Odense", "market": "dk"},
    ],
}


@ON_SQLITE
async def test_lists_when_asked_for_then_have_the_ids_of_the_account(web: WebServices) -> None:
    for name, rows in EXPECTED.items():
        assert rows == (await web.json(f"/web-services/{name}"))["rows"]
    registers = (await web.json("/web-services/registers"))["rows"]
    assert ["open", "closed", "open", "open"] == [row["state"] for row in registers]
    deliveries = (await web.json("/web-services/delivery-methods"))["rows"]
    assert [("0", "take_away"), ("6", "shipping")] == [
        (row["id"], row["purchase_type"]) for row in (deliveries[0], deliveries[-1])
    ]


@ON_SQLITE
async def test_lists_when_in_several_formats_then_have_the_same_rows(web: WebServices) -> None:
    documents = (await web.json("/web-services/customers"))["rows"]

    for chosen in ("csv", "html"):
        _, _, body = await web.got("/web-services/customers", format=chosen)
        _, [row] = read(chosen, body)
        values = [each or "" for each in documents[0].values()]
        assert values == [each.removeprefix("'") for each in row]


@ON_SQLITE
async def test_lists_when_the_key_may_only_import_then_are_refused(web: WebServices) -> None:
    importer = await web.site.served.caller(Scope.IMPORT)

    status, _, _ = await web.got("/web-services/customers", key=importer.key)

    assert 403 == status
