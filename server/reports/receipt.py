"""Make the receipt of a recorded sale: what was sold, what of it is tax, and how it was paid."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final

from engine import limits
from engine.behaviors import (
    CONTAINER_DEPOSIT,
    EXPENSE,
    GIFTCARD,
    GIFTCARD_USE,
    SHIPPING,
    VOUCHER,
    VOUCHER_USE,
    kind_of,
)
from engine.model import (
    Checkout,
    Customer,
    DiscountRecord,
    EffectKind,
    EvaluatedLine,
    Payment,
    Sale,
    SaleKind,
    TaxAmount,
    TaxType,
)
from engine.render_line import carried_json
from engine.strict_json import is_array, is_object
from server.reports import words
from server.reports.document import (
    Document,
    Emphasis,
    Fact,
    Layout,
    Row,
    Table,
    given_facts,
    given_tables,
)
from server.reports.places import address_lines, place_references, shown_payment_type
from server.reports.writer import Writer

_ONE: Final = limits.MICROS_PER_UNIT
_TITLES: Final = {
    SaleKind.SALE: words.RECEIPT,
    SaleKind.RETURN: words.RETURN_RECEIPT,
    SaleKind.EXPENSE: words.EXPENSE_RECEIPT,
}
_CARDS: Final = frozenset({GIFTCARD, VOUCHER, GIFTCARD_USE, VOUCHER_USE})
_CODE_CHARACTERS_SHOWN: Final = 4
"""How much of a card's code is printed: it is money, and receipts are thrown away."""

Fiscal = Mapping[str, object]


def checkout_receipts(checkout: Checkout, writer: Writer) -> tuple[Document, ...]:
    """Return the receipt of each sale of a checkout.

    A sale has its share of the payments; where a checkout of another system states none and has
    one sale, that one has all of them.
    """
    is_alone = len(checkout.sales) == 1
    return tuple(
        receipt(
            Sale(
                identifier=each.identifier,
                base_currency_code=checkout.base_currency_code,
                sequence_number=each.sequence_number,
                source=checkout.source,
                timing=checkout.timing,
                summary=each.basket,
                payments=each.payments or (checkout.payments if is_alone else ()),
                checkout_identifier=checkout.identifier,
                receipt_metadata=checkout.receipt_metadata,
                voided=checkout.voided,
            ),
            writer,
            fiscal=each.fiscal_rules_data or {},
        )
        for each in checkout.sales
    )


def receipt(sale: Sale, writer: Writer, *, fiscal: Fiscal | None = None) -> Document:
    """Return the receipt of a sale, a return or an expense.

    Args:
        sale: The sale as it was recorded.
        writer: Writes in the reader's language.
        fiscal: What the fiscal rules of a country add, such as a signature; shown as it is.
    """
    metadata, source = sale.receipt_metadata, sale.source
    address = None if metadata is None else metadata.shop_address
    vat_number = None if metadata is None else metadata.vat_number
    name = (None if address is None else address.name) or source.shop_name or source.shop_id
    summary, word = sale.summary, writer.word
    return Document(
        layout=Layout.RECEIPT,
        language=writer.language,
        title=word(_TITLES[summary.kind]),
        moment_ns=sale.timing.timestamp_ns,
        seller=name,
        seller_lines=address_lines(address, vat_number, source, writer),
        warnings=(word(words.VOIDED),) if sale.voided else (),
        greeting=(None if metadata is None else metadata.header) or "",
        facts=given_facts(_facts(sale, writer)),
        tables=given_tables(
            (
                _line_table(sale, writer),
                _total_table(sale, writer),
                _payment_table(sale, writer),
                _tax_table(sale, writer),
            )
        ),
        closing=(None if metadata is None else metadata.footer) or "",
        references=(
            *given_facts(place_references(source, writer)),
            *given_facts(
                (
                    (word(words.SALE_ID), sale.identifier),
                    (word(words.CHECKOUT_ID), sale.checkout_identifier),
                )
            ),
            *_leaves(fiscal or {}, word(words.FISCAL)),
        ),
    )


def _facts(sale: Sale, writer: Writer) -> Iterator[tuple[str, str | None]]:
    """Yield when, where, by and for whom, and what the sale refers to."""
    source, summary, word = sale.source, sale.summary, writer.word
    purchase_type = summary.purchase_type
    yield word(words.RECEIPT_NUMBER), str(sale.sequence_number)
    yield word(words.TIME), writer.moment(sale.timing)
    yield word(words.REGISTER), source.register_name or source.register_id
    yield word(words.CASHIER), source.cashier_name or source.cashier_id
    if purchase_type is not None:
        yield word(words.PURCHASE_TYPE), writer.text(purchase_type.name) or purchase_type.id
    yield word(words.CUSTOMER), _customer(summary.customer, writer)
    yield word(words.RETURN_OF), summary.return_reference
    yield word(words.EXPENSE_RECEIPT), summary.expense_reference
    yield word(words.QUOTE), summary.quote_reference
    yield word(words.COMMENT), summary.comment


def _customer(customer: Customer | None, writer: Writer) -> str | None:
    """Return what the record tells of the customer, line by line."""
    if customer is None:
        return None
    town = " ".join(each for each in (customer.postal_code, customer.city) if each)
    number = customer.organization_number
    label = writer.word(words.ORGANIZATION_NUMBER)
    parts = (
        customer.name,
        customer.street,
        town,
        customer.country or customer.country_code,
        f"{label} {number}" if number else None,
        customer.email,
        customer.phone,
        customer.identifier,
    )
    return "\n".join(each for each in parts if each)


# --- lines -----------------------------------------------------------------------------------


def _line_table(sale: Sale, writer: Writer) -> Table:
    """Return the lines; the numbers in the second column add up to the subtotal."""
    code = sale.base_currency_code
    return Table(
        columns=(writer.word(words.ITEM), code),
        rows=tuple(
            row for line in sale.summary.line_items for row in _line_rows(line, code, writer)
        ),
    )


def _line_rows(line: EvaluatedLine, code: str, writer: Writer) -> Iterator[Row]:
    """Yield a line before its discounts, what is to say of it, and each discount."""
    yield Row(cells=(_line_name(line, writer), writer.amount(line.retail_price_micros, code)))
    for detail in _line_details(line, code, writer):
        yield Row(cells=(detail, ""), emphasis=Emphasis.DETAIL)
    for each in line.discounts:
        taken = writer.amount(-each.amount_micros, code)
        yield Row(cells=(_discount_name(each, writer), taken), emphasis=Emphasis.DETAIL)


def _line_name(line: EvaluatedLine, writer: Writer) -> str:
    """Return what a line is called, at the least what it is."""
    product = line.product
    name = "" if product is None else writer.text(product.name) or product.id
    kind = kind_of(line.behavior)
    return name or (writer.word(words.BEHAVIORS[kind]) if kind else line.line_item_id)


def _line_details(line: EvaluatedLine, code: str, writer: Writer) -> Iterator[str]:
    """Yield what stands below a line: variant, quantity, behaviour, order and comment."""
    product, variant = line.product, line.variant
    if product is not None and variant is not None:
        name = writer.text(variant.name)
        if name and name != writer.text(product.name):
            yield name
        yield from (
            f"{writer.text(each.name) or each.id}: {writer.text(each.values[0].name)}"
            for each in product.dimensions
            if each.values
        )
    quantity = _quantity(line, code, writer)
    if quantity:
        yield quantity
    if line.bundle_label:
        yield writer.text(line.bundle_label)
    yield from _behavior_details(line, writer)
    if line.ecom_id:
        yield f"{writer.word(words.ONLINE_ORDER)} {line.ecom_id}"
    if line.comment:
        yield line.comment


def _quantity(line: EvaluatedLine, code: str, writer: Writer) -> str:
    """Return the quantity and, where it is exact, the price of one; empty for a single piece."""
    pieces, unit = line.unit_count_micros, line.unit
    counted = line.quantity_micros if pieces is None else pieces
    if counted == _ONE and not unit:
        return ""
    shown = " ".join(each for each in (writer.number(counted), unit) if each)
    if counted == 0:
        return shown
    price = Fraction(line.retail_price_micros * _ONE, abs(counted))
    is_exact = price.denominator == 1 and abs(counted) != _ONE
    return (
        f"{shown} \N{MULTIPLICATION SIGN} {writer.amount(abs(int(price)), code)}"
        if is_exact
        else shown
    )


def _behavior_details(line: EvaluatedLine, writer: Writer) -> Iterator[str]:
    """Yield what a line with a behaviour is, and what its behaviour tells."""
    kind = kind_of(line.behavior)
    if kind is None or line.behavior is None:
        return
    members = line.behavior[kind]
    label = writer.word(words.BEHAVIORS[kind])
    if not is_object(members):
        return
    if kind in _CARDS:
        code = str(members.get("code", ""))
        hidden = len(code) > 2 * _CODE_CHARACTERS_SHOWN
        label += f" …{code[-_CODE_CHARACTERS_SHOWN:]}" if hidden else ""
    elif kind == EXPENSE:
        label += f" {members.get('identifier', '')}"
    if label != _line_name(line, writer) or kind == CONTAINER_DEPOSIT:
        yield label
    if kind == SHIPPING:
        address = members.get("address")
        if is_object(address):
            town = _joined(address, "postal_code", "city")
            parts = (_joined(address, "name"), _joined(address, "street"), town)
            yield ", ".join(each for each in (*parts, _joined(address, "country")) if each)


def _joined(members: Mapping[str, object], *names: str) -> str:
    return " ".join(str(members[each]) for each in names if members.get(each))


def _discount_name(record: DiscountRecord, writer: Writer) -> str:
    """Return what a discount is called, with its percentage where it is one."""
    name = writer.text(record.name) or writer.word(words.DISCOUNT)
    effect = record.effect
    percentages = (EffectKind.PERCENTAGE, EffectKind.PERCENTAGE_WITH_MAX)
    if effect.kind in percentages and isinstance(effect.value_micros, int):
        return f"{name} {writer.percentage(effect.value_micros)}"
    return name


# --- sums ------------------------------------------------------------------------------------


def _total_table(sale: Sale, writer: Writer) -> Table:
    """Return what the lines add up to."""
    summary, code, word = sale.summary, sale.base_currency_code, writer.word
    rows = [
        Row(cells=(word(words.SUB_TOTAL), writer.amount(summary.sub_total_micros, code))),
    ]
    if summary.sales_tax_amount_micros:
        amount = writer.amount(summary.sales_tax_amount_micros, code)
        rows.append(Row(cells=(word(words.SALES_TAX), amount)))
    total = writer.amount(summary.total_micros, code)
    rows.append(Row(cells=(f"{word(words.TOTAL)} {code}", total), emphasis=Emphasis.SUM))
    if summary.total_discounts_micros:
        discounts = writer.amount(-summary.total_discounts_micros, code)
        rows.append(Row(cells=(word(words.DISCOUNTS), discounts), emphasis=Emphasis.DETAIL))
    return Table(rows=tuple(rows))


def _payment_table(sale: Sale, writer: Writer) -> Table:
    """Return the payments that succeeded; rounding and change are among them."""
    return Table(
        columns=(writer.word(words.PAYMENTS), sale.base_currency_code),
        rows=tuple(
            row
            for payment in sale.payments
            if payment.success
            for row in _payment_rows(payment, sale.base_currency_code, writer)
        ),
    )


def _payment_rows(payment: Payment, code: str, writer: Writer) -> Iterator[Row]:
    name = shown_payment_type(payment.payment_type, writer, is_short=True)
    yield Row(cells=(name, writer.amount(payment.amount_micros, code)))
    foreign, amount = payment.foreign_currency, payment.foreign_currency_amount_micros
    if foreign is None or amount is None:
        return
    shown = writer.money(amount, foreign)
    if payment.exchange_rate_micros is not None:
        rate = writer.number(payment.exchange_rate_micros)
        shown += f", {writer.word(words.RATE)} {rate}"
    yield Row(cells=(shown, ""), emphasis=Emphasis.DETAIL)


_TaxKey = tuple[bytes, int, TaxType]


def _tax_table(sale: Sale, writer: Writer) -> Table:
    """Return each tax with the base price it was computed on.

    The base prices add up to that of the sale, and so do the gross amounts; the latter are left out
    where a line has several taxes, whose base would count more than once.
    """
    lines, code, word = sale.summary.line_items, sale.base_currency_code, writer.word
    net: dict[_TaxKey, int] = {}
    for line in lines:
        for key in dict.fromkeys(_tax_key(each) for each in line.taxes):
            net[key] = net.get(key, 0) + line.base_price_micros
    untaxed = sum(line.base_price_micros for line in lines if not line.taxes)
    is_single = all(len(line.taxes) < 2 for line in lines)
    rows = [
        _tax_row(_tax_name(each, writer), net.get(_tax_key(each), 0), each.amount_micros)
        for each in sale.summary.taxes
    ]
    if untaxed:
        rows.append((word(words.UNTAXED), untaxed, 0, untaxed))
    columns = (words.TAXES, words.NET, words.TAX, words.GROSS)
    shown = 4 if is_single else 3
    return Table(
        columns=tuple(map(word, columns))[:shown],
        rows=tuple(
            Row(cells=(name, *(writer.amount(each, code) for each in amounts))[:shown])
            for name, *amounts in rows
        ),
    )


def _tax_row(name: str, net_micros: int, tax_micros: int) -> tuple[str, int, int, int]:
    return name, net_micros, tax_micros, net_micros + tax_micros


def _tax_key(tax: TaxAmount) -> _TaxKey:
    """Return by what a tax of a line and of the summary are the same."""
    return carried_json(tax.name), tax.rate_micros, tax.type


def _tax_name(tax: TaxAmount, writer: Writer) -> str:
    return f"{writer.text(tax.name)} {writer.percentage(tax.rate_micros)}"


# --- fiscal data -----------------------------------------------------------------------------


def _leaves(value: object, label: str) -> tuple[Fact, ...]:
    """Return every value inside of an object with its path, numbers as they were written."""
    if is_object(value):
        return tuple(
            fact for name, each in value.items() for fact in _leaves(each, f"{label}, {name}")
        )
    if is_array(value):
        return tuple(fact for each in value for fact in _leaves(each, label))
    return (
        Fact(label=label, value=value if isinstance(value, str) else carried_json(value).decode()),
    )
