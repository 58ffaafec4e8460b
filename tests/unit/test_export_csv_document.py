"""Run the examples of docs/csv_exports.md, and hold its lists of names to those of the code."""

import re
from typing import Final, NamedTuple

import msgspec
import pytest

from server.exports.csv_check import check_csv, check_simple_json
from server.exports.csv_rows import CsvRow, CsvTransform, RowType
from server.exports.kinds import ExportKind
from server.exports.queue import SimpleJson
from server.exports.transforms import csv_table, simple_json
from server.exports.transforms.csv_groups import COUNT, values_of
from server.exports.transforms.job import Job
from tests.support.csv_tables import ELEMENTS
from tests.support.goldens import ROOT

DOCUMENT: Final = (ROOT.parents[1] / "docs" / "csv_exports.md").read_text(encoding="utf-8")
_EXAMPLE: Final = re.compile(
    r"^```json (\w+)\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


class Example(NamedTuple):
    """What the elements are, the set-up of a transform, and what it makes of them."""

    elements: str
    setup: str
    output: str


EXAMPLES: Final = [Example(*each) for each in _EXAMPLE.findall(DOCUMENT)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.output[:20])
def test_example_when_transformed_then_output_of_the_document(example: Example) -> None:
    kind, elements = ELEMENTS[example.elements]
    setup = msgspec.json.decode(example.setup, type=CsvTransform | SimpleJson)
    job = Job(kind=kind, transform=setup, elements=elements())

    if isinstance(setup, CsvTransform):
        assert [] == check_csv(setup, kind)
        body = csv_table.transform(job).body
        expected = example.output.replace("\n", setup.line_end)
    else:
        assert [] == check_simple_json(setup, kind)
        body = simple_json.transform(job).body
        expected = example.output.removesuffix("\n")

    assert body is not None
    assert expected == body.decode()


def test_examples_when_listed_then_every_block_is_one() -> None:
    assert DOCUMENT.count("```json") == len(EXAMPLES) == 8


@pytest.mark.parametrize("row_type", RowType)
def test_document_when_a_row_type_is_there_then_it_is_described(row_type: RowType) -> None:
    assert f"| `{row_type.value}` |" in DOCUMENT or f"`{row_type.value}` is of" in DOCUMENT


@pytest.mark.parametrize("kind", ExportKind)
@pytest.mark.parametrize("row_type", RowType)
def test_document_when_a_value_has_a_name_then_it_is_listed(
    kind: ExportKind, row_type: RowType
) -> None:
    listed = set(re.findall(r"`(\w+)`", DOCUMENT[DOCUMENT.index("## 4.") :]))
    names = values_of(kind, row_type) or {}

    assert set() == {COUNT, *names} - listed


@pytest.mark.parametrize("struct", [CsvTransform, CsvRow])
def test_document_when_a_setting_is_there_then_it_is_named(struct: type[msgspec.Struct]) -> None:
    assert [] == [name for name in struct.__struct_fields__ if f"`{name}`" not in DOCUMENT]
