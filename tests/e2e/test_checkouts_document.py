"""Run the examples of docs/checkouts.md on a server of the sample account."""

import re
from collections.abc import Iterator

import pytest

from tests.support.command_line import ROOT, serving
from tests.support.documents import check, examples

DOCUMENT = (ROOT / "docs" / "checkouts.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """Yield the address of the document's server, here on a free port."""
    with serving("serve", "--demo") as server:
        yield server.target


def test_examples_when_run_in_order_then_print_what_the_document_says(target: str) -> None:
    commands = examples(DOCUMENT)
    named = [re.findall(r"\w+Service/(\w+)", each.command)[-1] for each in commands]
    assert ["OpenRegister", *["CompleteCheckout"] * 2, "CompleteCheckouts"] == named
    for example in commands:
        check(example, target)
