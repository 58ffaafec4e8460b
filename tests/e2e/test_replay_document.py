"""Run the examples of docs/replay.md on a server of the sample account, and on its database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import DATA_VARIABLE, ROOT, serving
from tests.support.documents import check, examples

DOCUMENT = (ROOT / "docs" / "replay.md").read_text(encoding="utf-8")


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the address of the document's server; all commands have one data directory."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with serving("serve", "--demo") as server:
        yield server.target


def test_examples_when_run_in_order_then_print_what_the_document_says(target: str) -> None:
    commands = examples(DOCUMENT)

    assert ["buf", "for", "tillcore"] == [each.command.split()[0] for each in commands]
    for example in commands:
        check(example, target)
