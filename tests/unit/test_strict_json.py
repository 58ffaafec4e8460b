"""Decode JSON strictly: what is refused, and by which path."""

import subprocess
import sys

import pytest

from engine import limits
from engine.errors import InvalidInput, Reason
from engine.strict_json import NumberLiteral, decode, join, shown_text


def problems_of(data: bytes | str) -> list[tuple[str, Reason]]:
    with pytest.raises(InvalidInput) as caught:
        decode(data)
    return [(problem.field, problem.reason) for problem in caught.value.problems]


def message_of(data: bytes | str) -> str:
    with pytest.raises(InvalidInput) as caught:
        decode(data)
    return caught.value.message


def test_json_when_valid_then_keeps_values_and_order() -> None:
    data = b' {"b": [1, "\xc3\xa5", true, false, null], "a": {"\\u0061\\n": -0.50}}\n'

    value = decode(data)

    assert {"b": ["1", "\u00e5", True, False, None], "a": {"a\n": "-0.50"}} == value
    assert isinstance(value, dict)
    assert ["b", "a"] == list(value)


@pytest.mark.parametrize("literal", ["0", "-0", "1.50", "1e999999999", "9" * 5_000, "1E-5"])
def test_number_when_decoded_then_is_its_literal(literal: str) -> None:
    value = decode(f"[{literal}]")

    assert isinstance(value, list)
    assert (NumberLiteral, literal) == (type(value[0]), value[0])


def test_text_that_looks_like_a_number_when_decoded_then_is_no_literal() -> None:
    assert str is type(decode('"1.5"'))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b"[1,]",
        b'{"a":1,}',
        b"[01]",
        b"[1.]",
        b"[.5]",
        b"[+1]",
        b"[1_000]",
        b"[0x10]",
        "[\u0661]".encode(),
        b"[1] 2",
        b"{} {}",
        b"nul",
        b"'a'",
        b"{a:1}",
        b'"\n"',
        b'"\x00"',
        b'"\\x"',
        b'"\\u12"',
        b'"open',
        b"// comment\n1",
        b"\xef\xbb\xbf{}",
        "\ufeff{}".encode("utf-16-le"),
        b'"\xff"',
        b'"\xed\xa0\x80"',  # a lone surrogate in UTF-8
        b'"\xc0\xaf"',  # an overlong form
    ],
)
def test_json_when_malformed_then_is_refused(data: bytes) -> None:
    assert [("", Reason.MALFORMED)] == problems_of(data)


def test_text_when_it_holds_a_lone_surrogate_then_is_refused() -> None:
    assert [("", Reason.MALFORMED)] == problems_of('"\ud800"')


def test_text_when_it_starts_with_a_byte_order_mark_then_is_refused() -> None:
    assert [("", Reason.MALFORMED)] == problems_of("\ufeff{}")


def test_message_when_malformed_then_names_the_place() -> None:
    expected = 'expected valid JSON, was "]" at line 2 column 3 (expecting value)'

    assert expected == message_of("[1,\n  ]")


def test_key_when_repeated_then_is_named_by_its_path() -> None:
    data = b'{"a":[{"x":1},{"b":1,"c":2,"b":3,"c":4,"b":5}],"a b":{"k":1,"k":1}}'

    expected = [
        ("a[1].b", Reason.DUPLICATE),
        ("a[1].c", Reason.DUPLICATE),
        ('["a b"].k', Reason.DUPLICATE),
    ]
    assert expected == problems_of(data)


def test_key_when_repeated_with_an_escape_then_is_refused() -> None:
    assert [("a", Reason.DUPLICATE)] == problems_of(b'{"a":1,"\\u0061":2}')


def test_object_with_repeated_key_when_itself_repeated_then_is_refused() -> None:
    assert [("a", Reason.DUPLICATE)] == problems_of(b'{"a":{"b":1,"b":2},"a":0}')


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constant_when_no_json_then_is_named_by_its_path(constant: str) -> None:
    assert [("a[1].b", Reason.BAD_NUMBER)] == problems_of(f'{{"a":[1,{{"b":{constant}}}]}}')


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\udc00x", "\\ud800\\ud800", "\\uD83D"])
def test_string_when_it_escapes_what_is_no_text_then_is_named(text: str) -> None:
    found = problems_of(f'{{"a":["x","{text}"]}}')

    assert [("a[1]", Reason.MALFORMED)] == found


def test_key_when_it_escapes_a_nul_then_is_refused() -> None:
    assert [Reason.MALFORMED] == [reason for _, reason in problems_of('{"a\\u0000":1}')]


def test_surrogate_pair_when_escaped_then_is_one_character() -> None:
    assert "\U0001f600" == decode('"\\ud83d\\ude00"')


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_when_at_the_maximum_then_is_decoded(opening: str, closing: str) -> None:
    depth = limits.JSON_DEPTH_MAX

    assert decode(opening * depth + "1" + closing * depth)


@pytest.mark.parametrize(
    "data",
    [
        "[" * (limits.JSON_DEPTH_MAX + 1) + "]" * (limits.JSON_DEPTH_MAX + 1),
        "[" * 10**6,
        '{"a":' * 10**6,
        '["\\"",' * 100,
        '["[]{}\\\\",' * 100,
    ],
    ids=["one too many", "arrays", "objects", "escaped quotes", "escaped backslashes"],
)
def test_nesting_when_beyond_the_maximum_then_is_refused_unparsed(
    data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(_: str) -> object:
        raise AssertionError("expected a refusal before parsing")

    monkeypatch.setattr("engine.strict_json._FAST.decode", parse)

    message = message_of(data)

    assert "expected at most 32 levels of nesting, was deeper" == message


@pytest.mark.parametrize(
    "text", ["[" * 100, '\\"' + "[" * 100, "[" * 50 + "\\\\", '\\\\\\"{{{' * 40]
)
def test_brackets_when_inside_a_string_then_do_not_nest(text: str) -> None:
    assert isinstance(decode(f'["{text}", {{}}, []]'), list)


def test_siblings_when_many_then_do_not_nest() -> None:
    value = decode("[" + ",".join(["[]"] * 1_000) + "]")

    assert isinstance(value, list)
    assert 1_000 == len(value)


HOSTILE = """
from engine.errors import InvalidInput
from engine.strict_json import decode
for text in (
    '"' + chr(92) + '"' * 10**6,
    '"' + (chr(92) + '"') * 10**6,
    '"' * 10**6,
    chr(92) * 10**6,
    "[" * 10**6,
    '{"a":1,' * 10**5,
    "[" + '{"a":1,"a":1},' * 10**4 + "1]",
    "1" * 10**6 + "e" + "1" * 10**6 + "]",
):
    try:
        decode(text)
    except InvalidInput:
        pass
"""


def test_hostile_texts_when_a_megabyte_long_then_cost_linear_work() -> None:
    # A quadratic scan takes hours here, so that this generous bound tells them apart.
    done = subprocess.run([sys.executable, "-c", HOSTILE], timeout=120, check=False)

    assert 0 == done.returncode


@pytest.mark.parametrize(
    ("expected", "path", "key"),
    [
        ("a", "", "a"),
        ("a.b-c_1", "a", "b-c_1"),
        ('a["b.c"]', "a", "b.c"),
        ('["a b"]', "", "a b"),
        ('a[""]', "a", ""),
        ('a["\u00e5"]', "a", "\u00e5"),
        ('a["' + "x" * 40 + '"... (1000000 characters)]', "a", "x" * 10**6),
    ],
)
def test_path_when_joined_then_is_readable_and_bounded(expected: str, path: str, key: str) -> None:
    assert expected == join(path, key)


def test_text_when_shown_then_has_no_control_characters() -> None:
    assert '"a\\nb\\u0000\u00e5"' == shown_text("a\nb\0\u00e5")
