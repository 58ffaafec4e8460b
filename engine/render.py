"""Write evaluated baskets and errors as JSON: the edge on the way out.

An evaluated basket becomes `sale.summary` of the reference (models). Numbers are literals with
exactly the value, never through a float: amounts with the digits of the currency, rates and
quantities without trailing zeros. Keys are in alphabetical order, as in the reference's sample,
so the same basket gives the same bytes. What is absent is left out.
"""

from collections.abc import Iterable

from engine import limits
from engine.behaviors import is_return
from engine.errors import TillcoreError
from engine.model import (
    CustomerAccount,
    EvaluatedBasket,
    Explanation,
    Settlement,
)
from engine.render_line import ENCODER, Json, customer_members, given, purchase_type_members
from engine.render_sale import SaleWriter


def summary_json(evaluated: EvaluatedBasket) -> bytes:
    """Return an evaluated basket as `sale.summary`, with the settlement as `payment`.

    Args:
        evaluated: The basket; its currency decides the digits of the amounts.

    Returns:
        One JSON object in UTF-8, without line breaks.
    """
    writer = _Writer(evaluated.currency_code)
    return ENCODER.encode(given(writer.summary(evaluated)))


def error_json(error: TillcoreError) -> bytes:
    """Return an error as `{"error": {"code", "message", "fields": [{"field", "message"}]}}`.

    The first field is named, and more up to `limits.PROBLEMS_REPORTED_MAX` of them and
    `limits.PROBLEM_BYTES_MAX` bytes; a last entry without a field then counts the rest.
    """
    fields: list[Json] = []
    size = 0
    for problem in error.problems[: limits.PROBLEMS_REPORTED_MAX]:
        entry: Json = {"field": problem.field, "message": problem.message}
        size += len(ENCODER.encode(entry))
        if fields and size > limits.PROBLEM_BYTES_MAX:
            break
        fields.append(entry)
    rest = len(error.problems) - len(fields)
    if rest:
        fields.append({"field": "", "message": f"and {rest} more"})
    message = error.message.encode("utf-8", "replace")[: limits.PROBLEM_BYTES_MAX]
    body = {
        "code": error.code,
        "fields": fields,
        "message": message.decode("utf-8", "ignore"),
    }
    return ENCODER.encode({"error": body})


class _Writer(SaleWriter):
    """Writes the parts of an evaluated basket."""

    def summary(self, evaluated: EvaluatedBasket) -> Json:
        """Return the members of `sale.summary`; None stands for what is absent."""
        lines = evaluated.line_items
        status = evaluated.contribution_status
        return {
            "base_price": self.amount(evaluated.base_price_micros),
            "contribution_status": None if status is None else status.value,
            "customer": customer_members(evaluated.customer),
            "customer_account": self._account(evaluated.customer_account),
            "explanations": self._explanations(evaluated.explanations),
            "gap": self.optional_amount(evaluated.gap_micros),
            "is_return": is_return(lines),
            "line_items": [given(self.line(line)) for line in lines],
            "margin": self.optional_amount(evaluated.margin_micros),
            "margin_total": self.optional_amount(evaluated.margin_total_micros),
            "optimal": evaluated.optimal,
            "payment": self.settlement(evaluated.payment),
            "purchase_type": purchase_type_members(evaluated.purchase_type),
            "sales": [self.part(each) for each in evaluated.sales] or None,
            "sales_tax_amount": self.amount(evaluated.sales_tax_amount_micros),
            "sub_total": self.amount(evaluated.sub_total_micros),
            "taxes": self.taxes(evaluated.taxes),
            "total": self.amount(evaluated.total_micros),
            "total_discounts": self.amount(evaluated.total_discounts_micros),
            "total_tax_amount": self.amount(evaluated.total_tax_amount_micros),
            "vat_amount": self.amount(evaluated.vat_amount_micros),
        }

    def _explanations(self, explanations: Iterable[Explanation] | None) -> list[Json] | None:
        """Return what the campaigns gave, or why they gave nothing; None when nobody asked."""
        return None if explanations is None else [self.explanation(each) for each in explanations]

    def explanation(self, explanation: Explanation) -> Json:
        """Return what a campaign gave, or why it gave nothing (evaluation, 3.7)."""
        if explanation.reason is None:
            return {
                "amount": self.amount(explanation.amount_micros),
                "id": explanation.campaign_id,
            }
        members: Json = {
            "id": explanation.campaign_id,
            "missing_amount": self.optional_amount(explanation.missing_micros),
            "missing_count": explanation.missing_count,
            "reason": explanation.reason.value,
            "taken_by": explanation.taken_by,
        }
        return given(members)

    def settlement(self, settlement: Settlement) -> Json:
        """Return what is left to pay, also by foreign currency where there is a rate."""
        foreign = {
            each.currency_code: _Writer(each.currency_code).amount(each.amount_micros)
            for each in settlement.foreign_due
        }
        members: Json = {
            "cash_due": self.amount(settlement.cash_due_micros),
            "cash_rounding": self.amount(settlement.cash_rounding_micros),
            "cashback": self.amount(settlement.cashback_micros),
            "due": self.amount(settlement.due_micros),
            "foreign_due": foreign or None,
        }
        return given(members)

    def _account(self, account: CustomerAccount | None) -> Json | None:
        """Return the credit that is left and the overdue amount to ask for."""
        if account is None:
            return None
        members: Json = {
            "credit_available": self.optional_amount(account.credit_available_micros),
            "overdue_deposit": self.optional_amount(account.overdue_deposit_micros),
        }
        return given(members)
