"""Quantities in bundles and texts by language, as the product import document shows them."""

import pytest

from engine import limits
from engine.labels import bundle_label, localized
from engine.model import L10nString, Product, QuantityBundle

UNIT = limits.MICROS_PER_UNIT
BOX = QuantityBundle(id="box", name="Kasse", quantity_micros=6 * UNIT, is_default=True)
PALLET = QuantityBundle(id="pallet", name="Palle", quantity_micros=90 * UNIT)
WORDED = QuantityBundle(
    id="box", name="Kasse", quantity_micros=6 * UNIT, name_per_quantity="kasser af"
)


def wine(*bundles: QuantityBundle) -> Product:
    return Product(id="wine", name="Wine", bundles=bundles)


@pytest.mark.parametrize(
    ("bundles", "quantity", "expected"),
    [
        ((BOX, PALLET), 12, "2 x Kasse"),
        ((WORDED,), 12, "2 kasser af 6"),
        ((BOX, PALLET), 90, "1 x Palle"),
        ((BOX, PALLET), -12, "2 x Kasse"),
        ((BOX,), 7, None),
        ((), 12, None),
    ],
)
def test_bundle_label_when_quantity_fits_then_counts_bundles(
    bundles: tuple[QuantityBundle, ...], quantity: int, expected: str | None
) -> None:
    assert expected == bundle_label(wine(*bundles), quantity * UNIT)


def test_bundle_label_when_quantity_is_fractional_then_is_absent() -> None:
    assert bundle_label(wine(BOX), 6 * UNIT + 1) is None


def test_bundle_label_when_names_are_localized_then_is_too() -> None:
    name: L10nString = {"da": "Kasse", "en": "Box"}
    words: L10nString = {"da": "kasser af", "de": "Kisten zu"}
    box = QuantityBundle(id="box", name=name, quantity_micros=6 * UNIT, name_per_quantity=words)

    actual = bundle_label(wine(box), 12 * UNIT)

    assert {"da": "2 kasser af 6", "en": "2 kasser af 6", "de": "2 Kisten zu 6"} == actual


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Chair", "da", "Chair"),
        ({"da": "Stol", "en": "Chair"}, "da", "Stol"),
        ({"da": "Stol", "en": "Chair"}, "fr", "Chair"),
        ({"da": "Stol", "de": "Stuhl"}, "fr", "Stol"),
        ({}, "fr", ""),
    ],
)
def test_localized_when_language_is_missing_then_falls_back(
    text: L10nString, language: str, expected: str
) -> None:
    assert expected == localized(text, language)
