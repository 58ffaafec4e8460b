"""Run the commands of docs/catalog.md, in their order, against the server of the demo."""

from tests.support.command_line import ROOT, serving
from tests.support.documents import examples, run

DOCUMENT = ROOT / "docs" / "catalog.md"


def test_examples_when_run_in_order_then_print_what_the_document_says() -> None:
    every = examples(DOCUMENT.read_text(encoding="utf-8"))
    with serving("serve", "--demo") as server:
        printed = [run(example, server.target) for example in every]

    assert len(every) >= 3
    assert [example.output.split() for example in every] == [each.split() for each in printed]
