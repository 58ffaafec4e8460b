"""Sell with the till in the browser: headless Chromium against `tillcore serve --demo`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

from tests.support.browser import PHONE, TIMEOUT_MS, barriers, chromium, visiting
from tests.support.command_line import SECONDS_MAX, serving
from tests.support.till_page import (
    base_of,
    call,
    line,
    open_till,
    pay_in_cash,
    sale_totals,
    scan,
    selling,
)

UNIT = 1_000_000
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", name="base")
def _base(browser: Browser) -> Iterator[str]:
    del browser  # Without a browser nothing is started.
    with serving("serve", "--demo", "--http", "127.0.0.1:0") as server:
        yield base_of(server)


@pytest.fixture(scope="module", name="blank")
def _blank(browser: Browser, base: str) -> Iterator[Page]:
    """Yield a page that modules of the till can be imported into."""
    with visiting(browser, base) as context:
        page = context.new_page()
        page.goto("/till/customer.html")
        yield page


# --- selling -------------------------------------------------------------------------------------


def test_sale_when_paid_in_cash_then_campaign_change_and_receipt(
    browser: Browser, base: str
) -> None:
    with selling(browser, base) as page:
        page.locator('[data-product="espresso"]').click()
        page.locator('[data-product="croissant"]').click()
        expect(page.locator(".line-discount").first).to_contain_text("Hot drink and pastry for 45")
        expect(page.locator("#pay-total")).to_have_text("DKK 45.00")
        expect(page.locator("#pay")).to_have_class("pay green")
        expect(page.locator("#live-total")).to_have_text("Total DKK 45.00")
        pay_in_cash(page, "50")
        expect(page.locator("#change")).to_have_text("DKK 5.00")
        receipt = page.frame_locator("iframe.report")
        expect(receipt.locator("article")).to_contain_text("Espresso")
        expect(receipt.locator("article")).to_have_css("background-color", "rgb(255, 255, 255)")
        with page.expect_download() as download:
            page.get_by_role("button", name="PDF").click()
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
        page.locator("#next-sale").click()
        expect(page.locator(".basket .empty")).to_be_visible()

    assert 45 * UNIT in sale_totals(base, "aarhus-1")


def test_sale_when_one_is_missing_then_a_hint_and_the_third_is_free(
    browser: Browser, base: str
) -> None:
    with selling(browser, base) as page:
        page.get_by_role("tab", name="Candy").click()
        page.locator('[data-product="liquorice"]').click()
        expect(line(page, "liquorice")).to_be_visible()
        expect(page.locator(".hint")).to_have_count(0)
        page.locator('[data-product="winegums"]').click()
        expect(page.locator(".hint")).to_have_text("One more and the third is free: 3 for 2")
        page.get_by_role("button", name="More Wine gums").click()
        expect(line(page, "liquorice").locator(".line-total")).to_have_text("0.00")
        expect(page.locator(".hint")).to_have_count(0)
        expect(page.locator("#pay-total")).to_have_text("DKK 24.00")


def test_sale_when_paid_in_parts_then_the_cash_part_is_rounded(browser: Browser, base: str) -> None:
    with selling(browser, base) as page:
        page.locator('[data-product="mug"]').click()
        expect(page.locator("#pay-total")).to_have_text("DKK 69.95")
        page.locator("#pay").click()
        page.locator("#part").fill("50")
        page.locator('[data-type="card.external"]').click()
        expect(page.locator("#tendered")).to_have_value("20.00")
        page.locator("#pay-cash").click()
        article = page.frame_locator("iframe.report").locator("article")
        expect(article).to_contain_text("Card")

    assert 69_950_000 in sale_totals(base, "aarhus-1")


def test_basket_when_customer_coupon_and_discounts_then_each_by_its_name(
    browser: Browser, base: str
) -> None:
    with selling(browser, base) as page:
        page.locator('[data-product="desk-lamp"]').click()
        page.get_by_role("button", name="Coupon").click()
        page.get_by_label("Code").fill("LYS10")
        page.keyboard.press("Enter")
        expect(line(page, "desk-lamp")).to_contain_text("Coupon LYS10")
        page.keyboard.press("F4")
        page.get_by_role("dialog").get_by_role("searchbox").fill("anna")
        page.keyboard.press("Enter")
        expect(line(page, "desk-lamp")).to_contain_text("Member discount")
        page.get_by_role("button", name="Discount", exact=True).click()
        page.get_by_label("Size").fill("150")
        page.get_by_role("button", name="Apply").click()
        complaint = page.get_by_role("dialog").locator('[aria-invalid="true"] + .error')
        expect(complaint).not_to_be_empty()
        page.get_by_label("Size").fill("50")
        page.get_by_label("Reason").fill("Scratched")
        page.get_by_role("button", name="Apply").click()
        expect(line(page, "desk-lamp")).to_contain_text("Scratched")
        expect(page.locator("#pay")).to_have_class("pay red")
        page.get_by_role("button", name="Scratched ✕").click()
        expect(line(page, "desk-lamp")).not_to_contain_text("Scratched")


# --- finding products ----------------------------------------------------------------------------


def test_products_when_searched_scanned_and_narrowed_then_found(
    browser: Browser, base: str
) -> None:
    with selling(browser, base) as page:
        tiles = page.locator("#tiles [data-product]")
        page.keyboard.press("/")
        page.keyboard.type("wool")
        expect(tiles).to_have_count(2)
        page.locator("#search").fill("riesl")
        page.keyboard.press("Enter")
        expect(line(page, "wine-riesling")).to_be_visible()

        page.locator("body").click(position={"x": 3, "y": 3})
        scan(page, "4210031")
        expect(line(page, "1048")).to_contain_text("1,895.00")
        scan(page, "99999999")
        expect(page.locator("#alerts")).to_have_text("No product has the code 99999999.")

        page.get_by_role("tab", name="Wine").click()
        page.get_by_role("button", name="France (2)").click()
        expect(tiles).to_have_count(2)
        page.get_by_role("button", name="Merlot (1)").click()
        expect(tiles).to_have_text(["Domaine d'AngayracDKK 150.00"])
        page.get_by_role("tab", name="Wine").click()
        page.get_by_role("button", name="White wine").click()
        expect(tiles).to_have_count(2)


def test_products_when_they_need_more_then_it_is_asked_for(browser: Browser, base: str) -> None:
    with selling(browser, base) as page:
        page.locator('[data-product="t-shirt"]').click()
        page.get_by_label("Forest green").check()
        page.get_by_label("L", exact=True).check()
        page.get_by_role("button", name="Add · DKK 149.00").click()
        expect(line(page, "t-shirt")).to_contain_text("Forest green · L")

        page.locator('[data-product="repair"]').click()
        page.get_by_label("Price").fill("a lot")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").locator(".error")).to_have_text("Enter a number.")
        page.get_by_label("Price").fill("1,250.50")
        page.keyboard.press("Enter")
        expect(line(page, "repair")).to_contain_text("1,250.50")

        page.locator('[data-product="cheese-aged"]').click()
        page.get_by_label("Weight (kg)").fill("0.5")
        page.keyboard.press("Enter")
        expect(line(page, "cheese-aged")).to_contain_text("94.75")

        page.locator('[data-product="wine-rioja"]').click()
        page.get_by_role("button", name="Change Rioja Crianza").click()
        page.get_by_role("textbox", name="Quantity").fill("12")
        page.get_by_role("button", name="Apply").click()
        expect(line(page, "wine-rioja")).to_contain_text("2 boxes of 6")


# --- beside selling ------------------------------------------------------------------------------


def test_customer_screen_when_sold_then_total_thanks_and_newsletter(
    browser: Browser, base: str
) -> None:
    with visiting(browser, base) as context:
        page = context.new_page()
        open_till(page)
        screen = context.new_page()
        screen.goto("/till/customer.html")
        # A page that nobody sees is drawn rarely, so that its buttons are slow.
        page.bring_to_front()
        page.locator('[data-product="scarf"]').click()
        expect(screen.locator("#screen-total")).to_have_text("DKK 249.00")
        expect(screen.locator(".line-discount")).to_contain_text("-80.00")
        assert [] == barriers(screen)
        pay_in_cash(page, "300")
        screen.bring_to_front()
        expect(screen.locator("h1")).to_have_text("Thank you")
        expect(screen.locator(".change")).to_contain_text("DKK 51.00")
        screen.get_by_label("E-mail").fill("nobody@")
        screen.get_by_role("button", name="Sign up").click()
        expect(screen.locator(".error")).to_contain_text("name@example.com")
        screen.get_by_label("E-mail").fill("anna.lund@example.com")
        screen.get_by_role("button", name="Sign up").click()
        expect(screen.locator(".good")).to_have_text("Thank you, you are signed up.")


def test_sale_when_some_of_it_is_returned_then_that_is_paid_back(
    browser: Browser, base: str
) -> None:
    with selling(browser, base) as page:
        page.locator('[data-product="socks"]').click()
        page.get_by_role("button", name="More Wool socks").click()
        expect(page.locator("#pay-total")).to_have_text("DKK 158.00")
        pay_in_cash(page)
        page.locator("#next-sale").click()

        page.get_by_role("button", name="Sales").click()
        page.get_by_role("button", name="Return of sale").first.click()
        page.get_by_label("Wool socks (2 left)").fill("3")
        page.locator("#take-back").click()
        expect(page.get_by_role("dialog").locator(".error")).to_contain_text("2")
        page.get_by_label("Wool socks (2 left)").fill("1")
        page.locator("#take-back").click()
        expect(line(page, "socks")).to_contain_text("Returned: 1")
        expect(page.locator("#pay")).to_contain_text("Pay back")
        pay_in_cash(page)

    assert -79 * UNIT in sale_totals(base, "aarhus-1")


def test_basket_when_parked_then_fetched_and_when_voided_then_gone(
    browser: Browser, base: str
) -> None:
    with selling(browser, base) as page:
        page.locator('[data-product="rye-bread"]').click()
        expect(line(page, "rye-bread")).to_be_visible()
        page.keyboard.press("F8")
        page.get_by_label("Name").fill("The lady with the dog")
        page.keyboard.press("Enter")
        expect(page.locator(".basket .empty")).to_be_visible()
        page.get_by_role("button", name="Parked").click()
        page.get_by_role("button", name="The lady with the dog").click()
        expect(line(page, "rye-bread")).to_be_visible()
        page.reload()
        expect(line(page, "rye-bread")).to_be_visible()
        page.get_by_role("button", name="Void").click()
        page.get_by_role("dialog").get_by_role("button", name="Void").click()
        expect(page.locator(".basket .empty")).to_be_visible()


def test_register_when_reported_and_closed_then_x_and_z_with_the_difference(
    browser: Browser, base: str
) -> None:
    with selling(browser, base, register="odense-1") as page:
        page.locator('[data-product="caramels"]').click()
        expect(page.locator("#pay-total")).to_have_text("DKK 18.00")
        pay_in_cash(page, "20")
        page.locator("#next-sale").click()
        page.get_by_role("button", name="Reports").click()
        total = page.get_by_role("row", name="Total").first
        expect(total.get_by_role("cell").first).to_have_text("18.00")
        page.locator("#make-z").click()
        page.get_by_label("Cash, counted").fill("lots")
        page.locator("#close-register").click()
        expect(page.get_by_role("dialog").locator(".error").first).to_have_text("Enter a number.")
        page.get_by_label("Cash, counted").fill("510")
        page.get_by_label("Of it leaves the drawer").fill("10")
        page.locator("#close-register").click()
        expect(page.get_by_role("dialog")).to_contain_text("DKK 8.00 missing")
        article = page.frame_locator("iframe.report").locator("article").first
        expect(article).to_contain_text("510.00")
        page.get_by_role("button", name="Close", exact=True).last.click()
        expect(page.locator("h1")).to_have_text("Odense 1 is closed")


def test_basket_when_voided_after_a_payment_then_recorded_as_voided(
    browser: Browser, base: str
) -> None:
    with selling(browser, base) as page:
        page.locator('[data-product="olives"]').click()
        page.get_by_label("Weight (g)").fill("250")
        page.keyboard.press("Enter")
        expect(line(page, "olives")).to_contain_text("250 g")
        page.locator("#pay").click()
        page.locator("#part").fill("10")
        page.locator('[data-type="card.external"]').click()
        expect(page.get_by_role("dialog")).to_contain_text("DKK 34.88")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Void").click()
        page.get_by_role("dialog").get_by_role("button", name="Void").click()
        expect(page.locator(".basket .empty")).to_be_visible()

    answer = call(base, "RegisterService/GetRegisterTotals", {"registerId": "aarhus-1"})
    assert "1" == answer["registerSummary"]["voidedCount"]


# --- trouble -------------------------------------------------------------------------------------


def test_sale_when_the_server_dies_before_its_answer_then_one_sale(
    browser: Browser, tmp_path: Path
) -> None:
    arguments = ("serve", "--demo", "--data", tmp_path, "--http")
    with serving(*arguments, "127.0.0.1:0") as server:
        base = base_of(server)
        with selling(browser, base) as page:
            page.locator('[data-product="floor-lamp"]').click()
            expect(page.locator("#pay-total")).to_have_text("DKK 1,249.00")
            lost: list[int] = []

            def lose_answer(route: Route) -> None:
                if lost:
                    route.continue_()
                    return
                lost.append(route.fetch().status)
                server.process.kill()
                server.process.wait(SECONDS_MAX)
                route.abort()

            page.route("**/*CheckoutService/CompleteCheckout", lose_answer)
            page.locator("#pay").click()
            page.locator("#pay-cash").click()
            expect(page.locator("#payment-trouble")).to_contain_text("recorded once")
            expect(page.locator("#trouble")).to_be_visible()
            assert [200] == lost
            with serving(*arguments, base.removeprefix("http://")):
                page.locator("#next-sale").wait_for()
                expect(page.locator("#trouble")).to_be_hidden()
                assert [1_249 * UNIT] == sale_totals(base, "aarhus-1")


def test_basket_when_sockets_are_away_then_each_edit_is_asked_for_by_itself(
    browser: Browser, base: str
) -> None:
    sockets: list[WebSocketRoute] = []

    def take(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if len(sockets) == 1:
            socket.connect_to_server()
        elif len(sockets) < 4:
            socket.close()
        else:
            socket.connect_to_server()

    with visiting(browser, base) as context:
        page = context.new_page()
        page.route_web_socket("**/EditBasket", take)
        open_till(page)
        page.locator('[data-product="cocoa"]').click()
        expect(page.locator("#pay-total")).to_have_text("DKK 38.00")
        sockets[0].close()
        expect(page.locator("#trouble")).to_contain_text("live connection is away")
        page.get_by_role("button", name="More Hot chocolate").click()
        expect(page.locator("#pay-total")).to_have_text("DKK 76.00")
        expect(page.locator("#trouble")).to_be_hidden()
        page.get_by_role("button", name="More Hot chocolate").click()
        expect(page.locator("#pay-total")).to_have_text("DKK 114.00")


# --- for everybody -------------------------------------------------------------------------------


def test_page_when_used_by_keyboard_then_sells_without_barriers(
    browser: Browser, base: str
) -> None:
    with selling(browser, base) as page:
        assert [] == barriers(page)
        page.keyboard.press("/")
        page.keyboard.type("cinnamon")
        page.keyboard.press("Enter")
        expect(line(page, "cinnamon-bun")).to_be_visible()
        assert [] == barriers(page)
        page.keyboard.press("F9")
        expect(page.locator("#tendered")).to_be_focused()
        assert [] == barriers(page)
        page.keyboard.press("Enter")
        expect(page.locator("#next-sale")).to_be_focused()
        assert [] == barriers(page)
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "text", "micros"),
    [
        ("en", "12.5", "12500000"),
        ("en", "12,5", "12500000"),
        ("en", "1,795.00", "1795000000"),
        ("en", "1,795", "1795000000"),
        ("en", "1.795", "1795000"),
        ("da", "1.795", "1795000000"),
        ("da", "1.795,05", "1795050000"),
        ("da", "-0,5", "-500000"),
        ("da", "999999999999,999999", "999999999999999999"),
        ("da", "12 kr", None),
        ("en", "", None),
        ("en", "0.0000001", None),
    ],
)
def test_amount_when_typed_then_read_exactly(
    blank: Page, language: str, text: str, micros: str | None
) -> None:
    script = """async ([language, text]) => {
      const words = await import("/till/words.js");
      const money = await import("/till/money.js");
      words.setLanguage(language);
      return money.parsed(text)?.toString() ?? null;
    }"""

    assert micros == blank.evaluate(script, [language, text])


@pytest.mark.parametrize(
    ("language", "micros", "text"),
    [
        ("en", "1795000000", "DKK\u00a01,795.00"),
        ("da", "1795000000", "1.795,00\u00a0kr."),
        ("da", "-50000", "-0,05\u00a0kr."),
        ("en", "999999999999990000", "DKK\u00a0999,999,999,999.99"),
    ],
)
def test_amount_when_shown_then_no_digit_is_lost(
    blank: Page, language: str, micros: str, text: str
) -> None:
    script = """async ([language, micros]) => {
      const words = await import("/till/words.js");
      const { money } = await import("/till/money.js");
      words.setLanguage(language);
      return money(micros, "DKK");
    }"""

    assert text == blank.evaluate(script, [language, micros])


def test_page_when_on_a_danish_phone_then_fits_and_speaks_danish(
    browser: Browser, base: str
) -> None:
    with selling(browser, base, size=PHONE, language="da-DK") as page:
        page.locator('[data-product="cocoa"]').click()
        expect(page.locator("#show-basket")).to_have_text("Kurv (1) · 38,00\u00a0kr.")
        page.locator("#show-basket").click()
        expect(line(page, "cocoa")).to_contain_text("Varm kakao")
        expect(page.locator("html")).to_have_attribute("lang", "da")
        assert PHONE[0] == page.evaluate("document.documentElement.scrollWidth")
        assert [] == barriers(page)
