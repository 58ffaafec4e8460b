"""Run the examples of docs/orders.md, in their order, against a server for trying things out."""

import re

from tests.support.command_line import ROOT, serving
from tests.support.documents import check, examples

COMMANDS = examples((ROOT / "docs" / "orders.md").read_text(encoding="utf-8"))


def test_examples_when_run_then_print_what_the_document_says() -> None:
    with serving("serve", "--demo") as server:
        for example in COMMANDS:
            check(example, server.target)


def test_examples_when_listed_then_import_changes_and_collection_are_there() -> None:
    methods = [re.findall(r"OrderService/(\w+)", each.command) for each in COMMANDS]

    assert [
        ["ImportIncomingOrders"],
        ["ChangeOrderState"],
        ["ChangeOrderState"],
        ["PrepareCollection"],
    ] == methods
