"""Drive Debian's Chromium without a screen."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

CHROMIUM: Final = Path("/usr/bin/chromium")
TIMEOUT_MS: Final = 20_000
"""How long a condition may take to come true; what is there is seen at once."""

DESKTOP: Final = (1024, 768)
PHONE: Final = (390, 800)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser; without one the tests are skipped, or fail where CI=true.

    Its sandbox needs rights that containers do not have, and it only ever sees our own pages.
    """
    if not CHROMIUM.exists():
        missing = f"expected Chromium at {CHROMIUM}: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(
    browser: Browser, base: str, *, size: tuple[int, int] = DESKTOP, language: str = "en-GB"
) -> Iterator[BrowserContext]:
    """Yield a browser that nobody has used, at the pages of a server.

    Afterwards no page has thrown an error, broken its Content-Security-Policy, or asked another
    server for anything.
    """
    problems: list[str] = []
    context = browser.new_context(
        base_url=base,
        viewport={"width": size[0], "height": size[1]},
        locale=language,
        timezone_id="Europe/Copenhagen",
    )
    context.set_default_timeout(TIMEOUT_MS)
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("console", lambda message: problems.extend(_complaints(message)))
    context.on(
        "request",
        lambda request: problems.extend([request.url] if _is_foreign(request.url, base) else ()),
    )
    try:
        yield context
    finally:
        context.close()
    assert [] == problems


def _complaints(message: ConsoleMessage) -> Iterator[str]:
    if message.type == "error" and "Content Security Policy" in message.text:
        yield message.text


def _is_foreign(url: str, base: str) -> bool:
    return not url.startswith((base, "blob:", "data:", "about:"))


UNNAMED_CONTROLS: Final = """() => {
  const name = (element) =>
    element.getAttribute("aria-label") || element.labels?.[0]?.textContent ||
    element.textContent || element.title;
  const controls = "button, input:not([type=hidden]), select, iframe, dialog, [role=group]";
  return [...document.querySelectorAll(controls)]
    .filter((element) => !name(element)?.trim() && !element.getAttribute("aria-labelledby"))
    .map((element) => element.outerHTML.slice(0, 200));
}"""
"""Finds controls that a screen reader could only call by their kind."""

REPEATED_IDS: Final = """() => {
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  return ids.filter((id, index) => ids.indexOf(id) !== index);
}"""

FAINT_TEXTS: Final = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const luminance = ([red, green, blue]) =>
    0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = numbers(getComputedStyle(each).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!isText || element.closest(":disabled, .hidden") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [one, other] = [luminance(numbers(style.color)), luminance(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(`${element.textContent.trim()}: ${ratio}`);
  }
  return found;
}"""
"""Finds texts with less contrast than WCAG asks for (AA, success criterion 1.4.3)."""


def barriers(page: Page) -> list[str]:
    """Return what keeps people from using a page as it is now."""
    return [
        str(each)
        for script in (UNNAMED_CONTROLS, REPEATED_IDS, FAINT_TEXTS)
        for each in page.evaluate(script)
    ]
