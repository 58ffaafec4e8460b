"""Run the examples of docs/web_services.md and the example programs on a server of the sample."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import chromium, visiting
from tests.support.command_line import EXAMPLES, ROOT, SECONDS_MAX, Server, serving
from tests.support.documents import check, examples

DOCUMENT = (ROOT / "docs" / "web_services.md").read_text(encoding="utf-8")
HTTP = "http://127.0.0.1:8080"
JQUERY = Path("/usr/share/javascript/jquery/jquery.min.js")
"""Of Debian's package libjs-jquery."""

PROGRAMS = {
    "sale.sh": ("sh",),
    "sale.py": (sys.executable,),
    "sale.mjs": ("node",),
    "sale.php": ("php",),
    "Sale.java": ("java", "-XX:TieredStopAtLevel=1"),
}
NEEDED = {"sale.sh": "curl"}
"""What a program calls beside its own runtime."""

VALUES = {
    "YOUR_KEY": "",
    "SHOP_ID": "aarhus",
    "REGISTER_ID": "aarhus-1",
    "USER_ID": "demo",
    "PAYMENT_METHOD_ID": "cash",
    "DELIVERY_METHOD_ID": "0",
    "ITEM_ID_1_TITLE": "coffee_2_Coffee",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Yield the document's server, here on free ports, after the document's own examples."""
    with serving("serve", "--demo", "--http", "127.0.0.1:0") as running:
        for example in examples(DOCUMENT):
            command = example.command.replace(HTTP, address(running))
            check(example._replace(command=command), running.target)
        yield running


def address(server: Server) -> str:
    """Return where a server answers HTTP."""
    return f"http://127.0.0.1:{server.listening['http_port']}"


def filled(name: str, base: str) -> str:
    """Return a program with the values of a call at a server."""
    text = (EXAMPLES / "web_services" / name).read_text(encoding="utf-8")
    for place, value in {**VALUES, "YOUR_ORDER_ID": name, HTTP: base}.items():
        text = text.replace(place, value)
    return text


def test_examples_when_read_then_there_are_two() -> None:
    assert ["buf", "curl"] == [each.command.split()[0] for each in examples(DOCUMENT)]


def test_jquery_when_run_in_a_page_of_the_server_then_records_a_sale(server: Server) -> None:
    if not JQUERY.exists():
        pytest.skip(f"expected jQuery at {JQUERY}: apt-get install libjs-jquery")
    base = address(server)
    page_url = f"{base}/shop/sale.html"
    with chromium() as browser, visiting(browser, base) as context:
        # The shop's own pages are on the server's site, as the comment in the example asks.
        body = filled("sale.jquery.html", base)
        context.route(page_url, lambda route: route.fulfill(body=body, content_type="text/html"))
        context.route(f"{base}/shop/jquery.min.js", lambda route: route.fulfill(path=JQUERY))
        page = context.new_page()
        with page.expect_console_message() as told:
            page.goto(page_url)
        kind, text = told.value.type, told.value.text

    assert ("log", "56") == (kind, text.split()[-1])


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_when_run_then_record_a_sale(server: Server, name: str, tmp_path: Path) -> None:
    command = PROGRAMS[name]
    needed = NEEDED.get(name, command[0])
    if shutil.which(needed) is None:
        pytest.skip(f"{needed} is not installed")
    program = tmp_path / name
    program.write_text(filled(name, address(server)), encoding="utf-8")

    result = subprocess.run(
        [*command, str(program)], capture_output=True, timeout=SECONDS_MAX, check=False
    )

    assert (0, b"") == (result.returncode, result.stderr)
    answer = json.loads(result.stdout)
    assert ("OK", 56, False) == (answer["result"], answer["total"], answer["replayed"])
