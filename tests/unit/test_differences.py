"""Name the first difference of values: its path, and both sides as people read them."""

import pytest

from engine.differences import first_difference
from engine.model.market import TaxType
from engine.model.register import PaymentFlow, PaymentTotals, SalesSummary, TaxSummary

FLOW = PaymentFlow(total_micros=1_500_000, transaction_count=1)
CASH = PaymentTotals(type="cash", total=FLOW, base=FLOW)
TAX = TaxSummary(name={"da": "Moms"}, rate_micros=250_000, type=TaxType.VAT, amount_micros=1)


def summary(**members: object) -> SalesSummary:
    """Return a summary."""
    return SalesSummary(**members)  # type: ignore[arg-type]  # any member


@pytest.mark.parametrize(
    ("expected", "found", "difference"),
    [
        (summary(), summary(), None),
        (
            summary(total_micros=1_500_000, count=1),
            summary(total_micros=2_000_000, count=2),
            "s.total: expected 1.5, was 2",
        ),
        (summary(count=1), summary(count=2), "s.count: expected 1, was 2"),
        (
            summary(payments=(CASH,)),
            summary(),
            f"s.payments.0: expected {CASH}, was absent",
        ),
        (
            summary(vat_amount_micros=None),
            summary(vat_amount_micros=0),
            "s.vat_amount: expected absent, was 0",
        ),
        (
            summary(expenses_by_id={"a": summary(), "b": summary()}),
            summary(expenses_by_id={"a": summary(), "b": summary(count=1)}),
            "s.expenses_by_id.b.count: expected 0, was 1",
        ),
        (
            summary(tax_summaries=(TAX,)),
            summary(
                tax_summaries=(
                    TaxSummary(
                        name={"da": "Moms"},
                        rate_micros=250_000,
                        type=TaxType.SALES_TAX,
                        amount_micros=1,
                    ),
                )
            ),
            "s.tax_summaries.0.type: expected vat, was sales_tax",
        ),
    ],
)
def test_difference_when_compared_then_the_first_one(
    expected: SalesSummary, found: SalesSummary, difference: str | None
) -> None:
    assert difference == first_difference(expected, found, "s")
