"""Build a call on the page of the web services in a browser, and record the sale with it."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from server.storage import StoreSettings, open_store
from tests.support.beside import Beside, beside
from tests.support.browser import TIMEOUT_MS, barriers, chromium, visiting
from tests.support.command_line import SECONDS_MAX, exact
from tests.support.web_services import (
    CLOSED_TILL,
    FAR_TILL,
    OTHER_TILL,
    SHOP,
    TILL,
    WebServices,
    running_web_services,
)

DAY = "2026-05-28"
"""What the clock of the tests shows."""

expect.set_options(timeout=TIMEOUT_MS)


@asynccontextmanager
async def web_services(directory: Path) -> AsyncIterator[WebServices]:
    """Yield the web services of a shop, over the embedded database."""
    async with (
        open_store(StoreSettings(directory=directory)) as store,
        running_web_services(store) as web,
    ):
        yield web


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", name="web")
def _web(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Beside[WebServices]]:
    del browser  # Without a browser nothing is started.
    with beside(partial(web_services, tmp_path_factory.mktemp("data"))) as web:
        yield web


def show_ids(page: Page, key: str) -> None:
    """Open the page and type a key into it."""
    page.goto("/web-services/")
    page.get_by_label("A key with the scope").fill(key)
    page.get_by_role("button", name="Show the ids of this account").click()


def choose(page: Page, *, register: str, title: str, request: str) -> None:
    """Choose the ids of a call that sells three coffees for a card."""
    page.get_by_label("Register", exact=True).select_option(register)
    page.get_by_label("Item", exact=True).fill("coffee_2_go")
    page.get_by_label("Quantity").fill("3")
    page.get_by_label("Title").fill(title)
    page.get_by_label("Payment").select_option("card.external")
    page.get_by_label("Delivery method").select_option("0")
    page.get_by_label("User").select_option("usc")
    page.get_by_label("Id of the request").fill(request)


def sold_at(web: Beside[WebServices], register: str) -> list[tuple[str, Decimal]]:
    """Return the id and the total of every sale of a register today."""
    asked = {"shop": SHOP, "date": DAY, "register": register, "format": "json"}
    report = web.do(web.server.json("/web-services/sales-report", **asked))
    return [(row["sale_id"], row["total"]) for row in report["rows"]]


def test_page_when_a_key_is_typed_then_offers_the_ids_of_the_account(
    browser: Browser, web: Beside[WebServices]
) -> None:
    with visiting(browser, web.server.site.url) as context:
        page = context.new_page()
        show_ids(page, web.server.key)
        expect(page.get_by_label("Register", exact=True)).to_have_value(TILL)
        offered = {
            label: page.get_by_label(label, exact=True).inner_text().split("\n")
            for label in ("Shop", "Payment", "User")
        }
        states = page.get_by_label("Register", exact=True)
        expect(states).to_contain_text(f"({CLOSED_TILL}, closed)")
        expect(page.get_by_role("listitem")).to_have_text(["deli: Delikatesse", "to_go: To go"])
        expect(page.get_by_label("A key with the scope")).to_have_value("")
        page.get_by_label("Shop", exact=True).select_option("odense")
        expect(page.get_by_label("Register", exact=True)).to_have_value(FAR_TILL)

    assert "USC (usc)" in offered["User"]
    assert {"Card.external (card.external)", "Cash (cash)"} <= set(offered["Payment"])
    assert any("(odense)" in each or each == "odense" for each in offered["Shop"])


def test_call_when_ids_are_chosen_then_records_the_sale_and_shows_the_answer(
    browser: Browser, web: Beside[WebServices]
) -> None:
    with visiting(browser, web.server.site.url) as context:
        page = context.new_page()
        assert [] == barriers(page)
        show_ids(page, web.server.key)
        choose(page, register=OTHER_TILL, title="Coffee to go", request="order-1")
        page.get_by_role("button", name="Record this sale now").click()
        shown = page.locator("#answer-text")
        expect(shown).to_contain_text('"replayed": false')
        assert [] == barriers(page)
        answer = exact(shown.inner_text())
        page.get_by_role("button", name="Record this sale now").click()
        expect(shown).to_contain_text('"replayed": true')

    assert ("OK", OTHER_TILL, 105) == (answer["result"], answer["registerID"], answer["total"])
    assert [105] == [total for _, total in sold_at(web, OTHER_TILL)]


def test_program_when_shown_with_the_key_then_runs_and_records_the_sale(
    browser: Browser, web: Beside[WebServices]
) -> None:
    with visiting(browser, web.server.site.url) as context:
        page = context.new_page()
        show_ids(page, web.server.key)
        choose(page, register=TILL, title="Coffee", request="order-2")
        program = page.locator("#program")
        expect(program).to_contain_text("itemsList[]=coffee_2_go_3_Coffee")
        expect(program).to_contain_text("key=YOUR_KEY")
        page.get_by_label("Title").fill("Bo's coffee")
        expect(page.get_by_role("status")).to_contain_text("without quotes")
        page.get_by_label("Title").fill("Coffee")
        expect(page.get_by_role("status")).to_be_empty()
        for name in ("Node.js", "jQuery", "PHP", "Java", "Python"):
            page.get_by_label("Language").select_option(label=name)
            expect(program).to_contain_text("order-2")
        page.get_by_label("write the key into it").check()
        expect(program).to_contain_text(web.server.key)
        text = program.inner_text()

    ran = subprocess.run(
        [sys.executable, "-"],
        input=text.encode(),
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert (0, b"") == (ran.returncode, ran.stderr)
    answer = exact(ran.stdout)
    assert [(answer["id"], Decimal(105))] == sold_at(web, TILL)


def test_page_when_the_key_or_the_call_is_refused_then_says_why(
    browser: Browser, web: Beside[WebServices]
) -> None:
    with visiting(browser, web.server.site.url) as context:
        page = context.new_page()
        show_ids(page, "tillcore_wrong")
        expect(page.get_by_role("status")).not_to_be_empty()
        expect(page.locator("#call")).to_be_hidden()
        show_ids(page, web.server.key)
        choose(page, register=CLOSED_TILL, title="", request="order-3")
        page.get_by_role("button", name="Record this sale now").click()
        expect(page.locator("#answer-text")).to_contain_text('"result": "ERROR"')

    assert [] == sold_at(web, CLOSED_TILL)
