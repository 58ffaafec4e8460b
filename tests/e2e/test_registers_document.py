"""Run the examples of docs/registers.md, and the command that totals sales."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.support.command_line import EXAMPLES, ROOT, exact, serving, tillcore
from tests.support.documents import Example, check, examples

DOCUMENT = (ROOT / "docs" / "registers.md").read_text(encoding="utf-8")
SALES = EXAMPLES / "sales.ndjson"
COMMANDS = examples(DOCUMENT)


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """Yield the address of a server with the sample, here on a free port."""
    with serving("serve", "--demo") as server:
        yield server.target


@pytest.mark.parametrize("example", COMMANDS, ids=lambda each: each.command[:24])
def test_example_when_run_then_prints_what_the_document_says(example: Example, target: str) -> None:
    check(example, target)


def test_examples_when_listed_then_both_doors_are_there() -> None:
    assert ["tillcore aggregate", *["buf curl"] * 3] == [
        " ".join(each.command.split()[:2]) for each in COMMANDS
    ]


def test_aggregate_when_reference_reads_standard_input_then_same_output() -> None:
    summed = tillcore("aggregate", "--reference", stdin=SALES.read_bytes() + b"\n\n")

    assert (0, b"") == (summed.returncode, summed.stderr)
    assert tillcore("aggregate", SALES).stdout == summed.stdout


def test_aggregate_when_second_sale_is_bad_then_its_place_and_status_1() -> None:
    first, second = SALES.read_bytes().splitlines()
    broken = second.replace(b'"total":-170.05', b'"total":-170.06', 1)

    result = tillcore("aggregate", "-", stdin=first + b"\n" + broken)

    fields = [each["field"] for each in exact(result.stdout)["error"]["fields"]]
    assert result.returncode == 1
    assert "sales[1].summary.line_items[0].total" in fields


@pytest.mark.parametrize(
    ("stdin", "field"),
    [(b"", "sales"), (b"{}", "sales[0].identifier"), (b"[", "sales[0]")],
)
def test_aggregate_when_there_is_no_sale_then_error_as_json(stdin: bytes, field: str) -> None:
    result = tillcore("aggregate", stdin=stdin)

    error = json.loads(result.stdout)["error"]
    assert (1, "INVALID_ARGUMENT") == (result.returncode, error["code"])
    assert field == error["fields"][0]["field"]


def test_aggregate_when_payments_are_missing_then_their_field() -> None:
    sale = SALES.read_bytes().splitlines()[0]
    unpaid = re.sub(rb'"payments":\[.*?\]', b'"payments":[]', sale)

    result = tillcore("aggregate", stdin=unpaid)

    assert "sales[0].payments" == json.loads(result.stdout)["error"]["fields"][0]["field"]


@pytest.mark.parametrize("argument", ["absent.ndjson", "--sale"])
def test_aggregate_when_file_or_option_is_unknown_then_status_2(argument: str) -> None:
    result = tillcore("aggregate", argument)

    assert result.returncode == 2
    assert result.stderr.startswith(b"error: ")
