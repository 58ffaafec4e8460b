"""Run the documents' examples: the README's commands, and the JSON of docs/interfaces.md."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import ROOT, serving, tillcore
from tests.support.documents import Example, check, examples, pattern

README = ROOT / "README.md"
INTERFACES = ROOT / "docs" / "interfaces.md"
JSON_BLOCK = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """Yield the address of the README's server, here on a free port."""
    with serving("serve", "--demo") as server:
        yield server.target


@pytest.mark.parametrize(
    "example", examples(README.read_text(encoding="utf-8")), ids=lambda each: each.command[:40]
)
def test_example_when_run_then_prints_what_the_readme_says(example: Example, target: str) -> None:
    check(example, target)


def test_examples_when_listed_then_evaluate_serve_and_reflection_are_there() -> None:
    commands = "".join(each.command for each in examples(README.read_text(encoding="utf-8")))

    for part in ("tillcore evaluate", "--ndjson", "clients.examples.evaluate", "buf curl"):
        assert part in commands


def test_example_when_output_differs_then_found() -> None:
    (example,) = examples("```console\n$ echo a |\n  cat\na\n...\nb\n```\n")

    assert "echo a |\n  cat\n" == example.command
    assert re.fullmatch(pattern(example.output), "a\nx\ny\nb\n")
    assert re.fullmatch(pattern(example.output), "a\nb\n")
    assert not re.fullmatch(pattern(example.output), "a\nb\nc\n")


def test_interfaces_when_context_and_basket_are_evaluated_then_accepted(tmp_path: Path) -> None:
    blocks = JSON_BLOCK.findall(INTERFACES.read_text(encoding="utf-8"))
    context, basket, records, sales, answer, campaign = blocks
    assert ["explanations", "sales"] == [*json.loads(answer), *json.loads(sales)]
    whole = json.loads(context)
    whole["campaigns"].append(json.loads(campaign))
    path = tmp_path / "context.json"
    path.write_text(json.dumps(whole), encoding="utf-8")

    for each in (basket, records):
        result = tillcore("evaluate", path, stdin=each.encode())

        assert (0, b"") == (result.returncode, result.stderr), result.stdout
