"""Close the register on every golden day: from recorded sales as JSON to the statement as JSON."""

from pathlib import Path
from typing import Any

import pytest

from engine.model import Sale
from engine.model.register import (
    CloseRules,
    Closing,
    PaymentCount,
    PaymentType,
    RegisterCloseStatement,
    RegisterEvent,
    RegisterPeriod,
)
from engine.numbers import format_micros, parse_decimal
from engine.records.sales import read_sale
from engine.reference import register as reference
from engine.register.reading import read_statement
from engine.register.rendering import register_summary_json, statement_json
from engine.register.reports import close_statement, next_cash_total_at_open, register_summary
from engine.register.totals import RegisterTotals
from engine.strict_json import decode
from server import aggregation
from tests.support.goldens import ROOT, differences, from_json, to_json

DOCUMENT: Any = from_json((ROOT / "registers" / "days.json").read_bytes())
CASES = [pytest.param(case, id=case["name"]) for case in DOCUMENT["cases"]]
WITH_SALES = [pytest.param(case, id=case["name"]) for case in DOCUMENT["cases"] if case["sales"]]


def sale_jsons(case: dict[str, Any]) -> list[bytes]:
    """Return the sales of a case with what they share."""
    shared = {name: case[name] for name in ("base_currency_code", "source", "timing")}
    return [to_json({**shared, **each}) for each in case["sales"]]


def sold(case: dict[str, Any]) -> list[Sale]:
    return [read_sale(decode(data)) for data in sale_jsons(case)]


def closed(case: dict[str, Any]) -> RegisterCloseStatement:
    """Return the statement of a case."""
    totals = RegisterTotals(case["base_currency_code"])
    for each in sold(case):
        totals.add(each)
    opened = case["period"]
    period = RegisterPeriod(
        id=opened["id"],
        base_currency_code=case["base_currency_code"],
        opened_at_ns=opened["opened_at_ns"],
        cash_total_at_open_micros=parse_decimal(opened["cash_total_at_open"]),
        event_counts={RegisterEvent(name): n for name, n in opened["event_counts"].items()},
    )
    # A sale of any kind has the source and the timing of the case.
    like = sold(DOCUMENT["cases"][0])[0]
    closing = Closing(
        sequence_number=1,
        source=like.source,
        timing=like.timing,
        reconciliation_time_ns=like.timing.timestamp_ns,
    )
    types = tuple(
        PaymentType(identifier=name, should_be_reconciled=is_counted)
        for name, is_counted in case["payment_types"]
    )
    counts = [_count(each) for each in case["counts"]]
    return close_statement(
        totals, period, counts, rules=CloseRules(payment_types=types), closing=closing
    )


def _count(members: dict[str, str]) -> PaymentCount:
    deposited = members.get("deposited_amount")
    return PaymentCount(
        payment_type_identifier=members["payment_type_identifier"],
        counted_micros=parse_decimal(members["counted"]),
        currency_code=members.get("currency_code"),
        deposited_amount_micros=None if deposited is None else parse_decimal(deposited),
    )


@pytest.mark.parametrize("case", CASES)
def test_register_golden_when_closed_then_statement_as_expected(case: dict[str, Any]) -> None:
    statement = closed(case)
    written = from_json(statement_json(statement))

    assert [] == list(differences(case["expected"], written, "statement")), case["why"]
    left = next_cash_total_at_open(statement)
    assert case["next_cash_total_at_open"] == format_micros(left, fraction_digits_min=2)


@pytest.mark.parametrize("case", CASES)
def test_register_golden_when_read_back_then_same_statement(case: dict[str, Any]) -> None:
    statement = closed(case)

    written = statement_json(statement)

    assert written == statement_json(read_statement(decode(written)))


@pytest.mark.parametrize("case", CASES)
def test_register_golden_when_summed_anew_by_the_reference_then_equal(
    case: dict[str, Any],
) -> None:
    totals = RegisterTotals(case["base_currency_code"])
    for each in sold(case):
        totals.add(each)

    expected = reference.register_summary(sold(case), case["base_currency_code"])
    assert expected == register_summary(totals, None)


@pytest.mark.parametrize("case", WITH_SALES)
@pytest.mark.parametrize("is_reference", [False, True])
def test_register_golden_when_aggregated_by_the_command_then_same_summary(
    case: dict[str, Any],
    *,
    is_reference: bool,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    path = tmp_path / "sales.ndjson"
    path.write_bytes(b"\n".join(sale_jsons(case)))

    status = aggregation.run(path, is_reference=is_reference)

    expected = register_summary_json(
        reference.register_summary(sold(case), case["base_currency_code"]),
        case["base_currency_code"],
    )
    assert aggregation.STATUS_TOTALLED == status
    assert from_json(expected) == from_json(capfdbinary.readouterr().out)
