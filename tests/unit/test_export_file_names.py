"""Names of delivered files: safe everywhere, the same at every attempt, never shared."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.exports.deliveries.file_names import (
    NAME_BYTES_MAX,
    file_name_of,
    lines_of,
    pattern_problem,
    temporary_name_of,
    text_of,
)
from tests.support.parcels import parcel

ANY_TEXT = st.text(st.characters(), max_size=300)


def named(pattern: str = "", **changes: object) -> str:
    """Return the file name of a parcel, with changes to it."""
    return file_name_of(pattern, parcel(**changes))


def test_name_when_no_pattern_is_given_then_queue_key_and_date_tell_what_it_is() -> None:
    assert "Salg_på_Ærø-sale-1-2026-05-28T202640Z-d9e067b8a7ed5c44.csv" == named()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("sales.csv", "sales-d9e067b8a7ed5c44.csv"),
        ("{key}", "sale-1-d9e067b8a7ed5c44.csv"),
        ("../../etc/passwd", "_.._etc_passwd-d9e067b8a7ed5c44.csv"),
        ("..", "export-d9e067b8a7ed5c44.csv"),
        ("-rf {key}", "rf_sale-1-d9e067b8a7ed5c44.csv"),
        ("a\r\nb\0c/d\\e:f", "a_b_c_d_e_f-d9e067b8a7ed5c44.csv"),
        ("{id}", "msg_0123456789abcdef0123456789abcdef-d9e067b8a7ed5c44.csv"),
        ("a\u0308", "ä-d9e067b8a7ed5c44.csv"),
    ],
)
def test_name_when_pattern_is_given_then_it_is_made_safe(pattern: str, expected: str) -> None:
    assert expected == named(pattern)


@given(pattern=ANY_TEXT, queue=ANY_TEXT, key=ANY_TEXT, delivery=st.text(min_size=1, max_size=64))
def test_name_when_anything_is_given_then_it_is_one_short_segment(
    pattern: str, queue: str, key: str, delivery: str
) -> None:
    name = named("{queue}" + pattern, queue_name=queue, element_keys=(key,), delivery_id=delivery)

    assert re.fullmatch(r"[\w][\w.\-]*-[0-9a-f]{16}\.csv", name)
    assert len(name.encode()) <= NAME_BYTES_MAX
    assert len(temporary_name_of(name).encode()) <= 255
    assert not any(unicodedata.category(each)[0] == "C" for each in name)


def test_name_when_parcels_differ_by_their_id_only_then_names_differ_in_any_case() -> None:
    ids = [f"msg_{number}" for number in range(2_000)]
    assert len(ids) == len({named("x" * 500, delivery_id=each).casefold() for each in ids})


def test_name_when_attempted_again_then_it_stays() -> None:
    assert named(moment_ns=1) == named(moment_ns=2)


def test_temporary_name_when_made_then_it_is_hidden_and_in_the_same_place() -> None:
    assert ".a.csv.part" == temporary_name_of("a.csv")


def test_text_when_words_hold_controls_then_it_is_one_line() -> None:
    subject = text_of("{queue}\r\nBcc: x {key}", parcel(queue_name="a\x00b\u2028c\ud800d"))
    assert "a b c d Bcc: x sale-1" == subject


def test_lines_when_words_hold_breaks_then_only_those_of_the_pattern_stay() -> None:
    text = lines_of("Dear {queue},\r\n\r\n{key}", parcel(queue_name="a\nb"))
    assert "Dear a b,\n\nsale-1\n" == text


@pytest.mark.parametrize("pattern", ["", "plain", "{queue}{key} {date}-{id}"])
def test_pattern_when_words_are_known_then_no_problem(pattern: str) -> None:
    assert "" == pattern_problem(pattern)


@pytest.mark.parametrize("pattern", ["{what}", "{queue", "queue}", "{ queue }", "{}", "{{queue}}"])
def test_pattern_when_braces_hold_something_else_then_problem(pattern: str) -> None:
    assert repr(pattern) in pattern_problem(pattern)
