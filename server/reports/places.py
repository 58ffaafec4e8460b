"""Say where a record was made and how it was paid, as receipts and register reports have it."""

from collections.abc import Iterator

from engine.model import ShopAddress, Source
from server.reports import words
from server.reports.writer import Writer


def address_lines(
    address: ShopAddress | None, vat_number: str | None, source: Source, writer: Writer
) -> tuple[str, ...]:
    """Return what stands below the name of a shop."""
    lines = [source.market_name or source.market_id]
    if address is not None:
        town = " ".join(each for each in (address.zip, address.city) if each)
        lines = [each for each in (address.street, town, *lines) if each]
    if vat_number:
        lines.append(f"{writer.word(words.VAT_NUMBER)} {vat_number}")
    return tuple(lines)


def place_references(source: Source, writer: Writer) -> Iterator[tuple[str, str]]:
    """Yield the ids of market, shop, register and cashier with their labels."""
    for word, identifier in (
        (words.MARKET, source.market_id),
        (words.SHOP, source.shop_id),
        (words.REGISTER, source.register_id),
        (words.CASHIER, source.cashier_id),
    ):
        yield writer.word(word), identifier


def shown_payment_type(identifier: str, writer: Writer, *, is_short: bool) -> str:
    """Return what a payment type is called; its identifier where nobody knows.

    Args:
        identifier: Such as `cash` or `card.external`.
        writer: Writes in the reader's language.
        is_short: Whether the integration behind it is left out, as customers do not care.
    """
    known = words.PAYMENT_TYPES.get(identifier)
    if known is not None:
        return writer.word(known)
    family, _, integration = identifier.partition(".")
    known = words.PAYMENT_TYPES.get(family)
    if known is None:
        return identifier
    if is_short and integration in ("external", "integration"):
        return writer.word(known)
    return f"{writer.word(known)} ({integration})"
