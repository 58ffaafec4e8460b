"""Write numbers by the compiled kernel: what the Python of the same rule writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.numbers import format_micros
from ext.literals import TEXT, filled, literal

MICROS = st.integers(-(2**63), 2**63 - 1)
ROUND = st.builds(
    lambda number, zeros: number * 10**zeros, st.integers(-(10**9), 10**9), st.integers(0, 9)
)
DIGITS = st.integers(0, 6)


@given(micros=MICROS | ROUND, digits=DIGITS)
def test_literal_when_any_number_then_as_python_writes_it(micros: int, digits: int) -> None:
    expected = format_micros(micros, fraction_digits_min=digits)

    assert expected == literal(micros, digits).decode()


@given(
    values=st.lists(st.tuples(MICROS | ROUND, DIGITS) | st.binary(max_size=40), max_size=20),
    data=st.data(),
)
def test_filled_when_any_values_then_they_stand_between_the_texts(
    values: list[tuple[int, int] | bytes], data: st.DataObject
) -> None:
    count = len(values) + 1
    texts = data.draw(st.lists(st.binary(max_size=40), min_size=count, max_size=count))
    expected = texts[0]
    for value, following in zip(values, texts[1:], strict=True):
        written = value if isinstance(value, bytes) else literal(*value)
        expected += written + following

    digits = bytes(TEXT if isinstance(each, bytes) else each[1] for each in values)
    given_values = tuple(each if isinstance(each, bytes) else each[0] for each in values)

    assert expected == filled(tuple(texts), digits, given_values)


@pytest.mark.parametrize(
    ("micros", "digits", "error"),
    [
        (1.5, 2, TypeError),
        ("1", 2, TypeError),
        (None, 2, TypeError),
        (2**63, 2, OverflowError),
        (1, 7, ValueError),
        (1, -1, ValueError),
    ],
)
def test_literal_when_it_is_no_number_of_micros_then_raises(
    micros: object, digits: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        literal(micros, digits)  # type: ignore[arg-type]  # what is wrong is the case


@pytest.mark.parametrize(
    ("texts", "digits", "values", "error"),
    [
        ((b"",), b"\2", (1,), ValueError),
        ((b"", b""), b"", (1,), ValueError),
        ((b"", b""), b"\7", (1,), ValueError),
        ((b"", None), b"\2", (1,), TypeError),
        ((b"", "a"), b"\2", (1,), TypeError),
        ((b"", b""), b"\2", (1.5,), TypeError),
        ((b"", b""), b"\2", (b"1",), TypeError),
        ((b"", b""), b"\2", (2**63,), OverflowError),
        ((b"", b""), bytes([TEXT]), (1,), TypeError),
        ((b"", b""), bytes([TEXT]), (None,), TypeError),
    ],
)
def test_filled_when_its_parts_do_not_go_together_then_raises(
    texts: tuple[bytes, ...], digits: bytes, values: tuple[int, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        filled(texts, digits, values)
