"""Work at the till in the browser as cashiers do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, Locator, Page

from tests.support.browser import visiting
from tests.support.command_line import SECONDS_MAX, Server


def base_of(server: Server) -> str:
    """Return where the pages of a server are."""
    return f"http://127.0.0.1:{server.listening['http_port']}"


def call(base: str, method: str, request: dict[str, Any]) -> Any:
    """Call a method as the page does."""
    body = json.dumps(request).encode()
    headers = {"content-type": "application/json"}
    with urlopen(
        Request(f"{base}/tillcore.v1.{method}", body, headers), timeout=SECONDS_MAX
    ) as answer:
        return json.load(answer)


def sale_totals(base: str, register_id: str) -> list[int]:
    """Return the total of every sale of a register, in micros."""
    answer = call(base, "CheckoutService/ListSales", {"registerId": register_id})
    sales = answer.get("recordedSales", [])
    return [int(each["sale"]["summary"]["totalMicros"]) for each in sales]


@contextmanager
def selling(
    browser: Browser, base: str, *, register: str = "aarhus-1", **visit: Any
) -> Iterator[Page]:
    """Yield a till at an open register, with an empty basket."""
    with visiting(browser, base, **visit) as context:
        page = context.new_page()
        open_till(page, register)
        yield page


def open_till(page: Page, register: str = "aarhus-1") -> None:
    """Choose the register and the cashier, and open the register when it is closed."""
    page.goto("/till/")
    page.locator("select").nth(1).select_option(register)
    page.locator(".card .primary").click()
    page.locator("#open-register, #search").first.wait_for()
    if page.locator("#open-register").count():
        page.locator("#opening-cash").fill("500")
        page.locator("#open-register").click()
    page.locator("#search").wait_for()


def scan(page: Page, code: str) -> None:
    """Type a code as a scanner does, wherever the focus is."""
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def line(page: Page, product_id: str) -> Locator:
    """Return a line of the basket."""
    return page.locator(f'.line[data-line="{product_id}"]')


def pay_in_cash(page: Page, tendered: str = "") -> None:
    """Pay, and wait for the receipt."""
    page.locator("#pay").click()
    if tendered:
        page.locator("#tendered").fill(tendered)
    page.locator("#pay-cash").click()
    page.locator("#next-sale").wait_for()
