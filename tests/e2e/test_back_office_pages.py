"""Work in the back office in a browser: from the sign-in to an export and a register close."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from server.exports.exporting import exporting
from server.exports.sandbox import sandbox
from server.observability.export_counts import ExportCounts
from server.storage import StoreSettings, open_store
from tests.support import browser as support
from tests.support.back_office import Office, close_till, open_office, sell
from tests.support.beside import SECONDS_MAX, beside
from tests.support.browser import PHONE, chromium, visiting
from tests.support.exports import QUICK
from tests.support.server import RULES


def barriers(page: Any) -> list[str]:
    """Return what keeps people from using a page; fields that nobody sees do not."""
    found = support.barriers(page)
    return [each for each in found if not each.startswith('<input type="hidden"')]


@asynccontextmanager
async def exporting_office(directory: Path) -> AsyncIterator[Office]:
    """Yield a back office whose exports go to `out` in a directory."""
    (directory / "out").mkdir()
    async with (
        open_store(StoreSettings(directory=directory / "data")) as store,
        open_office(store) as office,
        sandbox(worker_count=1) as transforms,
        exporting(
            store,
            office.served.secret_box,
            transforms,
            rules=RULES,
            mail_server=None,
            folder_root=directory / "out",
            owner="test",
            is_alone=True,
            clock=office.served.clock,
            monotonic_ns=time.monotonic_ns,
            random=lambda: 0.5,
            log=structlog.get_logger().bind(),
            counts=ExportCounts(),
            pace=QUICK,
            on_recorded=office.served.bell.ring,
        ),
    ):
        yield office


def test_owner_when_working_then_exports_and_sees_what_was_sold(tmp_path: Path) -> None:
    with (
        beside(partial(exporting_office, tmp_path)) as office,
        chromium() as browser,
        visiting(browser, office.server.url) as context,
    ):
        page = context.new_page()
        obstacles: list[str] = []

        page.goto("/back-office/exports")
        page.get_by_label("Key").fill(office.server.served.owner.key)
        obstacles += barriers(page)
        page.get_by_role("button", name="Sign in").click()

        page.get_by_role("link", name="New").click()
        page.get_by_label("Id", exact=True).fill("erp")
        page.get_by_label("Name", exact=True).fill("Bookkeeping")
        page.get_by_label("What", exact=True).select_option(label="Sales")
        page.get_by_label("Brought by", exact=True).first.select_option("folder")
        assert not page.get_by_label("Address (URL)").is_visible()
        page.locator("#f-delivery-folder-directory").fill("sold")
        obstacles += barriers(page)
        page.get_by_role("button", name="Save").click()
        page.get_by_role("heading", name="Bookkeeping").wait_for()

        sale_id = office.do(sell(office.server))
        office.do(close_till(office.server))
        _wait_for_files(tmp_path / "out", 1)

        page.get_by_role("main").get_by_role("link", name="Export log").click()
        _reload_until(page, sale_id)
        page.get_by_role("link", name=sale_id).click()
        obstacles += barriers(page)
        page.get_by_role("button", name="Send again").click()
        page.get_by_text("They are sent again.").wait_for()
        _reload_until(page, "delivered", times=2)

        page.get_by_role("navigation").get_by_role("link", name="Register closes").click()
        page.get_by_role("link", name="1 till-1").click()
        assert 3 == page.locator("section.chart svg").count()
        assert page.get_by_role("region", name="Sales per hour").first.is_visible()
        obstacles += barriers(page)

        page.get_by_role("navigation").get_by_role("link", name="Sales", exact=True).click()
        page.get_by_role("link", name="1 till-1").click()
        assert "Two lamps" in page.get_by_role("main").inner_text()
        obstacles += barriers(page)

        page.get_by_role("button", name="Dansk").click()
        page.get_by_role("heading", name="Salg 1").wait_for()
        page.get_by_role("button", name="Log ud").click()
        page.get_by_role("heading", name="Log ind").wait_for()
        assert [] == obstacles


def test_pages_when_on_a_phone_then_they_fit_and_the_keyboard_reaches_the_content(
    tmp_path: Path,
) -> None:
    with (
        beside(partial(exporting_office, tmp_path)) as office,
        chromium() as browser,
        visiting(browser, office.server.url, size=PHONE) as context,
    ):
        office.do(sell(office.server))
        office.do(close_till(office.server))
        page = context.new_page()
        page.goto("/back-office/")
        page.get_by_label("Key").fill(office.server.served.owner.key)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Today").wait_for()
        found: dict[str, object] = {}
        for path in (
            "",
            "sales",
            "closes/close?register_id=till-1&number=1",
            "markets/edit?id=dk",
            "products/edit?id=lamp&market=dk",
            "products/import",
            "exports/edit",
            "keys",
            "sessions",
        ):
            page.goto(f"/back-office/{path}")
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            focus = page.evaluate("location.hash")
            found[path] = (max(wide, 0), focus, barriers(page))

    assert dict.fromkeys(found, (0, "#content", [])) == found


def _wait_for_files(folder: Path, count: int) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while len([each for each in folder.rglob("*") if each.is_file()]) < count:
        assert time.monotonic() < deadline, "nothing was delivered"
        time.sleep(0.02)


def _reload_until(page: Any, text: str, *, times: int = 1) -> None:
    """Load a page again until it says something so many times."""
    deadline = time.monotonic() + SECONDS_MAX
    while page.get_by_role("main").inner_text().count(text) < times:
        assert time.monotonic() < deadline, f"expected {text}, was {page.inner_text('main')}"
        page.reload()
