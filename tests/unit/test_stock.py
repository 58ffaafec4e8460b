"""Set, adjust, sell and count stock; read its imports and write its events."""

import json
from decimal import Decimal

import msgspec
import pytest

from engine.errors import InvalidInput, OutOfRange, WrongState
from engine.model import EvaluatedLine, Product, SaleSummary, Variant
from engine.model.stock import (
    StockCount,
    StockCountState,
    StockEvent,
    StockEventType,
    StockItem,
    StockLevel,
)
from engine.stock import (
    StockImport,
    abandoned_count,
    adjustment_events,
    applied,
    completed_count,
    levels_after,
    recorded_count,
    sale_events,
    set_events,
)
from engine.stock_json import event_json, read_stock, read_stock_deletion
from engine.strict_json import decode

ONE = 1_000_000
NOW_NS = 1_795_341_600_000_000_000
CHAIR = StockItem(product_id="chair")
SHIRT_M = StockItem(product_id="shirt", variant_id="m")
LOCATIONS = ("aarhus", "odense")
IMPORT = b'{"aarhus":{"p1":7,"p3":{"v1":7.5,"v2":-1}},"odense":{"p1":0}}'


def line(
    product_id: str,
    quantity_micros: int,
    *,
    variant_id: str | None = None,
    **members: object,
) -> EvaluatedLine:
    """Return an evaluated line of a product."""
    values: dict[str, object] = {
        "line_item_id": "1",
        "quantity_micros": quantity_micros,
        "retail_price_micros": 0,
        "sub_total_micros": 0,
        "base_price_micros": 0,
        "total_micros": 0,
        "vat_amount_micros": 0,
        "sales_tax_amount_micros": 0,
        "total_tax_amount_micros": 0,
        "product": Product(id=product_id, name=product_id),
        "variant": None if variant_id is None else Variant(id=variant_id),
    }
    return EvaluatedLine(**(values | members))  # type: ignore[arg-type]  # the members are the caller's


def summary(*lines: EvaluatedLine, is_return: bool = False) -> SaleSummary:
    """Return a sale of lines."""
    return SaleSummary(
        base_price_micros=0,
        sub_total_micros=0,
        total_micros=0,
        vat_amount_micros=0,
        sales_tax_amount_micros=0,
        total_tax_amount_micros=0,
        total_discounts_micros=0,
        line_items=lines,
        taxes=(),
        is_return=is_return,
    )


def sold(*lines: EvaluatedLine, is_return: bool = False) -> list[tuple[StockItem, str, int | None]]:
    """Return item, type and adjustment of each event of a sale."""
    events = sale_events(
        summary(*lines, is_return=is_return),
        sale_id="sale-1",
        stock_location_id="aarhus",
        now_ns=NOW_NS,
    )
    assert all(
        ("sale-1", "aarhus", NOW_NS) == (e.sale_id, e.stock_location_id, e.timestamp_ns)
        for e in events
    )
    return [(event.item, event.type.value, event.adjustment_micros) for event in events]


# --- imports ---------------------------------------------------------------------------------


def test_read_stock_when_products_and_variants_then_items_in_order() -> None:
    found = [
        (each.stock_location_id, *each.item.order, each.quantity_micros)
        for each in read_stock(decode(IMPORT), locations=LOCATIONS)
    ]

    assert [
        ("aarhus", "p1", "", 7 * ONE),
        ("aarhus", "p3", "v1", 7_500_000),
        ("aarhus", "p3", "v2", -ONE),
        ("odense", "p1", "", 0),
    ] == found


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (b"[]", "", "expected an object of stock by location"),
        (b'{"arhus":{"p":1}}', "arhus", "expected aarhus"),
        (b'{"aarhus":7}', "aarhus", "expected an object of stock by product"),
        (b'{"aarhus":{"p":"x"}}', "aarhus.p", "expected a decimal number"),
        (b'{"aarhus":{"p":1e9}}', "aarhus.p", None),
        (b'{"aarhus":{"p":1000000000.1}}', "aarhus.p", "expected a quantity from -1000000000"),
        (b'{"aarhus":{"a.b":1}}', 'aarhus["a.b"]', "expected an id without the characters"),
        (b'{"aarhus":{"p":{"":1}}}', 'aarhus.p[""]', "expected an id of at least one character"),
        (b'{"aarhus":{"p":{"v":{}}}}', "aarhus.p.v", "expected a decimal number"),
    ],
)
def test_read_stock_when_a_field_is_bad_then_it_is_named(
    body: bytes, field: str, message: str | None
) -> None:
    if message is None:
        assert 10**15 == read_stock(decode(body), locations=LOCATIONS)[0].quantity_micros
        return
    with pytest.raises(InvalidInput) as caught:
        read_stock(decode(body), locations=LOCATIONS)

    assert [field] == [problem.field for problem in caught.value.problems]
    assert message in caught.value.problems[0].message


def test_read_stock_when_there_are_too_many_items_then_refused() -> None:
    body = {"aarhus": {str(number): decode(b"1") for number in range(100_001)}}

    with pytest.raises(InvalidInput, match="at most 100000 items, was 100001"):
        read_stock(body, locations=LOCATIONS)


def test_read_deletion_when_numbers_are_anything_then_ignored() -> None:
    found = read_stock_deletion(
        decode(b'{"aarhus":{"p1":true,"p3":{"v1":null}}}'), locations=LOCATIONS
    )

    assert [("p1", ""), ("p3", "v1")] == [each.item.order for each in found]


def test_import_when_it_sets_then_external_reset_and_the_stock() -> None:
    imports = read_stock(decode(IMPORT), locations=LOCATIONS)
    events = set_events(imports, now_ns=NOW_NS)

    assert {StockEventType.EXTERNAL_RESET} == {event.type for event in events}
    assert [7 * ONE, 7_500_000, -ONE, 0] == [applied(99, event) for event in events]


def test_import_when_it_adjusts_then_it_adds_and_nothing_is_no_event() -> None:
    imports = read_stock(decode(IMPORT), locations=LOCATIONS)
    events = adjustment_events(imports, now_ns=NOW_NS)

    assert {StockEventType.EXTERNAL_ADJUSTMENT} == {event.type for event in events}
    assert [10 * ONE, 7_500_000, 0] == [
        applied(before, event) for before, event in zip((3 * ONE, None, ONE), events, strict=True)
    ]


def test_adjustment_when_goods_arrive_then_received() -> None:
    arrived = StockImport(stock_location_id="aarhus", item=CHAIR, quantity_micros=ONE)

    events = adjustment_events((arrived,), now_ns=NOW_NS, event_type=StockEventType.RECEIVED)

    assert [StockEventType.RECEIVED] == [event.type for event in events]


def test_applied_when_beyond_the_maximum_then_out_of_range() -> None:
    more = StockImport(stock_location_id="aarhus", item=SHIRT_M, quantity_micros=1)
    (event,) = adjustment_events((more,), now_ns=NOW_NS)

    with pytest.raises(OutOfRange, match=r"aarhus\.shirt\.m: expected a stock from -1000000000"):
        applied(10**15, event)


# --- sales -----------------------------------------------------------------------------------


def test_sale_when_lines_have_the_same_item_then_one_event() -> None:
    assert [(CHAIR, "sale", -3 * ONE), (SHIRT_M, "sale", -500_000)] == sold(
        line("shirt", 500_000, variant_id="m"),
        line("chair", ONE),
        line("chair", 2 * ONE),
    )


def test_sale_when_goods_come_back_then_return_adds_them() -> None:
    assert [(CHAIR, "return", 2 * ONE)] == sold(line("chair", -2 * ONE), is_return=True)


@pytest.mark.parametrize(("sign", "expected"), [(1, -250_000), (-1, 250_000)])
def test_sale_when_priced_by_count_then_its_units(sign: int, expected: int) -> None:
    candy = line("candy", sign * ONE, unit_count_micros=250_000)

    assert [(StockItem(product_id="candy"), "sale", expected)] == sold(candy)


@pytest.mark.parametrize(
    "other",
    [
        line("card", ONE, behavior={"giftcard": {"code": "1"}}),
        line("chair", ONE, ecom_id="order-1"),
        line("", ONE),
        line("chair", ONE, product=None),
    ],
)
def test_sale_when_a_line_moves_no_goods_here_then_no_event(other: EvaluatedLine) -> None:
    assert [] == sold(other)


def test_sale_when_it_takes_and_brings_back_the_same_then_no_event() -> None:
    assert [] == sold(line("chair", ONE), line("chair", -ONE))


# --- stock counts ----------------------------------------------------------------------------

COUNT = StockCount(identifier="count-1", stock_location_id="aarhus", started_ns=NOW_NS)


def test_count_when_completed_then_each_counted_item_is_reset() -> None:
    count = recorded_count(COUNT, [(SHIRT_M, ONE), (CHAIR, 2 * ONE)], is_added=True)
    count = recorded_count(count, [(CHAIR, 3 * ONE)], is_added=True)
    count = recorded_count(count, [(SHIRT_M, 4 * ONE)], is_added=False)

    completed, events = completed_count(count, {CHAIR: 7 * ONE}.get, now_ns=NOW_NS + 1)

    assert (StockCountState.COMPLETED, NOW_NS + 1) == (completed.state, completed.ended_ns)
    assert [
        (CHAIR, 5 * ONE, 7 * ONE, -2 * ONE, "count-1"),
        (SHIRT_M, 4 * ONE, 0, 4 * ONE, "count-1"),
    ] == [
        (
            event.item,
            event.new_stock_value_micros,
            event.stock_count_expected_micros,
            event.stock_count_diff_micros,
            event.stock_count_id,
        )
        for event in events
    ]
    assert {StockEventType.STOCK_COUNT_RESET} == {event.type for event in events}


def test_count_when_sold_while_counting_then_expected_is_the_stock_at_the_end() -> None:
    count = recorded_count(COUNT, [(CHAIR, 5 * ONE)], is_added=True)
    level = StockLevel(stock_location_id="aarhus", item=CHAIR, quantity_micros=7 * ONE)
    sale = sale_events(
        summary(line("chair", 2 * ONE)), sale_id="s", stock_location_id="aarhus", now_ns=NOW_NS
    )
    (after,) = levels_after([level], sale)

    _, (event,) = completed_count(count, lambda _: after.quantity_micros, now_ns=NOW_NS)

    assert 0 == event.stock_count_diff_micros
    assert [5 * ONE] == [each.quantity_micros for each in levels_after([after], [event])]


@pytest.mark.parametrize("quantity_micros", [-1, 10**15 + 1])
def test_count_when_a_quantity_is_impossible_then_out_of_range(quantity_micros: int) -> None:
    with pytest.raises(OutOfRange, match="expected a count from 0"):
        recorded_count(COUNT, [(CHAIR, quantity_micros)], is_added=True)


@pytest.mark.parametrize("state", [StockCountState.COMPLETED, StockCountState.ABANDONED])
def test_count_when_it_ended_then_nothing_more_happens(state: StockCountState) -> None:
    ended = msgspec.structs.replace(COUNT, state=state)

    with pytest.raises(WrongState, match=f"was {state.value}: count-1"):
        recorded_count(ended, [], is_added=True)
    with pytest.raises(WrongState):
        completed_count(ended, lambda _: None, now_ns=NOW_NS)
    with pytest.raises(WrongState):
        abandoned_count(ended, now_ns=NOW_NS)


def test_count_when_abandoned_then_it_says_so() -> None:
    abandoned = abandoned_count(COUNT, now_ns=NOW_NS + 5)

    assert (StockCountState.ABANDONED, NOW_NS + 5) == (abandoned.state, abandoned.ended_ns)


# --- events ----------------------------------------------------------------------------------


def test_event_when_from_a_count_then_every_member_of_the_reference() -> None:
    event = StockEvent(
        stock_location_id="aarhus",
        item=SHIRT_M,
        type=StockEventType.STOCK_COUNT_RESET,
        timestamp_ns=NOW_NS + 250_000_000,
        new_stock_value_micros=4_500_000,
        stock_count_id="count-1",
        stock_count_expected_micros=5 * ONE,
        stock_count_diff_micros=-500_000,
    )

    assert {
        "new_stock_value": Decimal("4.5"),
        "product_id": "shirt",
        "stock_count_diff": Decimal("-0.5"),
        "stock_count_expected": Decimal(5),
        "stock_count_id": "count-1",
        "stock_location_id": "aarhus",
        "timestamp": "2026-11-22T10:00:00.25Z",
        "type": "stock_count_reset",
        "variant_id": "m",
    } == json.loads(event_json(event), parse_float=Decimal, parse_int=Decimal)


def test_event_when_from_a_sale_then_adjustment_and_sale() -> None:
    (event,) = sale_events(
        summary(line("chair", ONE)), sale_id="sale-1", stock_location_id="aarhus", now_ns=NOW_NS
    )

    assert (
        b'{"adjustment":-1,"product_id":"chair","sale_id":"sale-1","stock_location_id":"aarhus",'
        b'"timestamp":"2026-11-22T10:00:00Z","type":"sale"}'
    ) == event_json(event)
