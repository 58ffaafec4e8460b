"""Do at the till in the browser what is done less often: quotes, expenses, foreign cash."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import TIMEOUT_MS, barriers, chromium, visiting
from tests.support.command_line import SECONDS_MAX, serving
from tests.support.till_page import (
    base_of,
    call,
    line,
    open_till,
    pay_in_cash,
    sale_totals,
    selling,
)
from tests.support.worker_processes import until

TILL = "aarhus-1"
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where exports to a folder go."""
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module", name="base")
def _base(
    browser: Browser, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    del browser  # Without a browser nothing is started.
    config = tmp_path_factory.mktemp("config") / "tillcore.toml"
    config.write_text(f"[exports]\nfolder = {json.dumps(str(folder))}\n")
    with serving("serve", "--demo", "--config", config, "--http", "127.0.0.1:0") as server:
        yield base_of(server)


def send(base: str, type_: str, body: object) -> None:
    """Import something as an integration of the demo does."""
    data, headers = json.dumps(body).encode(), {"content-type": "application/json"}
    with urlopen(Request(f"{base}/imports/{type_}", data, headers), timeout=SECONDS_MAX) as answer:
        assert 0 == json.load(answer)["refused"]


def x_report_count(base: str, register_id: str = TILL) -> int:
    """Return how many X reports the open period of a register has."""
    answer = call(base, "RegisterService/GetRegisterTotals", {"registerId": register_id})
    counts = answer["registerSummary"].get("eventCounts", [])
    name = "REGISTER_EVENT_X_REPORT_GENERATED"
    return sum(int(each["count"]) for each in counts if each["event"] == name)


def test_coffee_when_taken_away_then_its_other_price(browser: Browser, base: str) -> None:
    with selling(browser, base) as page:
        page.locator('[data-product="coffee"]').click()
        expect(line(page, "coffee")).to_contain_text("before 35.00")
        page.get_by_label("Purchase type").select_option(label="Take away")
        expect(line(page, "coffee")).to_contain_text("before 30.00")
        assert [] == barriers(page)
        pay_in_cash(page)
        page.locator("#next-sale").click()
        expect(page.get_by_label("Purchase type")).to_have_value("")

    answer = call(base, "CheckoutService/ListSales", {"registerId": TILL})
    summaries = [each["sale"]["summary"] for each in answer["recordedSales"]]
    assert "take_away" in [each.get("purchaseType", {}).get("id") for each in summaries]


def test_pay_button_when_the_target_ratio_is_met_or_missed_then_its_colour_says_so(
    browser: Browser, base: str
) -> None:
    with selling(browser, base) as page:
        pay = page.locator("#pay")
        page.locator('[data-product="espresso"]').click()
        expect(pay).to_have_class("pay green")
        page.locator('[data-product="desk-lamp"]').click()
        expect(pay).to_have_class("pay orange")
        expect(pay).to_contain_text("Contribution below target")
        orange = pay.evaluate("button => getComputedStyle(button).backgroundColor")
        assert [] == barriers(page)
        page.get_by_role("button", name="Discount", exact=True).click()
        page.get_by_label("Size").fill("50")
        page.get_by_label("Reason").fill("Scratched")
        page.get_by_role("button", name="Apply").click()
        expect(pay).to_have_class("pay red")
        expect(pay).not_to_have_css("background-color", orange)


def test_products_when_they_have_pictures_then_those_of_this_site_are_shown(
    browser: Browser, base: str
) -> None:
    picture = f"{base}/till/icon.svg"
    elsewhere = "https://images.example/lamp.png"
    products = [
        {"id": "pictured", "name": "Pictured", "retail_price": 1, "image_url": picture},
        {"id": "foreign", "name": "Foreign", "retail_price": 1, "image_url": elsewhere},
        {"id": "with-assets", "name": "With assets", "retail_price": 1},
    ]
    asset = {"mime_type": "image/svg+xml", "name": "front", "url": picture}
    send(base, "products", {"products": products})
    send(base, "product_assets", {"assets": {"with-assets": [asset]}})

    with selling(browser, base) as page:
        shown = [page.locator(f'[data-product="{each["id"]}"] img').count() for each in products]
        loaded = page.locator('[data-product="pictured"] img').evaluate(
            "image => image.decode().then(() => image.naturalWidth > 0)"
        )
        assert [] == barriers(page)

    assert ([1, 0, 1], True) == (shown, loaded)


def test_sale_when_paid_with_euros_then_change_in_crowns_and_counted_at_the_close(
    browser: Browser, base: str
) -> None:
    with selling(browser, base, register="odense-1") as page:
        page.locator('[data-product="scarf"]').click()
        expect(page.locator("#pay-total")).to_have_text("DKK 249.00")
        page.locator("#pay").click()
        euros = page.get_by_label("Received in EUR")
        expect(euros).to_have_value("33.38")
        euros.fill("nothing")
        page.get_by_role("button", name="Take EUR").click()
        expect(page.locator("#foreign-EUR-error")).to_have_text("Enter a number.")
        euros.fill("40")
        page.get_by_role("button", name="Take EUR").click()
        expect(page.locator("#change")).to_have_text("DKK 49.40")
        page.locator("#next-sale").click()
        page.get_by_role("button", name="Reports").click()
        page.locator("#make-z").click()
        page.get_by_label("Cash, counted").fill("450.60")
        page.get_by_label("Cash EUR, counted").fill("40")
        page.locator("#close-register").click()
        expect(page.get_by_role("dialog").locator("iframe")).to_be_visible()


def test_expense_when_paid_out_then_an_expense_is_recorded(browser: Browser, base: str) -> None:
    with selling(browser, base) as page:
        page.get_by_role("button", name="Expense").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("What for").select_option(label="Postage")
        dialog.get_by_label("Paid out").fill("-5")
        page.keyboard.press("Enter")
        expect(dialog.locator('[aria-invalid="true"] + .error')).to_have_text("Enter a number.")
        dialog.get_by_label("Paid out").fill("42.50")
        page.keyboard.press("Enter")
        expect(line(page, "postage")).to_contain_text("Expense")
        expect(page.locator("#pay")).to_contain_text("Pay back")
        assert [] == barriers(page)
        pay_in_cash(page)

    assert -42_500_000 in sale_totals(base, TILL)
    answer = call(base, "RegisterService/GetRegisterTotals", {"registerId": TILL})
    assert "-42500000" == answer["registerSummary"]["expenses"]["totalMicros"]


def test_quote_when_given_then_collected_at_its_price(browser: Browser, base: str) -> None:
    with selling(browser, base) as page:
        page.locator('[data-product="mug"]').click()
        expect(line(page, "mug")).to_be_visible()
        page.get_by_role("button", name="Quotes").click()
        page.locator("#give-quote").click()
        page.get_by_label("Remark").fill("For the office")
        page.get_by_role("dialog").get_by_role("button", name="Give a quote").click()
        expect(page.locator(".basket .empty")).to_be_visible()

        page.get_by_role("button", name="Quotes").click()
        page.get_by_role("button", name="For the office").click()
        expect(line(page, "mug")).to_contain_text("Quoted: 1")
        page.get_by_role("button", name="Remove", exact=False).click()
        expect(page.locator(".basket .empty")).to_be_visible()
        page.get_by_role("button", name="Quotes").click()
        page.get_by_role("button", name="For the office").click()
        expect(page.locator("#pay-total")).to_have_text("DKK 69.95")
        page.reload()
        expect(line(page, "mug")).to_contain_text("Quoted: 1")
        pay_in_cash(page)
        page.locator("#next-sale").click()
        page.get_by_role("button", name="Quotes").click()
        expect(page.get_by_role("dialog")).to_contain_text("No quote is open")

    assert 69_950_000 in sale_totals(base, TILL)


def test_reports_when_looked_at_then_nothing_is_counted_until_one_is_made(
    browser: Browser, base: str
) -> None:
    with selling(browser, base) as page:
        before = x_report_count(base)
        for _ in range(2):
            page.get_by_role("button", name="Reports").click()
            expect(page.locator("#make-x")).to_be_visible()
            page.keyboard.press("Escape")
        assert before == x_report_count(base)
        page.get_by_role("button", name="Reports").click()
        page.locator("#make-x").click()
        article = page.frame_locator("iframe.report").locator("article").first
        expect(article).to_contain_text("X report 1")
        assert [] == barriers(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="PDF").click()
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")

    assert before + 1 == x_report_count(base)


def attempt_count(base: str, queue_id: str) -> int:
    """Return how many attempts to deliver the log of a queue has."""
    return len(call(base, "ExportService/ListExportLog", {"queueId": queue_id}).get("attempts", []))


def test_newsletter_when_signed_up_then_the_address_is_delivered(
    browser: Browser, base: str, folder: Path
) -> None:
    queue = {
        "id": "news",
        "name": "Newsletter",
        "kind": "EXPORT_KIND_NEWSLETTER_SIGNUP",
        "trigger": {"realTime": {}},
        "transform": {"identity": {}},
        "delivery": {"folder": {"directory": "news"}},
    }
    call(base, "ExportService/CreateExportQueue", {"queue": queue})

    with visiting(browser, base) as context:
        page = context.new_page()
        open_till(page)
        screen = context.new_page()
        screen.goto("/till/customer.html")
        screen.get_by_label("E-mail").fill("bo.holm@example.com")
        screen.get_by_role("button", name="Sign up").click()
        expect(screen.locator(".good")).to_be_visible()
        until(lambda: attempt_count(base, "news") == 1)

    (file,) = (each for each in folder.rglob("*") if each.is_file())
    assert "bo.holm@example.com" in file.read_text()
