"""Hold register totals to their identities, and to a recomputation that shares nothing."""

from collections.abc import Iterator, Sequence
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Sale
from engine.model.register import PaymentFlow, RegisterSummary, SalesSummary
from engine.reference import register as reference
from engine.register.reading import read_register_summary
from engine.register.rendering import register_summary_json
from engine.register.reports import register_summary
from engine.register.totals import RegisterTotals
from engine.strict_json import decode
from tests.support.sales import random_sales

SUMS = (
    "base_price_micros",
    "margin_micros",
    "margin_total_micros",
    "sub_total_micros",
    "total_micros",
    "total_discounts_micros",
    "total_tax_amount_micros",
    "vat_amount_micros",
    "sales_tax_amount_micros",
    "item_count",
)
"""The numbers that add up over kinds and over product groups; a sale may be in several groups."""

many_sales = st.builds(random_sales, seed=st.integers(0, 2**32), count=st.integers(0, 8))


def totals_of(sold: Sequence[Sale]) -> RegisterTotals:
    totals = RegisterTotals("DKK")
    for sale in sold:
        totals.add(sale)
    return totals


def summary_of(sold: Sequence[Sale]) -> RegisterSummary:
    return register_summary(totals_of(sold), None)


def sums(*summaries: SalesSummary) -> list[int]:
    return [sum(getattr(each, name) for each in summaries) for name in SUMS]


def whole(summary: RegisterSummary) -> tuple[SalesSummary, ...]:
    return summary.all, summary.sales, summary.returns, summary.expenses


@given(many_sales)
def test_summary_when_recomputed_from_all_sales_then_equal(sold: list[Sale]) -> None:
    assert reference.register_summary(sold, "DKK") == summary_of(sold)


@given(many_sales)
def test_all_when_kinds_are_added_then_equal(sold: list[Sale]) -> None:
    summary = summary_of(sold)
    kinds = summary.sales, summary.returns, summary.expenses

    assert sums(*kinds) == sums(summary.all)
    assert sum(each.count for each in kinds) == summary.all.count
    assert _taxes(*kinds) == _taxes(summary.all)
    assert _flows(*kinds) == _flows(summary.all)


def _taxes(*summaries: SalesSummary) -> dict[str, list[int]]:
    """Return amount and base by tax."""
    found: dict[str, list[int]] = {}
    for summary in summaries:
        for tax in summary.tax_summaries:
            key = repr((tax.name, tax.rate_micros, tax.type))
            row = found.setdefault(key, [0, 0])
            row[0] += tax.amount_micros
            row[1] += tax.source_amount_micros or 0
    return found


def _flows(*summaries: SalesSummary) -> dict[tuple[str, str], list[int]]:
    """Return all numbers of payments by type and currency."""
    found: dict[tuple[str, str], list[int]] = {}
    for summary in summaries:
        for payment in summary.payments:
            flows = [("total", payment.total), ("base", payment.base)]
            flows += [(each.currency_code, each.tendered) for each in payment.foreign]
            for name, flow in flows:
                row = found.setdefault((payment.type, name), [0] * 6)
                for index, value in enumerate(msgspec.structs.astuple(flow)):
                    row[index] += value
            for each in payment.foreign:
                row = found.setdefault((payment.type, f"{each.currency_code} value"), [0])
                row[0] += each.converted_micros or 0
    return found


@given(many_sales)
def test_product_groups_when_added_then_their_kind(sold: list[Sale]) -> None:
    summary = summary_of(sold)
    by_group = (
        (summary.all, summary.all_by_product_group),
        (summary.sales, summary.sales_by_product_group),
        (summary.returns, summary.returns_by_product_group),
    )

    for kind, groups in by_group:
        assert sums(kind) == sums(*groups.values())
        assert _taxes(kind) == _taxes(*groups.values())
        assert all(group.count <= kind.count for group in groups.values())
    assert sums(summary.expenses) == sums(*summary.expenses.expenses_by_id.values())


@given(many_sales)
def test_payments_when_added_then_total(sold: list[Sale]) -> None:
    for summary in whole(summary_of(sold)):
        assert summary.total_micros == sum(each.total.total_micros for each in summary.payments)


@given(many_sales)
def test_flows_when_sides_are_added_then_total_and_count(sold: list[Sale]) -> None:
    for flow in _every_flow(summary_of(sold)):
        assert flow.credit_micros is not None
        assert flow.debit_micros is not None
        assert flow.total_micros == flow.credit_micros + flow.debit_micros
        assert flow.debit_micros <= 0 <= flow.credit_micros
        assert flow.transaction_count == (flow.credit_count or 0) + (flow.debit_count or 0)


def _every_flow(summary: RegisterSummary) -> Iterator[PaymentFlow]:
    for kind in whole(summary):
        for payment in kind.payments:
            yield from (payment.total, payment.base)
            yield from (each.tendered for each in payment.foreign)


@given(many_sales)
def test_taxes_when_added_then_tax_amounts(sold: list[Sale]) -> None:
    summary = summary_of(sold)
    groups = (*summary.all_by_product_group.values(), *summary.sales_by_product_group.values())

    for each in (*whole(summary), *groups):
        taxes = sum(tax.amount_micros for tax in each.tax_summaries)
        assert taxes == each.total_tax_amount_micros
        assert each.total_micros == each.base_price_micros + taxes


@given(many_sales, st.randoms(use_true_random=False), st.integers(0, 8))
def test_totals_when_merged_in_any_order_then_equal(
    sold: list[Sale], random: Random, cut: int
) -> None:
    shuffled = list(sold)
    random.shuffle(shuffled)
    one, other = totals_of(shuffled[:cut]), totals_of(shuffled[cut:])
    reverse = RegisterTotals("DKK")
    reverse.merge(other)
    reverse.merge(one)
    one.merge(other)

    assert totals_of(sold) == one
    assert reverse == one
    assert totals_of(sold).to_plain() == one.to_plain()


@given(many_sales)
def test_totals_when_written_and_read_then_equal(sold: list[Sale]) -> None:
    totals = totals_of(sold)
    stored = msgspec.json.decode(msgspec.json.encode(totals.to_plain()))

    assert totals == RegisterTotals.from_plain(stored)


@given(many_sales)
def test_summary_when_written_and_read_then_equal(sold: list[Sale]) -> None:
    written = register_summary_json(summary_of(sold), "DKK")

    assert summary_of(sold) == read_register_summary(decode(written))
