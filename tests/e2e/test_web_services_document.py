"""Run the examples of docs/web_services.md and the example programs on a server of the sample."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import EXAMPLES, ROOT, SECONDS_MAX, Server, serving
from tests.support.documents import check, examples

DOCUMENT = (ROOT / "docs" / "web_services.md").read_text(encoding="utf-8")
HTTP = "http://127.0.0.1:8080"

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


def test_examples_when_read_then_there_are_two() -> None:
    assert ["buf", "curl"] == [each.command.split()[0] for each in examples(DOCUMENT)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_when_run_then_record_a_sale(server: Server, name: str, tmp_path: Path) -> None:
    command = PROGRAMS[name]
    needed = NEEDED.get(name, command[0])
    if shutil.which(needed) is None:
        pytest.skip(f"{needed} is not installed")
    text = (EXAMPLES / "web_services" / name).read_text(encoding="utf-8")
    for place, value in {**VALUES, "YOUR_ORDER_ID": name, HTTP: address(server)}.items():
        text = text.replace(place, value)
    program = tmp_path / name
    program.write_text(text, encoding="utf-8")

    result = subprocess.run(
        [*command, str(program)], capture_output=True, timeout=SECONDS_MAX, check=False
    )

    assert (0, b"") == (result.returncode, result.stderr)
    answer = json.loads(result.stdout)
    assert ("OK", 56, False) == (answer["result"], answer["total"], answer["replayed"])
