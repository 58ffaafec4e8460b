"""Look for things on the pages of the back office: products, the last sales, imports."""

from collections.abc import AsyncIterator

import grpc.aio
import pytest

from server.storage import Store
from tests.support.account_things import request
from tests.support.back_office import TILL, Office, close_till, open_office, sell
from tests.support.catalog_calls import product, products_request
from tests.support.checkouts import completing, lamps
from tests.support.imports import importing

pytestmark = pytest.mark.parametrize("store_settings", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
async def office(store: Store) -> AsyncIterator[Office]:
    """Yield a back office."""
    async with open_office(store) as opened:
        yield opened


# --- products --------------------------------------------------------------------------------


FOUND = {
    "øl": ["beer-1"],
    "ØL  mørk": ["beer-1"],
    "57000": ["beer-1"],
    "LAGER": ["beer-2"],
    '12" ': ["disc"],
    "a/b": ["disc"],
    "100%": ["juice"],
    "red": ["shirt"],
    "name": [],
    "retail": [],
    "_": [],
    "beer": ["beer-1", "beer-2"],
}
"""What is searched for, and the ids of what is found."""


async def test_products_when_searched_then_those_with_every_word(office: Office) -> None:
    some = [
        product("beer-1", name={"da": "Mørk Øl", "en": "Dark beer"}, barcode="5700001"),
        product("beer-2", name={"da": "Lys", "en": "Pale lager"}),
        product("disc", name='Single 12" A/B'),
        product("juice", name="Juice 100%"),
        product("shirt", name="Shirt", variants=[{"id": "s1", "name": "Red"}]),
    ]
    await office.served.owner.call(products_request(*some, market_ids=["dk"]))
    found: dict[str, list[str]] = {}
    async with office.visitor(office.served.owner.key) as visitor:
        for words in FOUND:
            page = await visitor.get("products", market="dk", q=words)
            links = [each["href"] or "" for each in page.html.every("a")]
            ids = [each.partition("id=")[2].partition("&")[0] for each in links]
            found[words] = [id_ for id_, link in zip(ids, links, strict=True) if "edit?id=" in link]

    assert FOUND == found


async def test_products_when_more_than_a_page_are_found_then_the_rest_follows(
    office: Office,
) -> None:
    some = [product(f"pen-{number:03}", name=f"Pen {number}") for number in range(60)]
    await office.served.owner.call(products_request(*some, market_ids=["dk"]))

    async with office.visitor(office.served.owner.key) as visitor:
        first = await visitor.get("products", market="dk", q="pen")
        rest = await visitor.get("products", market="dk", q="pen", page="pen-049")

    assert "pen-049" in first.html.text
    assert "pen-050" not in first.html.text
    assert ["pen-050", "pen-059"] == [each for each in ("pen-050", "pen-059") if each in rest.text]
    links = [each["href"] or "" for each in first.html.every("a")]
    assert any("page=pen-049" in each and "q=pen" in each for each in links)


# --- the newest first ------------------------------------------------------------------------


async def test_sales_and_closes_when_listed_then_the_newest_first(office: Office) -> None:
    first = await sell(office)
    answer = await office.served.owner.call(completing(lamps(), register_id=TILL))
    sold = [first, answer.checkout.sales[0].identifier]
    async with office.visitor(office.served.owner.key) as visitor:
        sales = await visitor.get("sales", shop_id="aarhus")
        still_open = await visitor.get("closes")
        report = await visitor.get("closes/totals", register_id=TILL)
        pdf = await visitor.get("closes/totals", register_id=TILL, format="pdf")
        await close_till(office)
        closed = await visitor.get("closes")

    assert sales.text.index(sold[1]) < sales.text.index(sold[0])
    assert f"closes/totals?register_id={TILL}" in still_open.text
    assert "X report 1" in report.html.text
    assert "application/pdf" == pdf.headers["content-type"]
    assert f"closes/totals?register_id={TILL}" not in closed.text


async def test_lists_when_the_newest_come_first_then_pages_follow_one_another(
    office: Office,
) -> None:
    owner = office.served.owner
    await sell(office)
    for _ in range(2):
        await owner.call(completing(lamps(), register_id=TILL))
    token, numbers = "", []
    for _ in range(3):
        asked = {"page_size": 1, "page_token": token, "newest_first": True}
        answer = await owner.call(request("ListSales", **asked))
        numbers += [each.account_number for each in answer.recorded_sales]
        token = answer.next_page_token
    other = await owner.call(request("ListSales", page_size=1, newest_first=True))

    assert ([3, 2, 1], "") == (numbers, token)
    with pytest.raises(grpc.aio.AioRpcError, match="page_token"):
        await owner.call(request("ListSales", page_size=1, page_token=other.next_page_token))


# --- imports ---------------------------------------------------------------------------------


async def test_imports_when_some_was_refused_then_who_sent_it_and_what_became_of_it(
    office: Office,
) -> None:
    async with importing(office.served) as importer:
        await importer.post(
            "products?markets=dk&integration=erp",
            {"products": [product("good"), product("bad", price=-1)]},
        )
        await importer.post("products?markets=nowhere", {"products": [product("lost")]})
        key_id = importer.caller.key.split("_")[1]
    async with office.visitor(office.served.owner.key) as visitor:
        runs = await visitor.get("imports")
        log = await visitor.get("imports/log")
        failed = await visitor.get("imports/log", outcome="IMPORT_OUTCOME_FAILED")
        one = await visitor.get("imports/log", import_number="1", item_id="good")

    text = " ".join(runs.html.text.split())
    for expected in (f"{key_id} 127.0.0.1", "POST products", "erp", "markets=nowhere"):
        assert expected in text
    assert text.index("markets=nowhere") < text.index("markets=dk")
    assert ["good", "bad"] == [each for each in ("good", "bad") if each in log.html.text]
    assert "retail_price" in failed.html.text
    assert "good" not in failed.html.text
    assert "good" in one.html.text


async def test_queue_form_when_csv_then_says_what_its_json_may_hold(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        page = await visitor.get("exports/edit")

    for expected in ("required_values", "EXPORT_CSV_ROW_TYPE_LINE_ITEMS_BY_TAX", "Holds sums"):
        assert expected in page.html.text
