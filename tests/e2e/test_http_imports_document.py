"""Run the commands of docs/imports.md, in their order, against the server of the demo."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.support import curl
from tests.support.command_line import ROOT, serving
from tests.support.documents import examples, pattern, run

DOCUMENT = ROOT / "docs" / "imports.md"
HTTP_ADDRESS = "127.0.0.1:8080"
"""Where the document's server has its HTTP doors."""

PROGRAMS = ["curl", "stand-in"] if shutil.which("curl") else ["stand-in"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_examples_when_run_in_order_then_print_what_the_document_says(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = examples(DOCUMENT.read_text(encoding="utf-8"))
    with serving("serve", "--demo", "--http", "127.0.0.1:0") as server:
        if program == "stand-in":
            curl.install(tmp_path)
            monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
        here = f"127.0.0.1:{server.listening['http_port']}"
        printed = [
            run(each._replace(command=each.command.replace(HTTP_ADDRESS, here)), server.target)
            for each in every
        ]

    assert len(every) >= 7
    for example, text in zip(every, printed, strict=True):
        # The answers of the endpoints have no line break at their end.
        assert re.fullmatch(pattern(example.output), text.rstrip("\n") + "\n"), text
