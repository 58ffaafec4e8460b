"""Run the commands of docs/catalog.md, in their order, against the server of the demo."""

import subprocess

from tests.e2e.test_readme import ADDRESS, examples
from tests.support.command_line import ROOT, SECONDS_MAX, environment, serving

DOCUMENT = ROOT / "docs" / "catalog.md"


def test_examples_when_run_in_order_then_print_what_the_document_says() -> None:
    every = examples(DOCUMENT.read_text(encoding="utf-8"))
    printed = []
    with serving("serve", "--demo") as server:
        for example in every:
            result = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", example.command.replace(ADDRESS, server.target)],
                capture_output=True,
                text=True,
                env=environment(),
                timeout=SECONDS_MAX,
                check=False,
            )
            assert 0 == result.returncode, result.stderr
            printed.append(result.stdout)

    assert len(every) >= 3
    assert [example.output.split() for example in every] == [each.split() for each in printed]
