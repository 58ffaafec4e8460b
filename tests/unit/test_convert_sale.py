"""Convert recorded sales and register statements: into messages, and sales back."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine.errors import InvalidInput
from engine.model import (
    Application,
    ContributionStatus,
    Customer,
    Dimension,
    DimensionValue,
    DiscountDomain,
    DiscountRecord,
    DiscountTrigger,
    Effect,
    EffectKind,
    Product,
    PurchaseType,
    ReceiptMetadata,
    Sale,
    ShopAddress,
    UnitRange,
    Variant,
)
from engine.model.register import (
    CloseRules,
    Closing,
    PaymentCount,
    RegisterEvent,
    RegisterPeriod,
    ShopInfo,
)
from engine.register.reports import close_statement
from engine.register.totals import RegisterTotals
from engine.rpc.convert.recorded_sale import sale_from_proto, sale_to_proto
from engine.rpc.convert.register import statement_to_proto
from tests.support.sales import FOOD, MOMS, NOON_NS, UNIT, line, paid, sale
from tillcore.v1 import register_pb2, sale_pb2

UNITS = UnitRange(line_item_id="1", start_index=0, end_index=2)
AMOUNT = Effect(kind=EffectKind.AMOUNT, value_micros=UNIT)
DISCOUNTS = (
    DiscountRecord(amount_micros=1, id="1", application=Application(basket=True), effect=AMOUNT),
    DiscountRecord(
        amount_micros=2,
        id="KX_PROMOTION_DOMAIN/c",
        application=Application(units=UNITS),
        effect=Effect(
            kind=EffectKind.PERCENTAGE_WITH_MAX, value_micros=50_000, max_micros=9 * UNIT
        ),
        domain=DiscountDomain.PROMOTION,
        identifier="c",
        name={"da": "Tilbud"},
        trigger=DiscountTrigger(count=2, units=(UNITS,)),
    ),
    DiscountRecord(
        amount_micros=-3,
        id="KX_SALE_PRICE_DOMAIN/p",
        application=Application(line_item_id="1"),
        effect=AMOUNT,
        domain=DiscountDomain.SALE_PRICE,
        identifier="p",
        trigger=DiscountTrigger(count=1, line_item_id="1"),
    ),
)
PRODUCT = Product(
    id="p",
    name="Red lamp",
    barcode="42",
    image_url="https://example.test/p",
    product_group="lamps",
    tags=("light",),
    dimensions=(
        Dimension(id="color", name="Color", values=(DimensionValue(id="red", name="Red"),)),
    ),
)
RICH_LINE = replace(
    line(80_00, (MOMS, 20_00), (FOOD, 1), cost=5_00),
    discounts=DISCOUNTS,
    product=PRODUCT,
    variant=Variant(id="v", name="Red lamp", dimension_values={"color": "red"}),
    contribution_status=ContributionStatus.ORANGE,
    unit="mass/kg",
    unit_count_micros=2_500_000,
    behavior={"expense": {"identifier": "0001", "image_urls": ["a", "b"]}},
    ecom_id="order",
    comment="a remark",
    bundle_label="(2 x Box)",
)
RICH: Sale = replace(
    sale(
        [RICH_LINE, replace(line(1_00), product=None)],
        [paid("cash", 100_00, ("SEK", 150_00)), paid("card", 1_01)],
        expense_reference="0001",
        purchase_type=PurchaseType(id="dine_out", name={"da": "Ude"}),
        customer=Customer(identifier="c", name="Firm", organization_number="1"),
        comment="for the record",
    ),
    checkout_identifier="checkout",
    receipt_metadata=ReceiptMetadata(
        header="Hi", vat_number="38683829", shop_address=ShopAddress(city="Aarhus", zip="8200")
    ),
    voided=True,
)


def wire(sold: Sale) -> sale_pb2.Sale:
    """Return a sale as it arrives."""
    return sale_pb2.Sale.FromString(sale_to_proto(sold).SerializeToString())


@pytest.mark.parametrize("sold", [RICH, sale([line(1_00)], is_return=True), sale([])])
def test_sale_when_sent_and_read_then_equal(sold: Sale) -> None:
    assert sold == sale_from_proto(wire(sold), "sale")


def test_sale_when_customer_is_a_person_then_the_identifier_alone() -> None:
    person = Customer(identifier="c", name="Ann", groups=("staff",), balance_micros=7)
    sold = sale([line(1_00)], customer=person)

    read = sale_from_proto(wire(sold), "sale")

    assert Customer(identifier="c") == read.summary.customer


def broken(**changes: Any) -> sale_pb2.Sale:
    """Return the rich sale with fields set or cleared by their paths, `__` for a dot."""
    message = wire(RICH)
    for path, value in changes.items():
        *outer, name = path.split("__")
        holder: Any = message
        for each in outer:
            holder = holder[int(each)] if each.isdigit() else getattr(holder, each)
        if value is None:
            holder.ClearField(name)
        else:
            setattr(holder, name, value)
    return message


LINE = "summary__line_items__0__"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (broken(identifier=None), "identifier"),
        (broken(base_currency_code="kr"), "base_currency_code"),
        (broken(sequence_number=-1), "sequence_number"),
        (broken(source__shop_id=None), "source.shop_id"),
        (broken(source__cashier_name="a\0"), "source.cashier_name"),
        (broken(timing__timestamp=None), "timing.timestamp"),
        (broken(timing__timezone="Mars"), "timing.timezone"),
        (broken(timing__timezone=None), "timing.timezone"),
        (broken(summary__total_micros=10**18), "summary.total_micros"),
        (broken(payments__0__payment_type=None), "payments[0].payment_type"),
        (broken(receipt_metadata__header="a\0"), "receipt_metadata.header"),
        (broken(**{LINE + "quantity_micros": 0}), "summary.line_items[0].quantity_micros"),
        (broken(**{LINE + "line_item_id": "2"}), "summary.line_items[1].line_item_id"),
        (broken(**{LINE + "line_item_id": None}), "summary.line_items[0].line_item_id"),
        (broken(**{LINE + "unit_count_micros": 0}), "summary.line_items[0].unit_count_micros"),
        (broken(**{LINE + "taxes__0__type": None}), "summary.line_items[0].taxes[0].type"),
        (broken(**{LINE + "taxes__0__name": None}), "summary.line_items[0].taxes[0].name"),
        (
            broken(**{LINE + "discounts__0__application": None}),
            "summary.line_items[0].discounts[0].application",
        ),
        (
            broken(**{LINE + "discounts__1__application__units__end_index": 0}),
            "summary.line_items[0].discounts[1].application.units.end_index",
        ),
        (
            broken(**{LINE + "discounts__1__id": "x" * 1_001}),
            "summary.line_items[0].discounts[1].id",
        ),
        (
            broken(**{LINE + "dimensions__0__value__id": None}),
            "summary.line_items[0].dimensions[0].value.id",
        ),
    ],
    ids=range(21),
)
def test_sale_when_a_field_is_bad_then_named(message: sale_pb2.Sale, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        sale_from_proto(message, "sale")

    assert [f"sale.{field}"] == [each.field for each in raised.value.problems]


def test_statement_when_sent_then_every_number_is_there() -> None:
    totals = RegisterTotals("DKK")
    totals.add(
        sale([line(80_00, (MOMS, 20_00), group="g")], [paid("cash", 100_00, ("SEK", 150_00))])
    )
    statement = close_statement(
        totals,
        RegisterPeriod(
            id="p",
            base_currency_code="DKK",
            opened_at_ns=NOON_NS,
            cash_total_at_open_micros=500 * UNIT,
            event_counts={RegisterEvent.APP_QUIT: 2},
        ),
        [
            PaymentCount(payment_type_identifier="cash", counted_micros=499 * UNIT),
            PaymentCount(
                payment_type_identifier="cash", counted_micros=150 * UNIT, currency_code="SEK"
            ),
        ],
        rules=CloseRules(),
        closing=Closing(
            sequence_number=3,
            source=RICH.source,
            timing=RICH.timing,
            reconciliation_time_ns=NOON_NS + 1,
            comment="one is missing",
            shop_info=ShopInfo(vat_number="38683829", shop_address=ShopAddress(name="Aarhus")),
        ),
    )

    message = statement_to_proto(statement)

    assert (3, "DKK", "one is missing", "Aarhus") == (
        message.sequence_number,
        message.base_currency_code,
        message.comment,
        message.shop_info.shop_address.name,
    )
    cash, foreign = message.reconciliations
    assert (-UNIT, register_pb2.DEPOSITING_MANUAL) == (cash.difference_micros, cash.depositing)
    assert (150 * UNIT, 100 * UNIT) == (
        foreign.deposited_amount_micros,
        foreign.base_currency_total_micros,
    )
    summary = message.register_summary
    assert [(register_pb2.REGISTER_EVENT_SALE, 1), (register_pb2.REGISTER_EVENT_APP_QUIT, 2)] == [
        (each.event, each.count) for each in summary.event_counts
    ]
    assert 80 * UNIT == summary.all_by_product_group["g"].tax_summaries[0].source_amount_micros
    assert 150 * UNIT == summary.all.payments[0].foreign_currencies[0].tendered.credit_micros
    assert not summary.HasField("cash_diff_at_open_micros")
