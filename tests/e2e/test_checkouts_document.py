"""Run the examples of docs/checkouts.md on a server of the sample account."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.test_readme import ADDRESS, examples, pattern
from tests.support.command_line import ROOT, SECONDS_MAX, environment, serving

DOCUMENT = (ROOT / "docs" / "checkouts.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """Yield the address of the document's server, here on a free port."""
    with serving("serve", "--demo") as server:
        yield server.target


def test_examples_when_run_in_order_then_print_what_the_document_says(target: str) -> None:
    commands = examples(DOCUMENT)
    assert ["OpenRegister", "CompleteCheckout", "CompleteCheckout"] == [
        re.findall(r"\w+Service/(\w+)", each.command)[-1] for each in commands
    ]
    for example in commands:
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", example.command.replace(ADDRESS, target)],
            capture_output=True,
            cwd=ROOT,
            env=environment(),
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )

        assert (0, "") == (result.returncode, result.stderr)
        assert re.fullmatch(pattern(example.output), result.stdout), result.stdout
