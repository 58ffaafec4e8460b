"""Put models into words: texts by language with their fallback, and quantities in bundles."""

from engine import limits
from engine.model import L10nString, Product, QuantityBundle
from engine.numbers import format_micros


def localized(text: L10nString, language: str) -> str:
    """Return a text in a language; falling back to English, then to the first language given."""
    if isinstance(text, str):
        return text
    return text.get(language) or text.get("en") or next(iter(text.values()), "")


def bundle_label(product: Product, quantity_micros: int) -> L10nString | None:
    """Return how many bundles a quantity is: `2 x Kasse`, or `2 kasser af 6`.

    The largest bundle that the quantity is a multiple of counts (reference: product import, product
    quantity bundles); None where there is none.

    Args:
        product: The product with its bundles.
        quantity_micros: The quantity of a line in micros, of either sign.
    """
    size = abs(quantity_micros)
    fitting = [b for b in product.bundles if b.quantity_micros and size % b.quantity_micros == 0]
    if not fitting or size == 0:
        return None
    bundle = max(fitting, key=lambda each: each.quantity_micros)
    count = format_micros(size // bundle.quantity_micros * limits.MICROS_PER_UNIT)
    languages = [
        language
        for text in (bundle.name, bundle.name_per_quantity)
        if isinstance(text, dict)
        for language in text
    ]
    if not languages:
        return _label(bundle, count, "")
    return {language: _label(bundle, count, language) for language in dict.fromkeys(languages)}


def _label(bundle: QuantityBundle, count: str, language: str) -> str:
    if bundle.name_per_quantity is None:
        return f"{count} x {localized(bundle.name, language)}"
    words = localized(bundle.name_per_quantity, language)
    return f"{count} {words} {format_micros(bundle.quantity_micros)}"
