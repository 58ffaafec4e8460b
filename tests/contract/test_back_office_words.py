"""Hold the texts of the back office to what its pages ask for, and its parts to their rules."""

import re
from string import Formatter

import pytest

from engine.strict_json import decode
from server.http.back_office import definitions, export_forms, file_imports, table_files, things
from server.http.back_office.charts import Bar, lying_bars, standing_bars
from server.http.back_office.documents import pretty
from server.http.back_office.office import HERE
from server.http.back_office.words import WORDS

TEMPLATES = sorted((HERE / "templates").glob("*.jinja"))


def places(text: str) -> set[str | None]:
    """Return the places of a text that are filled in."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_words_when_in_two_languages_then_with_the_same_places() -> None:
    assert [] == [key for key, (one, other) in WORDS.items() if places(one) != places(other)]


def test_words_when_pages_ask_for_them_then_they_are_there() -> None:
    sources = [*TEMPLATES, *HERE.glob("*.py")]
    text = "\n".join(each.read_text() for each in sources)
    asked = set(re.findall(r"\b(?:t|word|say)\(\"([\w-]+)\"[),]", text))
    asked |= set(re.findall(r"nav_item\(\"[\w/-]*\", \"([\w-]+)\"", text))
    asked |= {f"done_{key}" for key in re.findall(r"done=\"(\w+)\"", text)}

    assert len(asked) > 100
    assert set() == asked - set(WORDS)


def test_words_when_forms_have_fields_then_each_has_a_label() -> None:
    fields = [
        *(field for thing in things.THINGS for field in thing.fields),
        *(field for page in definitions.PAGES for field in page.fields),
        *export_forms.all_fields(),
    ]
    columns = [f"field_{column}" for page in definitions.PAGES for column in page.columns]
    paths = [each.path for each in (*things.THINGS, *definitions.PAGES, *file_imports.IMPORTS)]

    assert set() == {*(field.word for field in fields), *columns, *paths} - set(WORDS)


def test_templates_when_read_then_nothing_is_inline_or_unescaped() -> None:
    for template in TEMPLATES:
        text = template.read_text()
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style|javascript:|autoescape", text), template
        assert not re.search(r"<script(?! src=)", text), template


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([0, 0], ["1", "1"]),
        ([100, 50], ["340", "170"]),
        ([100, -100], ["170", "170"]),
        ([9 * 10**18, 1], ["340", "1"]),
    ],
)
def test_chart_when_drawn_then_bars_are_as_long_as_their_values(
    values: list[int], expected: list[str]
) -> None:
    bars = [Bar(str(value), value, str(value)) for value in values]

    assert expected == [each.width for each in lying_bars("a", "A", ("", ""), bars).shapes]
    assert len(values) == len(standing_bars("a", "A", ("", ""), bars).shapes)


def test_document_when_shown_then_every_digit_stays() -> None:
    long = "x" * 90
    text = f'{{"a":[1.10,1e2,true,null,"æ<"],"b":{{"c":"{long}","d":123456789012345678901234}}}}'

    assert decode(text) == decode(pretty(decode(text)))
    assert "1.10" in pretty(decode(text))
    assert "123456789012345678901234" in pretty(decode(text))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1795", "1795"),
        ("12,5", "12.5"),
        ("12.50", "12.5"),
        ("0,1", "0.1"),
        ("1234,5678", "1234.5678"),
    ],
)
def test_table_when_a_price_is_read_then_exact(cell: str, expected: str) -> None:
    (row,) = table_files.product_rows(f"id;name;retail_price\na;A;{cell}")

    assert row.document is not None
    assert expected == row.document["retail_price"]


@pytest.mark.parametrize(
    "cell",
    ["1.795", "1,795", "1.795,00", "1e3", "=1", "\N{ARABIC-INDIC DIGIT ONE}", "1 000", "--1"],
)
def test_table_when_a_price_could_be_another_then_refused(cell: str) -> None:
    (row,) = table_files.product_rows(f"id;name;retail_price\na;A;{cell}")

    assert row.document is None
    assert ["retail_price"] == [each.field for each in row.problems]
