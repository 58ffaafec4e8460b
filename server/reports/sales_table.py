"""Make the table of a day's sales: a row for each sale, a column for each tax and payment type."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from engine.behaviors import kind_of
from engine.errors import WrongState
from engine.model import EvaluatedLine, L10nString, Sale, TaxType
from engine.numbers import format_micros
from server.reports import words
from server.reports.places import shown_payment_type
from server.reports.words import Word
from server.reports.writer import Writer
from server.tables.table import Cell, Column, Fact, Kind, Table, clean

NAME: Final = "sales"

_ITEMS_CHARACTERS_MAX: Final = 500
"""How much of a row says what was sold; the rest is counted."""

_TITLE: Final = Word("Sales of a day", "Dagens salg", "Verkäufe des Tages", "Dagens köp", "Salg")
_DATE: Final = Word("Date", "Dato", "Datum", "Datum", "Dato")
_COUNT: Final = Word("Number of sales", "Antal salg", "Anzahl Verkäufe", "Antal köp", "Antall salg")
_NUMBER: Final = Word("No.", "Nr.", "Nr.", "Nr", "Nr.")
_ACCOUNT_NUMBER: Final = Word(
    "Account no.", "Løbenummer", "Laufende Nr.", "Löpnummer", "Løpenummer"
)
_KIND: Final = Word("Kind", "Art", "Art", "Typ", "Type")
_ITEMS: Final = Word("Items", "Varer", "Artikel", "Artiklar", "Varer")
_GROSS: Final = Word("Gross", "Brutto", "Brutto", "Brutto", "Brutto")
_VAT: Final = Word("VAT", "Moms", "USt.", "Moms", "Mva.")
_MORE: Final = Word("more", "flere", "weitere", "fler", "flere")
_TOTAL_ROW: Final = "total"

Tax = tuple[str, int]
"""The type of a tax, and its rate in micros: taxes of one rate share a column."""


class SoldRow(NamedTuple):
    """What the table keeps of a sale; amounts in micros.

    Attributes:
        kind: `sale`, `return`, `expense`, or `voided`, which has no amounts.
    """

    number: int
    account_number: int
    moment_ns: int
    register: str
    cashier: str
    kind: str
    customer: str
    items: str
    gross_micros: int
    discounts_micros: int
    sub_total_micros: int
    net_micros: int
    taxes: tuple[tuple[Tax, int], ...]
    total_micros: int
    payments: tuple[tuple[str, int], ...]
    sale_id: str
    currency_code: str


class SoldItem(NamedTuple):
    """What the table says of a line.

    Attributes:
        id: Of the product; empty without one.
        name: Of the product; empty without one.
        variant_name: Of its variant, if it has one.
        kind: What makes the line special, if anything.
        counted_micros: Its quantity, or its measure.
        unit: Of the measure.
    """

    line_item_id: str
    id: str
    name: L10nString
    variant_name: L10nString | None
    kind: str | None
    counted_micros: int
    unit: str | None


def sold_row(sale: Sale, account_number: int, writer: Writer) -> SoldRow:
    """Return the row of a recorded sale.

    Args:
        sale: The sale.
        account_number: Its number in the account.
        writer: Writes names in the reader's language.
    """
    summary, source = sale.summary, sale.source
    taxes: dict[Tax, int] = {}
    for tax in summary.taxes:
        key = (tax.type.value, tax.rate_micros)
        taxes[key] = taxes.get(key, 0) + tax.amount_micros
    payments: dict[str, int] = {}
    for payment in sale.payments:
        if payment.success:
            kind = payment.payment_type
            payments[kind] = payments.get(kind, 0) + payment.amount_micros
    customer = summary.customer
    return SoldRow(
        number=sale.sequence_number,
        account_number=account_number,
        moment_ns=sale.timing.timestamp_ns,
        register=source.register_name or source.register_id,
        cashier=source.cashier_name or source.cashier_id,
        kind="voided" if sale.voided else summary.kind.value,
        customer="" if customer is None else customer.name or customer.identifier,
        items=items_text([_sold_item(line) for line in summary.line_items], writer),
        gross_micros=sum(line.retail_price_micros for line in summary.line_items),
        discounts_micros=summary.total_discounts_micros,
        sub_total_micros=summary.sub_total_micros,
        net_micros=summary.base_price_micros,
        taxes=tuple(taxes.items()),
        total_micros=summary.total_micros,
        payments=tuple(payments.items()),
        sale_id=sale.identifier,
        currency_code=sale.base_currency_code,
    )


def sales_table(
    rows: Sequence[SoldRow],
    *,
    shop: str,
    date: str,
    currency_code: str,
    timezone: str,
    writer: Writer,
) -> Table:
    """Return the table of sales, with the sums of all but voided ones.

    Args:
        rows: The sales, in the order in which they are listed.
        shop: What the shop is called.
        date: The day as YYYY-MM-DD.
        currency_code: Of a day without sales.
        timezone: IANA name of the zone of the shop.
        writer: Writes in the reader's language.

    Raises:
        WrongState: The sales are in several currencies, which cannot be added up.
    """
    codes = sorted({row.currency_code for row in rows}) or [currency_code]
    if len(codes) > 1:
        message = f"expected sales in one currency, was {', '.join(codes)}"
        raise WrongState(f"{message}: ask for one register at a time")
    counted = [row for row in rows if row.kind != "voided"]
    taxes = sorted({tax for row in counted for tax, _ in row.taxes}, key=lambda t: (t[0], -t[1]))
    types = sorted({kind for row in counted for kind, _ in row.payments})
    return Table(
        name=NAME,
        title=f"{writer.word(_TITLE)} {date}",
        language=writer.language,
        currency_code=codes[0],
        timezone=timezone,
        facts=(
            Fact(name="shop", title=writer.word(words.SHOP), value=shop),
            Fact(name="date", title=writer.word(_DATE), value=date),
            Fact(name="sale_count", title=writer.word(_COUNT), value=str(len(counted))),
        ),
        columns=_columns(taxes, types, writer),
        rows=tuple(_cells(row, taxes, types) for row in rows),
        total=_total(counted, taxes, types),
    )


def _columns(taxes: Iterable[Tax], types: Iterable[str], writer: Writer) -> tuple[Column, ...]:
    word = writer.word

    def amount(name: str, title: str) -> Column:
        return Column(name=name, title=title, kind=Kind.AMOUNT)

    return (
        Column(name="number", title=word(_NUMBER), kind=Kind.COUNT),
        Column(
            name="account_number", title=word(_ACCOUNT_NUMBER), kind=Kind.COUNT, is_printed=False
        ),
        Column(name="time", title=word(words.TIME), kind=Kind.MOMENT),
        Column(name="register", title=word(words.REGISTER)),
        Column(name="cashier", title=word(words.CASHIER)),
        Column(name="kind", title=word(_KIND)),
        Column(name="customer", title=word(words.CUSTOMER)),
        Column(name="items", title=word(_ITEMS)),
        amount("gross", word(_GROSS)),
        amount("discounts", word(words.DISCOUNTS)),
        amount("sub_total", word(words.SUB_TOTAL)),
        amount("net", word(words.NET)),
        *(amount(_tax_name(tax), _tax_title(tax, writer)) for tax in taxes),
        amount("total", word(words.TOTAL)),
        *(
            amount(f"payment_{each}", shown_payment_type(each, writer, is_short=False))
            for each in types
        ),
        Column(name="sale_id", title=word(words.SALE_ID), is_printed=False),
    )


def _cells(row: SoldRow, taxes: Sequence[Tax], types: Sequence[str]) -> tuple[Cell, ...]:
    is_voided = row.kind == "voided"
    own_taxes, own_payments = dict(row.taxes), dict(row.payments)
    amounts: tuple[Cell, ...] = (
        row.gross_micros,
        row.discounts_micros,
        row.sub_total_micros,
        row.net_micros,
        *(own_taxes.get(tax) for tax in taxes),
        row.total_micros,
        *(own_payments.get(kind) for kind in types),
    )
    return (
        row.number,
        row.account_number,
        row.moment_ns,
        row.register,
        row.cashier,
        row.kind,
        row.customer,
        row.items,
        *((None,) * len(amounts) if is_voided else amounts),
        row.sale_id,
    )


def _total(rows: Sequence[SoldRow], taxes: Sequence[Tax], types: Sequence[str]) -> tuple[Cell, ...]:
    """Return the sums; the kind of this row is `total`."""
    by_tax, by_type = dict.fromkeys(taxes, 0), dict.fromkeys(types, 0)
    for row in rows:
        for tax, micros in row.taxes:
            by_tax[tax] += micros
        for kind, micros in row.payments:
            by_type[kind] += micros
    return (
        None,
        None,
        None,
        None,
        None,
        _TOTAL_ROW,
        None,
        None,
        sum(row.gross_micros for row in rows),
        sum(row.discounts_micros for row in rows),
        sum(row.sub_total_micros for row in rows),
        sum(row.net_micros for row in rows),
        *by_tax.values(),
        sum(row.total_micros for row in rows),
        *by_type.values(),
        None,
    )


def _tax_name(tax: Tax) -> str:
    return f"{tax[0]}_{format_micros(tax[1] * 100)}"


def _tax_title(tax: Tax, writer: Writer) -> str:
    word = _VAT if tax[0] == TaxType.VAT.value else words.SALES_TAX
    return f"{writer.word(word)} {writer.percentage(tax[1])}"


def items_text(items: Sequence[SoldItem], writer: Writer) -> str:
    """Return what was sold on one line; where that is much, how many lines more there are."""
    texts: list[str] = []
    length = 0
    for position, item in enumerate(items):
        text = clean(_item(item, writer))
        length += len(text) + 2
        if texts and length > _ITEMS_CHARACTERS_MAX:
            texts.append(f"+ {len(items) - position} {writer.word(_MORE)}")
            break
        texts.append(text[:_ITEMS_CHARACTERS_MAX])
    return ", ".join(texts)


def _sold_item(line: EvaluatedLine) -> SoldItem:
    product, variant, counted = line.product, line.variant, line.unit_count_micros
    return SoldItem(
        line_item_id=line.line_item_id,
        id="" if product is None else product.id,
        name="" if product is None else product.name,
        variant_name=None if variant is None or product is None else variant.name,
        kind=kind_of(line.behavior),
        counted_micros=line.quantity_micros if counted is None else counted,
        unit=line.unit,
    )


def _item(item: SoldItem, writer: Writer) -> str:
    own = writer.text(item.name)
    name = own or item.id
    name = name or (writer.word(words.BEHAVIORS[item.kind]) if item.kind else item.line_item_id)
    variant = writer.text(item.variant_name)
    name += f" {variant}" if variant and variant != own else ""
    quantity = " ".join(each for each in (writer.number(item.counted_micros), item.unit) if each)
    return f"{quantity} \N{MULTIPLICATION SIGN} {name}"
