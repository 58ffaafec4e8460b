"""Set up and look after an account in the back office in a browser, page by page."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from engine.strict_json import decode
from server.storage import StoreSettings, open_store
from tests.support.account_things import request
from tests.support.back_office import Office, open_office, sell
from tests.support.beside import Beside, beside
from tests.support.browser import TIMEOUT_MS, barriers, chromium, visiting
from tests.support.catalog_calls import product
from tests.support.imports import Importer, importing

expect.set_options(timeout=TIMEOUT_MS)

CAMPAIGN = {
    "id": "spring",
    "type": "percentage_discount-tag",
    "name": "spring",
    "display_name": {"da": "Forår", "en": "Spring"},
    "priority": 5,
    "tag": "light",
    "percentage": 0.25,
}
CAMPAIGNS_CSV = (
    "id;type;name;display_name;priority;tag;percentage\n"
    "summer;percentage_discount-tag;summer;da: Sommer | en: Summer;6;light;20 %\n"
    "winter;no such type;winter;Winter;7;light;10 %\n"
)
PRODUCTS_CSV = "id;Name;Retail price\nchair;Chair;249,50\ntable;Table;=1+1\n"


class Account(NamedTuple):
    """A back office, and an integration that imports over HTTP.

    Attributes:
        office: The back office.
        importer: The integration.
    """

    office: Office
    importer: Importer


@asynccontextmanager
async def an_account(directory: Path) -> AsyncIterator[Account]:
    """Yield an account with a Danish shop, over the embedded database."""
    async with (
        open_store(StoreSettings(directory=directory)) as store,
        open_office(store) as office,
        importing(office.served) as importer,
    ):
        yield Account(office, importer)


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", name="account")
def _account(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Beside[Account]]:
    del browser  # Without a browser nothing is started.
    with beside(partial(an_account, tmp_path_factory.mktemp("data"))) as account:
        yield account


@contextmanager
def working(browser: Browser, account: Beside[Account], path: str) -> Iterator[Page]:
    """Yield a page of the back office, for which an owner has signed in."""
    office = account.server.office
    with visiting(browser, office.url) as context:
        page = context.new_page()
        page.goto(f"/back-office/{path}")
        page.get_by_label("Key").fill(office.served.owner.key)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Sign out").wait_for()
        yield page


def go_to(page: Page, name: str) -> None:
    """Follow a link of the navigation."""
    page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()


def make(page: Page, kind: str, **fields: str) -> None:
    """Fill the form of a new thing of a kind by the ids of its fields, and save it."""
    go_to(page, kind)
    page.get_by_role("link", name="New", exact=True).click()
    for field, value in fields.items():
        control = page.locator(f"#f-{field.replace('_', '-')}")
        if control.evaluate("control => control.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)
    assert [] == barriers(page)
    save(page)


def save(page: Page) -> None:
    """Save a form."""
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def called(account: Beside[Account], name: str, **fields: Any) -> Any:
    """Call a method as the owner."""
    return account.do(account.server.office.call(request(name, **fields)))


def campaign(account: Beside[Account], campaign_id: str) -> Any:
    """Return a stored campaign."""
    answer = called(account, "GetCampaign", market_id="dk", campaign_id=campaign_id)
    return decode(answer.campaign.document_json)


def test_places_when_made_and_the_target_ratio_set_then_stored(
    browser: Browser, account: Beside[Account]
) -> None:
    with working(browser, account, "markets") as page:
        make(
            page,
            "Markets",
            market_id="se",
            name="Sweden",
            market_currency_code="SEK",
            market_timezone="Europe/Stockholm",
            market_default_taxes="sv: Moms | en: VAT; 25; vat",
            market_contribution_ratio_target_micros="40",
        )
        make(page, "Shops", id="malmo", market_id="se", name="Malmö")
        make(page, "Registers", id="malmo-1", shop_id="malmo", name="Till 1")
        go_to(page, "Markets")
        page.get_by_role("link", name="se", exact=True).click()
        target = page.get_by_label("Target contribution ratio")
        expect(target).to_have_value("40")
        target.fill("a third")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Target contribution ratio")
        expect(target).to_have_attribute("aria-invalid", "true")
        target.fill("37.5")
        save(page)
        expect(page.get_by_role("row").filter(has_text="Sweden")).to_contain_text("37.5 %")

    stored = called(account, "GetMarket", market_id="se").market.market
    register = called(account, "GetRegister", register_id="malmo-1").register
    shop = called(account, "GetShop", shop_id=register.shop_id).shop
    assert 375_000 == stored.contribution_ratio_target_micros
    assert ("se", "Malmö") == (shop.market_id, shop.name)


def test_campaign_when_made_and_edited_then_stored_and_said_in_words(
    browser: Browser, account: Beside[Account]
) -> None:
    with working(browser, account, "campaigns") as page:
        page.get_by_role("link", name="New", exact=True).click()
        document = page.get_by_label("Document (JSON)")
        document.fill(json.dumps(CAMPAIGN | {"percentage": 7}))
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("percentage")
        assert [] == barriers(page)
        document.fill(json.dumps(CAMPAIGN))
        save(page)
        row = page.get_by_role("row").filter(has_text="Spring")
        expect(row).to_contain_text("For each of products tagged light: 25% off")
        page.get_by_role("link", name="spring", exact=True).click()
        document.fill(document.input_value().replace("0.25", "0.3"))
        save(page)
        expect(row).to_contain_text("30% off")

    assert "0.3" == str(campaign(account, "spring")["percentage"])


def test_campaigns_when_imported_from_csv_then_shown_before_they_are_stored(
    browser: Browser, account: Beside[Account]
) -> None:
    with working(browser, account, "campaigns") as page:
        page.get_by_role("link", name="Import a file").click()
        page.get_by_label("Or its content").fill(CAMPAIGNS_CSV)
        page.get_by_role("button", name="Check the file").click()
        refused = page.get_by_role("table").first
        expect(refused.get_by_role("rowheader")).to_have_text(["3"])
        page.get_by_role("button", name="Import the good rows").click()
        expect(page.get_by_role("heading", name="Imported")).to_be_visible()
        go_to(page, "Discount campaigns")
        expect(page.get_by_role("row").filter(has_text="Summer")).to_contain_text("20% off")

    stored = called(account, "ListCampaigns", market_id="dk").campaigns
    assert "summer" in [each.id for each in stored]
    assert "winter" not in [each.id for each in stored]


def test_products_when_a_csv_file_is_chosen_then_the_good_rows_are_imported(
    browser: Browser, account: Beside[Account]
) -> None:
    file = FilePayload(name="products.csv", mimeType="text/csv", buffer=PRODUCTS_CSV.encode())
    with working(browser, account, "products/import") as page:
        page.get_by_label("File", exact=True).set_input_files(file)
        page.get_by_role("button", name="Check the file").click()
        expect(page.get_by_role("heading", name="What this would change")).to_be_visible()
        expect(page.get_by_role("table").first).to_contain_text("retail_price")
        assert [] == barriers(page)
        page.get_by_role("button", name="Import the good rows").click()
        expect(page.get_by_role("heading", name="Imported")).to_be_visible()
        go_to(page, "Products")
        expect(page.get_by_role("row").filter(has_text="Chair")).to_contain_text("249.5")
        expect(page.get_by_role("link", name="table", exact=True)).to_have_count(0)


def test_transform_when_previewed_then_shows_what_would_be_delivered(
    browser: Browser, account: Beside[Account]
) -> None:
    sale_id = account.do(sell(account.server.office))
    with working(browser, account, "exports/edit") as page:
        page.get_by_label("Id", exact=True).fill("labels")
        page.get_by_label("Name", exact=True).fill("Labels")
        page.get_by_label("What", exact=True).select_option(label="Sales")
        page.get_by_label("Made into", exact=True).select_option("mustache")
        page.locator("#f-transform-mustache-template").fill(
            "{{#elements}}Sale {{key}}{{/elements}}"
        )
        page.locator("#f-transform-mustache-content-type").fill("text/plain")
        page.get_by_label("Brought by", exact=True).first.select_option("folder")
        page.locator("#f-delivery-folder-directory").fill("labels")
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_role("heading", name="Labels").wait_for()
        sale = page.locator("#f-sale-id")
        sale.fill("none")
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_role("alert")).to_be_visible()
        sale.fill(sale_id)
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("pre")).to_have_text(f"Sale {sale_id}")
        expect(page.get_by_text("text/plain")).to_be_visible()
        assert [] == barriers(page)


def test_import_log_when_an_item_was_refused_then_who_sent_it_and_why(
    browser: Browser, account: Beside[Account]
) -> None:
    importer = account.server.importer
    body = {"products": [product("good"), product("bad", price=-1)]}
    account.do(importer.post("products?markets=dk&integration=erp", body))
    with working(browser, account, "imports") as page:
        run = page.get_by_role("row").filter(has_text="erp")
        expect(run).to_contain_text("127.0.0.1")
        expect(run.locator("code")).to_have_text(importer.caller.key.split("_")[1])
        assert [] == barriers(page)
        run.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1, name="Import log")).to_be_visible()
        expect(page.locator("tbody tr")).to_have_count(2)
        page.get_by_label("Outcome").select_option("IMPORT_OUTCOME_FAILED")
        page.get_by_role("button", name="Show").click()
        failed = page.locator("tbody tr")
        expect(failed).to_have_count(1)
        expect(failed).to_contain_text("bad")
        expect(failed.locator("code")).to_have_text("retail_price")
        assert [] == barriers(page)
