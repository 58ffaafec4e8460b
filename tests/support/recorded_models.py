"""Draw recorded lines whose numbers add up, and baskets that hold them, for round trips."""

from hypothesis import strategies as st
from msgspec.structs import replace

from engine.model import (
    Application,
    Basket,
    ContributionStatus,
    Dimension,
    DimensionValue,
    DiscountDomain,
    DiscountRecord,
    DiscountTrigger,
    EvaluatedLine,
    FrozenFrom,
    Product,
    Quote,
    ReturnedLine,
    ReturnedSale,
    TaxAmount,
    TaxType,
    UnitRange,
    Variant,
)
from tests.support import models
from tests.support.models import ids, l10n, maybe, prices, product_ids, quantities, some, texts

RATES = st.integers(0, 10**6)
SMALL_AMOUNTS = st.integers(0, 10**15)

_values = st.builds(DimensionValue, id=ids, name=l10n, color=maybe(texts))
_dimensions = st.builds(Dimension, id=ids, name=l10n, values=st.tuples(_values))
_units = st.builds(
    lambda id_, start, count: UnitRange(
        line_item_id=id_, start_index=start, end_index=start + count
    ),
    ids,
    st.integers(0, 10**6),
    st.integers(1, 10**6),
)
_triggers = st.one_of(
    st.builds(DiscountTrigger, count=st.integers(0, 99), basket=st.just(value=True)),
    st.builds(DiscountTrigger, count=st.integers(0, 99), line_item_id=ids),
    st.builds(
        DiscountTrigger,
        count=st.integers(0, 99),
        units=st.lists(
            _units, min_size=1, max_size=2, unique_by=lambda each: each.line_item_id
        ).map(tuple),
    ),
)


@st.composite
def _products(draw: st.DrawFn) -> tuple[Product | None, Variant | None]:
    """Draw what a record tells of its product and variant."""
    if draw(st.booleans()):
        return None, None
    dimensions = draw(models.distinct(_dimensions))
    name = draw(l10n)
    product = Product(
        id=draw(product_ids),
        name=name,
        barcode=draw(maybe(texts)),
        image_url=draw(maybe(texts)),
        product_group=draw(maybe(ids)),
        tags=draw(models.id_sets),
        dimensions=dimensions,
    )
    if not dimensions and draw(st.booleans()):
        return product, None
    variant = Variant(
        id=draw(product_ids),
        name=draw(st.sampled_from([None, name or None])),
        dimension_values={each.id: each.values[0].id for each in dimensions},
    )
    return product, variant


@st.composite
def _discounts(draw: st.DrawFn, line_item_id: str) -> DiscountRecord:
    domain = draw(maybe(st.sampled_from(DiscountDomain)))
    units = replace(draw(_units), line_item_id=line_item_id)
    applications = (
        Application(basket=True),
        Application(line_item_id=line_item_id),
        Application(units=units),
    )
    return DiscountRecord(
        amount_micros=draw(SMALL_AMOUNTS),
        id=draw(ids),
        application=draw(st.sampled_from(applications)),
        effect=draw(models.effects(prices)),
        domain=domain,
        identifier=None if domain is None else draw(ids),
        name=draw(maybe(l10n)),
        trigger=draw(maybe(_triggers)),
    )


@st.composite
def recorded_lines(draw: st.DrawFn) -> EvaluatedLine:
    """Draw a recorded line of positive quantity."""
    line_item_id = draw(ids)
    product, variant = draw(_products())
    taxes = draw(
        some(
            st.builds(
                TaxAmount,
                name=l10n,
                rate_micros=RATES,
                type=st.sampled_from(TaxType),
                amount_micros=SMALL_AMOUNTS,
            )
        )
    )
    discounts = draw(some(_discounts(line_item_id)))
    retail_price, cost_price = draw(SMALL_AMOUNTS), draw(maybe(SMALL_AMOUNTS))
    vat, sales_tax = (
        sum(tax.amount_micros for tax in taxes if tax.type is kind)
        for kind in (TaxType.VAT, TaxType.SALES_TAX)
    )
    sub_total = retail_price - sum(each.amount_micros for each in discounts)
    base_price = sub_total - vat
    frozen = st.builds(FrozenFrom, line_item_id=ids, return_reference=ids) | st.builds(
        FrozenFrom, line_item_id=ids, quote_reference=ids
    )
    return EvaluatedLine(
        line_item_id=line_item_id,
        quantity_micros=draw(quantities),
        retail_price_micros=retail_price,
        sub_total_micros=sub_total,
        base_price_micros=base_price,
        total_micros=sub_total + sales_tax,
        vat_amount_micros=vat,
        sales_tax_amount_micros=sales_tax,
        total_tax_amount_micros=vat + sales_tax,
        taxes=taxes,
        discounts=discounts,
        cost_price_micros=cost_price,
        margin_micros=None if cost_price is None else base_price - cost_price,
        margin_total_micros=None if cost_price is None else base_price,
        contribution_status=draw(maybe(st.sampled_from(ContributionStatus))),
        product=product,
        variant=variant,
        unit=draw(maybe(texts)),
        unit_count_micros=draw(maybe(quantities)),
        behavior=draw(maybe(models.behaviors())),
        ecom_id=draw(maybe(ids)),
        comment=draw(maybe(texts)),
        bundle_label=draw(maybe(l10n.filter(bool))),
        frozen=draw(maybe(frozen)),
    )


def baskets_with_records() -> st.SearchStrategy[Basket]:
    """Draw baskets of returns and quotes alone."""
    entries = st.builds(
        ReturnedLine,
        line_item=recorded_lines(),
        quantity_micros=maybe(quantities),
        returned_before_micros=quantities | st.just(0),
    )
    sales = st.builds(ReturnedSale, return_reference=ids, line_items=some(entries))
    quotes = st.builds(Quote, quote_reference=ids, line_items=some(recorded_lines()))
    return st.builds(Basket, returns=some(sales), quotes=some(quotes))
