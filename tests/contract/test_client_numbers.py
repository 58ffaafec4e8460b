"""Turn decimals into micros and back at the edge of the client, and build messages from them."""

from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillcore_client import (
    amount_off,
    cash,
    decimal_of,
    line,
    micros,
    payment,
    percentage_off,
    text_of,
    v1,
)

MOST = 10**18 - 1


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, 0),
        (-3, -3_000_000),
        ("12.5", 12_500_000),
        ("-0.000001", -1),
        ("0012.50000000", 12_500_000),
        (Decimal("1E+3"), 1_000_000_000),
        (Decimal("2.50000000000"), 2_500_000),
        (Decimal("-0"), 0),
        (Decimal("0E+1000000"), 0),
        (Decimal("0E-1000000"), 0),
        ("999999999999.999999", MOST),
        (Decimal("-999999999999.999999"), -MOST),
    ],
)
def test_micros_when_exact_then_is_it(number: Decimal | int | str, expected: int) -> None:
    assert expected == micros(number)


@pytest.mark.parametrize("number", [1.5, True, None, b"1"])
def test_micros_when_type_is_not_exact_then_refuses(number: Any) -> None:
    with pytest.raises(TypeError, match="expected Decimal, int or str"):
        micros(number)


@pytest.mark.parametrize(
    "number",
    [
        "",
        " 1",
        "1 ",
        "1e3",
        "1_000",
        "+1",
        ".5",
        "1.",
        "1,5",
        "NaN",
        "\u0661",
        "0.0000001",
        Decimal("0.0000001"),
        Decimal("1." + "0" * 80 + "1"),
        Decimal("1E-1000000"),
        Decimal("1E+12"),
        Decimal("1E+1000000"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        10**12,
        -(10**12),
        "1" * 13,
        "1" * 100_000,
    ],
)
def test_micros_when_not_such_a_number_then_refuses(number: Decimal | int | str) -> None:
    with pytest.raises(ValueError, match="expected"):
        micros(number)


@given(st.integers(-MOST, MOST), st.integers(0, 6))
def test_decimal_when_turned_back_then_is_the_same(number_micros: int, decimals_min: int) -> None:
    with localcontext(prec=3):
        number = decimal_of(number_micros, decimals_min=decimals_min)

    assert number_micros == micros(number) == micros(f"{number:f}")


@pytest.mark.parametrize(
    ("number_micros", "decimals_min", "expected"),
    [(1_000_000, 0, "1"), (1_000_000, 2, "1.00"), (-1_230_000, 2, "-1.23"), (1, 2, "0.000001")],
)
def test_decimal_when_shown_then_has_the_decimals_that_it_needs(
    number_micros: int, decimals_min: int, expected: str
) -> None:
    assert expected == str(decimal_of(number_micros, decimals_min=decimals_min))


@pytest.mark.parametrize("decimals_min", [-1, 7])
def test_decimal_when_decimals_are_out_of_range_then_refuses(decimals_min: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to 6 decimals"):
        decimal_of(1, decimals_min=decimals_min)


def test_line_when_built_then_has_exact_numbers() -> None:
    built = line(
        "hummus",
        quantity=Decimal("2.5"),
        retail_price="12.50",
        unit_count=Decimal("0.25"),
        discounts=[percentage_off("0.05", name="Friend"), amount_off(3, discount_id="d")],
    )

    expected = v1.BasketLine(
        id="hummus",
        quantity_micros=2_500_000,
        retail_price_micros=12_500_000,
        unit_count_micros=250_000,
        discounts=[
            v1.ManualDiscount(
                type=v1.DiscountType(percentage_micros=50_000),
                name=v1.LocalizedString(text="Friend"),
            ),
            v1.ManualDiscount(type=v1.DiscountType(amount_micros=3_000_000), id="d"),
        ],
    )
    assert expected == built


def test_line_when_price_is_not_given_then_has_none() -> None:
    built = line("coffee")

    assert not built.HasField("retail_price_micros")
    assert not built.HasField("unit_count_micros")


def test_payment_when_built_then_has_exact_amount() -> None:
    assert v1.Payment(payment_type="cash", amount_micros=100_500_000) == cash("100.50")
    assert v1.Payment(payment_type="card", amount_micros=1, identifier="p") == payment(
        "card", "0.000001", identifier="p"
    )


@pytest.mark.parametrize(
    ("text", "languages", "expected"),
    [
        (v1.LocalizedString(text="Lamp"), ("da",), "Lamp"),
        (v1.LocalizedString(text_by_language={"da": "Lampe", "en": "Lamp"}), ("sv", "en"), "Lamp"),
        (v1.LocalizedString(text_by_language={"da": "Lampe"}), ("sv",), "Lampe"),
        (v1.LocalizedString(), ("en",), ""),
    ],
)
def test_text_when_read_then_is_in_the_best_language(
    text: v1.LocalizedString, languages: tuple[str, ...], expected: str
) -> None:
    assert expected == text_of(text, *languages)
