"""Read recorded line items: what an earlier sale or an agreed quote says, in the reference's JSON.

A recorded line becomes an `EvaluatedLine`; its product and variant say what the record says.
Unknown members are refused, since a record is given out again as it was taken in. A record whose
numbers contradict each other is refused too.
"""

from collections.abc import Iterator
from typing import Final

from engine import limits
from engine.behaviors import behavior_of
from engine.effects import NO_EFFECT, manual_effect
from engine.errors import FieldProblem, Reason
from engine.fields import Fields
from engine.model import (
    ContributionStatus,
    Dimension,
    DimensionValue,
    DiscountDomain,
    DiscountRecord,
    EvaluatedLine,
    FrozenFrom,
    Product,
    Quote,
    ReturnedLine,
    ReturnedSale,
    TaxAmount,
    TaxType,
    Variant,
)
from engine.numbers import format_micros
from engine.readers import (
    NO_TEXT,
    OneOf,
    Problems,
    Reader,
    Within,
    amount,
    array,
    id_set,
    identifier,
    l10n,
    positive_quantity,
    quantity,
    rate,
    text,
    wrong_type,
)
from engine.records.units import application_of, record_identifier, trigger_of

_STATUS = OneOf(ContributionStatus)
_DOMAIN = OneOf(DiscountDomain)
_TAX_TYPE = OneOf(TaxType)
_IGNORED: Final = ("stock_location_id",)
"""Members that other systems put on a line item; they say nothing about its price."""

_NO_TAX = TaxAmount(name="", rate_micros=0, type=TaxType.VAT, amount_micros=0)

returned_quantity: Final = Within(
    0, limits.QUANTITY_MICROS_MAX, f"0 to {limits.QUANTITY_MICROS_MAX // limits.MICROS_PER_UNIT}"
)


def line_problems(line: EvaluatedLine) -> Iterator[FieldProblem]:
    """Yield where the numbers of a recorded line contradict each other (evaluation, section 4).

    Paths are relative to the line, in the words of the reference.
    """
    sub_total = line.retail_price_micros - sum(each.amount_micros for each in line.discounts)
    vat, sales_tax = (
        sum(tax.amount_micros for tax in line.taxes if tax.type is kind)
        for kind in (TaxType.VAT, TaxType.SALES_TAX)
    )
    expected = [
        ("sub_total", sub_total, line.sub_total_micros),
        ("vat_amount", vat, line.vat_amount_micros),
        ("sales_tax_amount", sales_tax, line.sales_tax_amount_micros),
        ("total_tax_amount", vat + sales_tax, line.total_tax_amount_micros),
        ("base_price", sub_total - vat, line.base_price_micros),
        ("total", sub_total + sales_tax, line.total_micros),
    ]
    if line.cost_price_micros is not None:
        margin = line.base_price_micros - line.cost_price_micros
        expected.append(("margin", margin, line.margin_micros or 0))
        expected.append(("margin_total", line.base_price_micros, line.margin_total_micros or 0))
    elif line.margin_micros is not None or line.margin_total_micros is not None:
        yield FieldProblem("cost_price", Reason.REQUIRED, "expected a cost beside the margin")
    for name, right, actual in expected:
        if actual != right:
            message = f"expected {format_micros(right)}, was {format_micros(actual)}"
            yield FieldProblem(name, Reason.OUT_OF_BOUNDS, message)
    if line.retail_price_micros * line.quantity_micros < 0:
        message = (
            f"expected the sign of the quantity, was {format_micros(line.retail_price_micros)}"
        )
        yield FieldProblem("retail_price", Reason.OUT_OF_BOUNDS, message)


def line_item(value: object, path: str, problems: Problems) -> EvaluatedLine:
    """Read a recorded line item; after a problem it is incomplete."""
    return line_of(Fields(value, path, problems))


def line_of(fields: Fields) -> EvaluatedLine:
    """Read the members of a recorded line item."""
    before = fields.problems.count
    line_item_id = fields.required("line_item_id", record_identifier, otherwise="")
    base_price = fields.required("base_price", amount, otherwise=0)
    cost_price = fields.optional("cost_price", amount)
    margin, margin_total = (
        fields.optional("margin", amount),
        fields.optional("margin_total", amount),
    )
    if cost_price is not None:
        margin = base_price - cost_price if margin is None else margin
        margin_total = base_price if margin_total is None else margin_total
    product, variant = _product_of(fields)
    line = EvaluatedLine(
        line_item_id=line_item_id,
        quantity_micros=fields.required("quantity", quantity, otherwise=limits.MICROS_PER_UNIT),
        retail_price_micros=fields.required("retail_price", amount, otherwise=0),
        sub_total_micros=fields.required("sub_total", amount, otherwise=0),
        base_price_micros=base_price,
        total_micros=fields.required("total", amount, otherwise=0),
        vat_amount_micros=fields.required("vat_amount", amount, otherwise=0),
        sales_tax_amount_micros=fields.required("sales_tax_amount", amount, otherwise=0),
        total_tax_amount_micros=fields.required("total_tax_amount", amount, otherwise=0),
        taxes=fields.default("taxes", tax_amounts, value=()),
        discounts=tuple(_discount_of(each, line_item_id) for each in _objects(fields, "discounts")),
        cost_price_micros=cost_price,
        margin_micros=margin,
        margin_total_micros=margin_total,
        contribution_status=fields.optional("contribution_status", _STATUS),
        product=product,
        variant=variant,
        unit=fields.optional("unit", text),
        unit_count_micros=fields.optional("unit_count", positive_quantity),
        behavior=fields.optional("behavior", behavior_of),
        ecom_id=fields.optional("ecom_id", identifier),
        comment=fields.optional("comment", text),
        bundle_label=fields.optional("bundle_label", l10n),
        frozen=_frozen_of(fields, line_item_id),
    )
    for ignored in _IGNORED:
        fields.raw(ignored)
    fields.refuse_unknown()
    if fields.problems.count == before:
        fields.problems.add_all(fields.path, line_problems(line))
    return line


def _objects(fields: Fields, name: str, *, count_max: int | None = None) -> list[Fields]:
    """Return the objects of an array, none when it is absent or too long."""

    def read(value: object, path: str, problems: Problems) -> Fields:
        return Fields(value, path, problems)

    return list(fields.default(name, array(read, count_max=count_max), value=()))


def _frozen_of(fields: Fields, line_item_id: str) -> FrozenFrom | None:
    """Read which earlier record a recorded line came from."""
    return_reference = fields.optional("return_reference", identifier)
    quote_reference = fields.optional("quote_reference", identifier)
    recorded_id = fields.optional("recorded_line_item_id", record_identifier)
    if return_reference is None and quote_reference is None:
        if recorded_id is not None:
            fields.missing("return_reference", "the sale or the quote of recorded_line_item_id")
        return None
    if return_reference is not None and quote_reference is not None:
        message = "expected either return_reference or quote_reference, was both"
        fields.problems.add(fields.at("quote_reference"), Reason.NOT_ALLOWED, message)
    return FrozenFrom(
        line_item_id=recorded_id or line_item_id,
        return_reference=return_reference,
        quote_reference=quote_reference,
    )


# --- products --------------------------------------------------------------------------------


def _product_of(fields: Fields) -> tuple[Product | None, Variant | None]:
    """Read what a line item tells of its product and variant."""
    dimensions = tuple(_dimension_of(each) for each in _objects(fields, "dimensions"))
    variant_id = fields.optional("variant_id", identifier)
    variant_name = fields.optional("variant_name", l10n)
    product = Product(
        id=fields.default("id", identifier, value=""),
        name=fields.default("name", l10n, value=NO_TEXT),
        barcode=fields.optional("barcode", text),
        image_url=fields.optional("image_url", text),
        product_group=fields.optional("product_group", text),
        tags=fields.default("tags", id_set, value=()),
        dimensions=dimensions,
    )
    variant = None
    if variant_id is not None or variant_name is not None or dimensions:
        variant = Variant(
            id=variant_id or "",
            name=variant_name,
            dimension_values={each.id: each.values[0].id for each in dimensions},
        )
    if product == Product(id="", name=NO_TEXT) and variant is None:
        return None, None
    return product, variant


def _dimension_of(fields: Fields) -> Dimension:
    value = fields.child("value")
    if value is None:
        fields.missing("value")
        value = Fields({}, fields.at("value"), Problems())
    dimension = Dimension(
        id=fields.required("id", identifier, otherwise=""),
        name=fields.default("name", l10n, value=NO_TEXT),
        values=(
            DimensionValue(
                id=value.required("id", identifier, otherwise=""),
                name=value.required("name", l10n, otherwise=NO_TEXT),
                color=value.optional("color", text),
            ),
        ),
    )
    value.refuse_unknown()
    fields.refuse_unknown()
    return dimension


# --- taxes and discounts ---------------------------------------------------------------------


def _tax_amount(value: object, path: str, problems: Problems) -> TaxAmount:
    """Read a tax with its amount; the older name of its name is `tax_name`."""
    fields = Fields(value, path, problems)
    older = fields.optional("tax_name", l10n)
    tax = TaxAmount(
        name=fields.required("name", l10n, otherwise=NO_TEXT)
        if older is None
        else fields.default("name", l10n, value=older),
        rate_micros=fields.required("rate", rate, otherwise=0),
        type=fields.required("type", _TAX_TYPE, otherwise=TaxType.VAT),
        amount_micros=fields.required("amount", amount, otherwise=0),
    )
    fields.refuse_unknown()
    return tax


tax_amounts: Final[Reader[tuple[TaxAmount, ...]]] = array(_tax_amount)


def _discount_of(outer: Fields, line_item_id: str) -> DiscountRecord:
    """Read a discount record with its origin (evaluation, 3.6)."""
    amount_micros = outer.required("amount", amount, otherwise=0)
    fields = outer.child("discount")
    if fields is None:
        outer.missing("discount")
        fields = Fields({}, outer.at("discount"), Problems())
    outer.refuse_unknown()
    domain, by = _mode_of(fields)
    record = DiscountRecord(
        amount_micros=amount_micros,
        id=fields.required("id", record_identifier, otherwise=""),
        application=application_of(fields, line_item_id),
        effect=fields.required("type", manual_effect, otherwise=NO_EFFECT),
        domain=domain,
        identifier=by,
        name=fields.optional("name", l10n),
        trigger=trigger_of(fields),
    )
    fields.refuse_unknown()
    return record


def _mode_of(fields: Fields) -> tuple[DiscountDomain | None, str | None]:
    """Read who gave a discount: a cashier, or a domain with what it names there."""
    mode = fields.child("mode")
    if mode is None:
        fields.missing("mode", "manual or automatic")
        return None, None
    automatic = mode.child("automatic")
    is_manual = mode.raw("manual")
    mode.refuse_unknown()
    if automatic is None:
        if is_manual is not True:
            wrong_type("true", is_manual, mode.at("manual"), fields.problems)
        return None, None
    if is_manual is not None:
        message = "expected either manual or automatic, was both"
        fields.problems.add(mode.at("manual"), Reason.NOT_ALLOWED, message)
    domain = automatic.required("domain", _DOMAIN, otherwise=DiscountDomain.PROMOTION)
    by = automatic.required("identifier", identifier, otherwise="")
    automatic.refuse_unknown()
    return domain, by


# --- returns and quotes ----------------------------------------------------------------------


def returns_of(fields: Fields) -> tuple[ReturnedSale, ...]:
    """Read the `returns` of a basket."""
    return tuple(
        _returned_sale(each)
        for each in _objects(fields, "returns", count_max=limits.RETURNS_PER_BASKET_MAX)
    )


def _returned_sale(fields: Fields) -> ReturnedSale:
    lines = _objects(fields, "line_items", count_max=limits.LINES_PER_BASKET_MAX)
    if fields.raw("line_items") is None:
        fields.missing("line_items", "an array of what comes back")
    sale = ReturnedSale(
        return_reference=fields.required("return_reference", identifier, otherwise=""),
        line_items=tuple(_returned_line(each) for each in lines),
    )
    fields.refuse_unknown()
    return sale


def _returned_line(fields: Fields) -> ReturnedLine:
    record = fields.child("line_item")
    if record is None:
        fields.missing("line_item", "the line as its sale recorded it")
        record = Fields({}, fields.at("line_item"), Problems())
    line = ReturnedLine(
        line_item=line_of(record),
        quantity_micros=fields.optional("quantity", positive_quantity),
        returned_before_micros=fields.default("returned_before", returned_quantity, value=0),
    )
    fields.refuse_unknown()
    return line


def quotes_of(fields: Fields) -> tuple[Quote, ...]:
    """Read the `quotes` of a basket; orders that are collected have the same form."""
    return tuple(
        _quote(each) for each in _objects(fields, "quotes", count_max=limits.QUOTES_PER_BASKET_MAX)
    )


def _quote(fields: Fields) -> Quote:
    lines = _objects(fields, "line_items", count_max=limits.LINES_PER_BASKET_MAX)
    if fields.raw("line_items") is None:
        fields.missing("line_items", "an array of the lines that were agreed on")
    quote = Quote(
        quote_reference=fields.required("quote_reference", identifier, otherwise=""),
        line_items=tuple(line_of(each) for each in lines),
    )
    fields.refuse_unknown()
    return quote
