"""Run the commands of docs/exports.md, in their order, against the server of the demo."""

from tests.support.command_line import ROOT, serving
from tests.support.documents import check, examples

DOCUMENT = ROOT / "docs" / "exports.md"


def test_examples_when_run_in_order_then_print_what_the_document_says() -> None:
    every = examples(DOCUMENT.read_text(encoding="utf-8"))

    with serving("serve", "--demo") as server:
        for example in every:
            check(example, server.target)

    assert len(every) == 6
