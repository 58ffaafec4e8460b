"""Read statements of other systems: what may be absent, and what is refused."""

import json
from typing import Any

import pytest

from engine.errors import InvalidInput
from engine.model.register import PaymentFlow, RegisterEvent
from engine.register.reading import read_register_summary, read_statement
from engine.register.rendering import statement_json
from engine.rpc.convert.register import statement_to_proto
from engine.strict_json import decode
from tests.support.goldens import from_json

SALES: dict[str, Any] = {
    "base_price": 8,
    "count": 1,
    "item_count": 1,
    "margin": 0,
    "margin_total": 0,
    "sub_total": 10,
    "total": 10,
    "total_discounts": 0,
    "total_tax_amount": 2,
    "payments": [
        {
            "type": "cash",
            "totals": {
                "base_currency_total": 4,
                "base_currency_transaction_count": 1,
                "total": 10,
                "transaction_count": 2,
                "foreign_currencies": {"SEK": 9},
            },
        }
    ],
    "tax_summaries": [{"amount": 2, "name": "Moms", "rate": 0.25, "type": "vat"}],
}
SUMMARY: dict[str, Any] = {
    "all": SALES,
    "sales": SALES,
    "returns": SALES,
    "expenses": SALES,
    "cash_drawer_open_count": 3,
    "number_of_aborted_sales": 0,
    "number_of_initiated_sales": 1,
    "voided_count": 2,
    "id": "p",
    "opened_at": 1547191086.5,
    "cash_total_at_open": 100,
}
STATEMENT: dict[str, Any] = {
    "base_currency_code": "DKK",
    "reconciliation_time": 1547191086.25,
    "sequence_number": 12,
    "shop_info": {"vat_number": "38683829", "shop_address": {"city": "Aarhus", "zip": "8200"}},
    "source": {
        "cashier_id": "c",
        "cashier_name": "USC",
        "market_id": "dk",
        "market_name": "Danmark",
        "register_id": "r",
        "register_name": "iPad",
        "shop_id": "s",
        "shop_name": "Aarhus",
    },
    "register_summary": SUMMARY,
    "reconciliations": [
        {
            "counted": 10,
            "currency_code": "DKK",
            "depositing": "none",
            "payment_type_identifier": "card.external",
            "should_be_reconciled": False,
            "total": 10,
            "transaction_count": 1,
        }
    ],
    "timing": {"timestamp": 1547191086500, "timezone": "Europe/Copenhagen"},
}


def decoded(document: object) -> object:
    return decode(json.dumps(document))


def with_summary(**changes: Any) -> object:
    return decoded({**STATEMENT, "register_summary": {**SUMMARY, **changes}})


def test_statement_when_only_required_members_then_read() -> None:
    statement = read_statement(decoded(STATEMENT))

    payment = statement.register_summary.all.payments[0]
    assert PaymentFlow(total_micros=4_000_000, transaction_count=1) == payment.base
    assert 6_000_000 == payment.foreign[0].converted_micros
    assert statement.register_summary.all.vat_amount_micros is None
    assert 1_547_191_086_500_000_000 == statement.timing.timestamp_ns


def test_statement_when_counts_are_at_the_root_then_event_counts() -> None:
    summary = read_statement(decoded(STATEMENT)).register_summary

    assert {
        RegisterEvent.VOID: 2,
        RegisterEvent.CASH_DRAWER_OPENED: 3,
        RegisterEvent.SALE_INITIATED: 1,
    } == summary.event_counts


def test_statement_when_written_again_then_what_was_there_is_kept() -> None:
    written = from_json(statement_json(read_statement(decoded(STATEMENT))))

    assert isinstance(written, dict)
    assert STATEMENT["reconciliations"] == written["reconciliations"]
    assert STATEMENT["shop_info"] == written["shop_info"]
    assert written["register_summary"]["returns"].items() >= SALES.items()


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (with_summary(voided_count=3, event_counts={"void": 2}), "register_summary.voided_count"),
        (with_summary(event_counts={"voids": 2}), "register_summary.event_counts.voids"),
        (with_summary(event_counts={"void": -2}), "register_summary.event_counts.void"),
        (with_summary(event_counts={"void": 1.5}), "register_summary.event_counts.void"),
        (with_summary(all={**SALES, "count": "many"}), "register_summary.all.count"),
        (with_summary(all={**SALES, "item_count": 0.5}), "register_summary.all.item_count"),
        (
            with_summary(all={**SALES, "payments": [{"type": "cash"}]}),
            "register_summary.all.payments[0].totals",
        ),
        (with_summary(sales_by_product_group=[]), "register_summary.sales_by_product_group"),
        (decoded({**STATEMENT, "reconciliations": [{}]}), "reconciliations[0].total"),
        (decoded({**STATEMENT, "base_currency_code": "kr"}), "base_currency_code"),
        (decoded({**STATEMENT, "timing": {"timestamp": "now"}}), "timing.timestamp"),
        (decoded({**STATEMENT, "coment": "x"}), "coment"),
        (decoded([]), ""),
    ],
    ids=range(13),
)
def test_statement_when_member_is_bad_then_named(value: object, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_statement(value)

    assert field in [each.field for each in raised.value.problems]


def test_statement_when_foreign_currency_is_unknown_then_named() -> None:
    totals = {**SALES["payments"][0]["totals"], "foreign_currencies": {"kr": 1}}
    payments = [{"type": "cash", "totals": totals}]

    with pytest.raises(InvalidInput, match=r"payments\[0\]\.totals\.foreign_currencies\.kr"):
        read_register_summary(decoded({**SUMMARY, "all": {**SALES, "payments": payments}}))


def test_statement_when_in_a_journal_then_its_place_is_read_and_written() -> None:
    place = {"hash": "ab" * 32, "number": 7}
    statement = read_statement(decoded(STATEMENT | {"journal": place}))

    assert (7, "ab" * 32) == (statement.journal_number, statement.journal_hash)
    written: Any = from_json(statement_json(statement))
    assert place == written["journal"]
    assert (7, "ab" * 32) == (
        statement_to_proto(statement).journal.number,
        statement_to_proto(statement).journal.hash,
    )
    assert not statement_to_proto(read_statement(decoded(STATEMENT))).HasField("journal")


@pytest.mark.parametrize(
    ("place", "field"),
    [
        ({"number": 7}, "journal.hash"),
        ({"hash": "a"}, "journal.number"),
        ({"number": 7, "hash": "a", "x": 1}, "journal.x"),
        ({"number": -7, "hash": "a"}, "journal.number"),
    ],
)
def test_statement_when_its_place_in_a_journal_is_bad_then_named(
    place: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_statement(decoded(STATEMENT | {"journal": place}))

    assert [field] == [each.field for each in raised.value.problems]
