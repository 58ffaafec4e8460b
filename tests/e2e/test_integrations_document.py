"""Run the commands of docs/integrations.md, in their order, against the demo and the fakes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.command_line import ROOT, serving
from tests.support.documents import check, examples

DOCUMENT = ROOT / "docs" / "integrations.md"
FAKES = "http://127.0.0.1:8091"
"""Where the document's fakes listen."""


@contextmanager
def fakes() -> Iterator[str]:
    """Yield the URL of fakes at a free port."""
    command = [sys.executable, "-m", "server.integrations.fakes", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip().removeprefix("fakes are at ")
        finally:
            process.terminate()
            assert 0 == process.wait()


def test_examples_when_run_in_order_then_print_what_the_document_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TILLCORE_EXPORTS__ALLOWED_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("TILLCORE_EXPORTS__HTTP_ALLOWED", "true")
    with fakes() as url, serving("serve", "--demo") as server:
        text = DOCUMENT.read_text(encoding="utf-8").replace(FAKES, url)
        every = examples(text)
        for example in every:
            check(example, server.target)

    assert len(every) == 5
