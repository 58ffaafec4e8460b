"""Set an account and its catalogue up on the pages of the back office."""

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest

from engine.strict_json import decode
from server.auth import Scope
from server.storage import Store
from tests.support.account_things import request
from tests.support.back_office import CAMPAIGN, Office, Visitor, open_office
from tests.support.server import THEIRS
from tillcore.v1 import catalog_campaign_pb2, catalog_definition_pb2, catalog_product_pb2

pytestmark = pytest.mark.parametrize("store_settings", ["sqlite"], indirect=True)

EVIL = '<script>alert("1")</script><img src=x onerror=alert(1)>'


@pytest.fixture
async def office(store: Store) -> AsyncIterator[Office]:
    """Yield a back office."""
    async with open_office(store) as opened:
        yield opened


async def product(office: Office, product_id: str) -> object:
    """Return a stored product."""
    answer = await office.call(
        catalog_product_pb2.GetProductRequest(market_id="dk", product_id=product_id)
    )
    return decode(answer.product.document_json)


# --- markets, shops and registers ------------------------------------------------------------


async def test_places_when_made_and_edited_then_stored(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        market = {
            "market.id": "se",
            "market.currency_code": "SEK",
            "market.timezone": "Europe/Stockholm",
            "market.default_taxes": "sv: Moms | en: VAT; 25; vat\nEco; 0,5; sales_tax",
            "market.contribution_ratio_target_micros": "37,5",
            "market.exchange_rates_micros": "EUR: 11.2",
        }
        assert 303 == (await visitor.post("markets/edit", **market)).status
        assert 303 == (await visitor.post("shops/edit", id="malmo", market_id="se")).status
        assert 303 == (await visitor.post("registers/edit", id="m1", shop_id="malmo")).status
        form = (await visitor.get("markets/edit", id="se")).html
        assert "37.5" == form.value("market.contribution_ratio_target_micros")
        edited = market | {"revision": form.value("revision"), "market.timezone": "Europe/Oslo"}
        assert 303 == (await visitor.post("markets/edit", query={"id": "se"}, **edited)).status
        stale = await visitor.post("markets/edit", query={"id": "se"}, **edited | {"name": "N"})
        listed = await visitor.get("markets")

    stored = (await office.call(request("GetMarket", market_id="se"))).market.market
    assert ("Europe/Oslo", 375_000) == (stored.timezone, stored.contribution_ratio_target_micros)
    assert [250_000, 5_000] == [tax.rate_micros for tax in stored.default_taxes]
    assert {"sv": "Moms", "en": "VAT"} == dict(stored.default_taxes[0].name.text_by_language)
    assert {"EUR": 11_200_000} == dict(stored.exchange_rates_micros)
    assert 400 == stale.status
    assert "37.5 %" in listed.text


async def test_form_when_fields_are_bad_then_summary_points_at_them(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        page = await visitor.post(
            "markets/edit",
            **{
                "market.id": "x/y\x00",
                "market.currency_code": "DKK",
                "market.default_taxes": "nonsense",
                "market.contribution_ratio_target_micros": "1 2",
                "name": EVIL,
            },
        )

    html = page.html
    ids = {each.get("id") for _, each in html.elements}
    (summary,) = (each for each in html.every("div") if each.get("role") == "alert")
    targets = [each["href"] for each in html.every("a") if each.get("href", "#")[0:3] == "#f-"]  # type: ignore[index]  # it is a text
    assert (400, "problems") == (page.status, summary["id"])
    assert targets
    assert {str(each)[1:] for each in targets} <= ids
    assert EVIL == html.value("name")
    assert 1 == len(html.every("script"))


async def test_thing_when_in_use_then_not_deleted_and_said_so(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        page = await visitor.post("shops/delete", query={"id": "aarhus"}, revision="0")

        assert 409 == page.status
        assert 400 == (await visitor.post("shops/delete?id=aarhus", revision="x")).status
        assert 303 == (await visitor.post("cashiers/edit", id="usc", display_name="USC")).status
        assert 303 == (await visitor.post("cashiers/delete", query={"id": "usc"})).status
        assert 404 == (await visitor.get("cashiers/edit", id="usc")).status


async def test_code_when_made_then_shown_once(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        page = await visitor.post("registers/code", query={"id": "till-1"})

    assert re.search(r"[0-9A-Z]{5}-[0-9A-Z]{5}", page.text)


async def test_key_when_made_then_shown_once_and_can_be_ended(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        bad = await visitor.post("keys", name="ERP")
        page = await visitor.send(
            "POST",
            "keys",
            data=[("csrf", visitor.csrf), ("name", EVIL), ("scopes", "read"), ("days", "7")],
        )
        found = re.search(r"tillcore_(\w{12})_\w{49}", page.text)
        assert found is not None
        again = await visitor.get("keys")
        async with office.visitor(found[0]) as reader:
            assert 200 == (await reader.get("")).status
            ended = await visitor.post("keys/revoke", query={"id": found[1]})

            assert (400, 303) == (bad.status, ended.status)
            assert found[0] not in again.text
            assert EVIL in again.html.text
            assert 1 == len(again.html.every("script"))
            assert 303 == (await reader.get("")).status


# --- who may what ----------------------------------------------------------------------------

CHANGES = {
    "markets/edit": Scope.OWNER,
    "shops/delete?id=aarhus": Scope.OWNER,
    "registers/code?id=till-1": Scope.OWNER,
    "keys": Scope.OWNER,
    "keys/revoke?id=a": Scope.OWNER,
    "tags/edit": Scope.IMPORT,
    "tags/delete?id=a": Scope.IMPORT,
    "products/edit?id=lamp&market=dk": Scope.IMPORT,
    "products/import": Scope.IMPORT,
    "campaigns/import": Scope.IMPORT,
    "exports/edit": Scope.EXPORT_ADMIN,
    "exports/pause?id=a": Scope.EXPORT_ADMIN,
    "exports/delete?id=a": Scope.EXPORT_ADMIN,
    "exports/retry": Scope.EXPORT_ADMIN,
}


async def test_change_when_key_only_reads_then_forbidden_and_no_button(office: Office) -> None:
    reader = await office.served.caller(Scope.READ)
    async with office.visitor(reader.key) as visitor:
        refused = {path: (await visitor.post(path)).status for path in CHANGES}
        pages = ("markets/edit?id=dk", "products/edit?id=lamp&market=dk", "tags", "products")
        buttons = [await primary(visitor, path) for path in pages]

        assert dict.fromkeys(CHANGES, 403) == refused
        assert [[]] * len(pages) == buttons
        assert "/back-office/keys" not in (await visitor.get("")).text
        assert 403 == (await visitor.get("keys")).status


async def primary(visitor: Visitor, path: str) -> list[object]:
    """Return the buttons of a page that change something."""
    html = (await visitor.get(path)).html
    every = (*html.every("button"), *html.every("a"))
    return [each for each in every if "primary" in (each.get("class") or "").split()]


async def test_page_when_id_is_of_another_account_then_not_found(office: Office) -> None:
    theirs = await office.served.caller(Scope.OWNER, account_id=THEIRS)
    async with office.visitor(theirs.key) as visitor:
        for path in (
            "markets/edit?id=dk",
            "shops/edit?id=aarhus",
            "registers/edit?id=till-1",
            "products/edit?id=lamp&market=dk",
            "closes/close?register_id=till-1&number=1",
            "sales/sale?id=x",
            "exports/queue?id=x",
            "nothing",
        ):
            assert 404 == (await visitor.get(path)).status
        assert 404 == (await visitor.post("shops/delete?id=aarhus")).status
        assert 404 == (await visitor.post("registers/code?id=till-1")).status


# --- the catalogue ---------------------------------------------------------------------------


async def test_definitions_when_made_then_stored(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        posted = [
            await visitor.post("tags/edit", tag="light", name="da: Lys | en: Light"),
            await visitor.post("product-groups/edit", group="lamps", name="Lamps"),
            await visitor.post(
                "attributes/edit",
                id="color",
                name="Color",
                type="options",
                options="r: Red\nb: Blue",
            ),
            await visitor.post(
                "attributes/edit", id="watt", name="Watt", type="number", scale="1", suffix="W"
            ),
        ]
        shown = (await visitor.get("attributes/edit", id="color")).text
        bad = await visitor.post("attributes/edit", id="x", name="X", type="number", scale="9")
        gone = await visitor.post("tags/delete", query={"id": "light"})
        again = await visitor.post("tags/delete", query={"id": "light"})

    found = await office.call(catalog_definition_pb2.ListAttributesRequest())
    assert [303] * 4 == [each.status for each in posted]
    assert ["color", "watt"] == [each.id for each in found.attributes]
    assert "r: Red\nb: Blue" in shown
    assert (400, 303, 404) == (bad.status, gone.status, again.status)


async def test_product_when_document_is_bad_then_its_fields_are_named(office: Office) -> None:
    query = {"id": "lamp", "market": "dk"}
    async with office.visitor(office.served.owner.key) as visitor:
        bad = await visitor.post(
            "products/edit", query=query, document='{"id":"lamp","name":"L","retail_price":"x"}'
        )
        other = await visitor.post(
            "products/edit", query=query, document='{"id":"other","name":"L"}'
        )
        deep = await visitor.post("products/edit", query=query, document="[" * 100_000)
        good = await visitor.post(
            "products/edit",
            query=query,
            document='{"id":"lamp","name":"</textarea><script>","retail_price":0.10}',
        )
        shown = await visitor.get("products/edit", **query)

    assert (400, 400, 400, 303) == (bad.status, other.status, deep.status, good.status)
    assert "retail_price: expected" in bad.html.text
    assert "0.10" in shown.html.text
    assert 1 == len(shown.html.every("script"))


async def test_campaign_when_stored_then_said_in_words(office: Office) -> None:
    await office.call(
        catalog_campaign_pb2.ImportCampaignsRequest(market_ids=["dk"], documents_json=CAMPAIGN)
    )
    async with office.visitor(office.served.owner.key) as visitor:
        listed = await visitor.get("campaigns")
        shown = await visitor.get("campaigns/edit", id="two-lamps", market="dk")

    words = "From 2 of products tagged light: 20% off on these units."
    assert words in listed.html.text
    assert words in shown.html.text
    assert "Alone: a unit gets no other discount of this sort." in shown.html.text


async def test_campaign_when_its_form_is_posted_then_made_edited_and_never_renamed(
    office: Office,
) -> None:
    made = (
        '{"id":"spring","type":"percentage_discount-tag","name":"spring",'
        '"display_name":"Spring","priority":5,"tag":"light","percentage":0.25}'
    )
    edited = made.replace("0.25", "0.30")
    query = {"id": "spring", "market": "dk"}
    async with office.visitor(office.served.owner.key) as visitor:
        bad = await visitor.post("campaigns/edit", market="dk", document=made.replace("0.25", "7"))
        missing = await visitor.get("campaigns/edit", **query)
        posted = await visitor.post("campaigns/edit", market="dk", document=made)
        saved = await visitor.post("campaigns/edit", query=query, document=edited)
        renamed = await visitor.post(
            "campaigns/edit", query=query, document=made.replace('"id":"spring"', '"id":"fall"')
        )
        shown = await visitor.get("campaigns/edit", **query)

    found = await office.call(catalog_campaign_pb2.ListCampaignsRequest(market_id="dk"))
    assert (400, 404, 303, 303, 400) == tuple(
        each.status for each in (bad, missing, posted, saved, renamed)
    )
    assert "percentage: expected" in bad.html.text
    assert "/back-office/campaigns?market=dk&done=saved" == posted.location
    assert "30% off" in shown.html.text
    assert [decode(edited)] == [decode(each.document_json) for each in found.campaigns]


# --- files -----------------------------------------------------------------------------------

TABLE = """id;Name;Retail price;Barcode;Tags;Group;Cost price
lamp;da: Lampe | en: Lamp;1.795,00;;;;
chair;Chair;249,50;57001;wood new;seats;100
table;Table;=1+1;;;;
;No id;1;;;;
bowl;"<script>x</script>";12;;;;
"""


async def test_product_file_when_sent_then_checked_and_stored_when_confirmed(
    office: Office,
) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        form = aiohttp.FormData()
        form.add_field("csrf", visitor.csrf)
        form.add_field("market", "dk")
        form.add_field("file", TABLE.encode(), filename="products.csv", content_type="text/csv")
        preview = await visitor.send("POST", "products/import", data=form)
        before = await visitor.get("products/edit", id="chair", market="dk")
        texts = re.findall(r'<textarea name="text"[^>]*>(.*?)</textarea>', preview.text, re.DOTALL)
        stored = await visitor.post("products/import", market="dk", text=TABLE, confirmed="1")

    assert (200, 404) == (preview.status, before.status)
    assert "1.795,00" in texts[0]
    assert ["2", "4", "5"] == re.findall(
        r'<th scope="row">(\d+)</th><td>[^<]*</td><td><div>', preview.text
    )
    assert 1 == len(preview.html.every("script"))
    assert "Imported" in stored.html.text
    chair = await product(office, "chair")
    assert {
        "id": "chair",
        "name": "Chair",
        "retail_price": "249.5",
        "barcode": "57001",
        "tags": {"wood": True, "new": True},
        "product_group": "seats",
        "cost_price": "100",
    } == chair


async def test_product_file_when_partial_then_the_rest_of_a_product_stays(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        table = "identifier,name,retail_price\nlamp,Lamp,12.5\n"
        await visitor.post("products/import", market="dk", text=table, confirmed="1")

    lamp = await product(office, "lamp")
    assert isinstance(lamp, dict)
    assert ("12.5", "4210024") == (lamp["retail_price"], lamp["barcode"])


async def test_product_file_when_no_table_then_columns_are_named(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        for text, expected in (
            ("id;nam;retail_price\na;b;1", "name"),
            ("id;name\na;b", "retail_price"),
            ("id;name;retail_price", "rows"),
            ('id;name;retail_price\n"a', "CSV"),
            ("", "id"),
        ):
            page = await visitor.post("products/import", market="dk", text=text)
            assert 400 == page.status
            assert expected in page.html.text
        foreign = await visitor.post(
            "products/import", market="se", text="id,name,retail_price\na,A,1"
        )
        assert 400 == foreign.status


async def test_campaign_file_when_confirmed_then_stored(office: Office) -> None:
    table = (
        "id,type,name,display_name,priority,tag,percentage\n"
        "sale,percentage_discount-tag,sale,Sale,5,light,20 %\n"
    )
    async with office.visitor(office.served.owner.key) as visitor:
        for text in (table, CAMPAIGN.decode()):
            page = await visitor.post("campaigns/import", market="dk", text=text, confirmed="1")
            assert "Imported" in page.html.text

    found = await office.call(catalog_campaign_pb2.ListCampaignsRequest(market_id="dk"))
    documents = {each.id: decode(each.document_json) for each in found.campaigns}
    assert {"sale", "two-lamps"} == set(documents)
    sale = documents["sale"]
    assert isinstance(sale, dict)
    assert "0.2" == sale["percentage"]
