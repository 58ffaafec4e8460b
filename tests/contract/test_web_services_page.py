"""Open the page that builds a call, and run the programs that it shows."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from server.http.web_services.page import EXAMPLES, FILES, example
from server.storage import Store
from tests.support.command_line import ROOT, exact
from tests.support.web_services import SHOP, TILL, WebServices, running_web_services

ON_SQLITE = pytest.mark.parametrize("store_settings", ["sqlite"], indirect=True)
SECONDS_MAX = 60

PROGRAMS = {
    "sale.sh": ("sh",),
    "sale.py": (sys.executable,),
    "sale.mjs": ("node",),
    "sale.php": ("php",),
    "Sale.java": ("java", "-XX:TieredStopAtLevel=1"),
}
"""What runs each example; the one for jQuery needs a browser."""

NEEDED = {"sale.sh": "curl"}
PLACES = {
    "YOUR_KEY",
    "SHOP_ID",
    "REGISTER_ID",
    "USER_ID",
    "PAYMENT_METHOD_ID",
    "DELIVERY_METHOD_ID",
    "ITEM_ID_1_TITLE",
    "YOUR_ORDER_ID",
    "http://127.0.0.1:8080",
}


@pytest.fixture
async def web(store: Store) -> AsyncIterator[WebServices]:
    """Yield the web services of a shop."""
    async with running_web_services(store) as running:
        yield running


def filled(name: str, web: WebServices, *, key: str = "", entry: str = "lamp_2_Lamp") -> str:
    """Return a program with the values of a call, as the page writes them."""
    values = {
        "YOUR_KEY": key or web.key,
        "SHOP_ID": SHOP,
        "REGISTER_ID": TILL,
        "USER_ID": "usc",
        "PAYMENT_METHOD_ID": "cash",
        "DELIVERY_METHOD_ID": "0",
        "ITEM_ID_1_TITLE": entry,
        "YOUR_ORDER_ID": name,
        "http://127.0.0.1:8080": web.site.url,
    }
    text = example(name).decode()
    for place, value in values.items():
        text = text.replace(place, value)
    return text


async def printed(*command: str) -> tuple[int, str]:
    """Run a program while the server answers; return its status and all that it prints."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(SECONDS_MAX):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@ON_SQLITE
async def test_page_when_opened_then_everything_comes_from_this_server(web: WebServices) -> None:
    async with web.site.session.get("/web-services/") as response:
        page = await response.text()
        policy = response.headers["content-security-policy"]
        assert (200, "text/html", "no-store") == (
            response.status,
            response.content_type,
            response.headers["cache-control"],
        )
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "http" not in page
    for name in ("page.css", "page.js", "examples.js"):
        async with web.site.session.get(f"/web-services/files/{name}") as response:
            assert 200 == response.status
    for name in EXAMPLES:
        async with web.site.session.get(f"/web-services/examples/{name}") as response:
            assert example(name) == await response.read()


@ON_SQLITE
@pytest.mark.parametrize(
    "path",
    ["/web-services/files/x.js", "/web-services/examples/run", "/web-services/files/..%2fpage.py"],
)
async def test_files_when_there_is_none_then_are_not_found(web: WebServices, path: str) -> None:
    async with web.site.session.get(path) as response:
        assert 404 == response.status


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_when_filled_then_each_place_stands_in_them_once(name: str) -> None:
    text = example(name).decode()

    assert dict.fromkeys(PLACES, 1) == {place: text.count(place) for place in PLACES}


def test_page_when_it_lists_programs_then_they_are_the_examples() -> None:
    script = (FILES / "examples.js").read_text(encoding="utf-8")

    assert [*EXAMPLES] == [name for name in EXAMPLES if f'["{name}", ' in script]
    assert all(f'"{place}"' in script for place in PLACES)


@ON_SQLITE
@pytest.mark.parametrize("name", PROGRAMS)
async def test_examples_when_run_then_record_a_sale(
    web: WebServices, name: str, tmp_path: Path
) -> None:
    command = PROGRAMS[name]
    needed = NEEDED.get(name, command[0])
    if shutil.which(needed) is None:
        pytest.skip(f"{needed} is not installed")
    program = tmp_path / name
    program.write_text(filled(name, web), encoding="utf-8")

    status, output = await printed(*command, str(program))

    assert 0 == status, output
    answer = exact(output)
    assert ("OK", Decimal("3590.00"), TILL) == (
        answer["result"],
        answer["total"],
        answer["registerID"],
    )


@ON_SQLITE
async def test_examples_when_the_call_is_refused_then_print_why(
    web: WebServices, tmp_path: Path
) -> None:
    program = tmp_path / "sale.py"
    program.write_text(filled("sale.py", web, entry="ghost_1"), encoding="utf-8")

    status, output = await printed(sys.executable, str(program))

    assert 1 == status
    assert 'was \\"ghost\\"' in output


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("value", ['x"', "x'", "x\\", "$x", "x`", "<x", "x\n"])
async def test_filled_when_a_value_would_end_its_text_then_is_refused(value: str) -> None:
    module = (ROOT / "server/http/web_services/files/examples.js").as_uri()
    script = f"""
        const {{ filled }} = await import({module!r});
        const names = ["address", "key", "shop", "register", "user", "payment", "delivery"];
        const call = Object.fromEntries([...names, "entry", "request"].map((name) => [name, "v"]));
        if (filled("YOUR_KEY SHOP_ID", call) !== "v v") throw new Error("not filled");
        filled("SHOP_ID", {{ ...call, shop: process.argv[1] }});
    """

    status, output = await printed("node", "--input-type=module", "-e", script, "--", value)

    assert 1 == status
    assert "expected a text without quotes and commands" in output
