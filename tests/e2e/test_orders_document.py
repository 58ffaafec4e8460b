"""Run the examples of docs/orders.md, in their order, against a server for trying things out."""

import re
import subprocess

from tests.e2e.test_readme import ADDRESS, examples, pattern
from tests.support.command_line import ROOT, SECONDS_MAX, environment, serving

COMMANDS = examples((ROOT / "docs" / "orders.md").read_text(encoding="utf-8"))


def test_examples_when_run_then_print_what_the_document_says() -> None:
    with serving("serve", "--demo") as server:
        for example in COMMANDS:
            result = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", example.command.replace(ADDRESS, server.target)],
                capture_output=True,
                cwd=ROOT,
                env=environment(),
                text=True,
                timeout=SECONDS_MAX,
                check=False,
            )

            assert (0, "") == (result.returncode, result.stderr)
            assert re.fullmatch(pattern(example.output), result.stdout), result.stdout


def test_examples_when_listed_then_import_changes_and_collection_are_there() -> None:
    methods = [re.findall(r"OrderService/(\w+)", each.command) for each in COMMANDS]

    assert [
        ["ImportIncomingOrders"],
        ["ChangeOrderState"],
        ["ChangeOrderState"],
        ["PrepareCollection"],
    ] == methods
