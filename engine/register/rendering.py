"""Write register summaries and close statements as JSON of the reference documents.

Numbers are literals with exactly the value: amounts with the digits of their currency, times in
seconds. Keys are in alphabetical order. What is absent is left out.
"""

import msgspec

from engine.model.register import (
    PaymentFlow,
    PaymentTotals,
    Reconciliation,
    RegisterCloseStatement,
    RegisterSummary,
    SalesSummary,
    ShopInfo,
    TaxSummary,
)
from engine.numbers import CURRENCY_SCALES, format_micros
from engine.render_line import ENCODER, Json, given, plain
from engine.timings import seconds_json, source_json, timing_json


def statement_json(statement: RegisterCloseStatement) -> bytes:
    """Return a register close statement as one JSON object in UTF-8, without line breaks."""
    currency_code = statement.base_currency_code
    members: Json = {
        "base_currency_code": currency_code,
        "comment": statement.comment,
        "journal": _journal(statement),
        "reconciliation_time": seconds_json(statement.reconciliation_time_ns),
        "reconciliations": [
            _reconciliation(each, currency_code) for each in statement.reconciliations
        ],
        "register_summary": _Writer(currency_code).summary(statement.register_summary),
        "sequence_number": statement.sequence_number,
        "shop_info": _shop_info(statement.shop_info),
        "source": source_json(statement.source),
        "timing": timing_json(statement.timing),
    }
    return ENCODER.encode(given(members))


def register_summary_json(summary: RegisterSummary, base_currency_code: str) -> bytes:
    """Return a register summary as one JSON object in UTF-8, without line breaks.

    Args:
        summary: The summary.
        base_currency_code: Its currency, which decides the digits of the amounts.
    """
    return ENCODER.encode(_Writer(base_currency_code).summary(summary))


class _Writer:
    """Writes a summary in one base currency."""

    def __init__(self, base_currency_code: str) -> None:
        self._currency_code = base_currency_code

    def _amount(self, micros: int | None) -> msgspec.Raw | None:
        return _amount(micros, self._currency_code)

    def summary(self, summary: RegisterSummary) -> Json:
        """Return a register summary; the four counts at its root repeat event counts."""
        opened_at_ns = summary.opened_at_ns
        members: Json = {
            "all": self._whole(summary.all),
            "all_by_product_group": self._by_key(summary.all_by_product_group),
            "cash_diff_at_open": self._amount(summary.cash_diff_at_open_micros),
            "cash_diff_comment_at_open": summary.cash_diff_comment_at_open,
            "cash_drawer_open_count": summary.cash_drawer_open_count,
            "cash_total_at_open": self._amount(summary.cash_total_at_open_micros),
            "event_counts": {event.value: n for event, n in summary.event_counts.items()},
            "expenses": self._whole(summary.expenses),
            "id": summary.id,
            "number_of_aborted_sales": summary.number_of_aborted_sales,
            "number_of_initiated_sales": summary.number_of_initiated_sales,
            "opened_at": None if opened_at_ns is None else seconds_json(opened_at_ns),
            "returns": self._whole(summary.returns),
            "returns_by_product_group": self._by_key(summary.returns_by_product_group),
            "sales": self._whole(summary.sales),
            "sales_by_product_group": self._by_key(summary.sales_by_product_group),
            "voided_count": summary.voided_count,
        }
        return given(members)

    def _by_key(self, summaries: dict[str, SalesSummary]) -> Json:
        return {key: self.sales(each) for key, each in summaries.items()}

    def _whole(self, summary: SalesSummary) -> Json:
        """Return the summary of whole sales, which has its payments by currency too."""
        transactions = [self._transaction(each) for each in summary.payments]
        return self.sales(summary) | {"transactions": transactions}

    def sales(self, summary: SalesSummary) -> Json:
        """Return a sales summary."""
        members: Json = {
            "base_price": self._amount(summary.base_price_micros),
            "count": summary.count,
            "expenses_by_id": self._by_key(summary.expenses_by_id) or None,
            "item_count": summary.item_count,
            "margin": self._amount(summary.margin_micros),
            "margin_total": self._amount(summary.margin_total_micros),
            "payments": [self._payment(each) for each in summary.payments],
            "sales_tax_amount": self._amount(summary.sales_tax_amount_micros),
            "sub_total": self._amount(summary.sub_total_micros),
            "tax_summaries": [self._tax(each) for each in summary.tax_summaries],
            "total": self._amount(summary.total_micros),
            "total_discounts": self._amount(summary.total_discounts_micros),
            "total_tax_amount": self._amount(summary.total_tax_amount_micros),
            "vat_amount": self._amount(summary.vat_amount_micros),
        }
        return given(members)

    def _tax(self, tax: TaxSummary) -> Json:
        members: Json = {
            "amount": self._amount(tax.amount_micros),
            "name": tax.name,
            "rate": plain(tax.rate_micros),
            "source_amount": self._amount(tax.source_amount_micros),
            "type": tax.type.value,
        }
        return given(members)

    def _payment(self, payment: PaymentTotals) -> Json:
        """Return the totals of a payment type."""
        totals = self._flow(payment.base, "base_currency_") | self._flow(payment.total, "")
        foreign: dict[str, Json] = {}
        for each in payment.foreign:
            for name, value in _flow_members(each.tendered).items():
                shown = _foreign(name, value, each.currency_code)
                if shown is not None:
                    foreign.setdefault(_foreign_name(name), {})[each.currency_code] = shown
        return {"totals": totals | foreign, "type": payment.type}

    def _flow(self, flow: PaymentFlow, prefix: str) -> Json:
        """Return the members of a flow in the base currency."""
        members: Json = {
            f"{prefix}{name}": value if "count" in name else self._amount(value)
            for name, value in _flow_members(flow).items()
        }
        return given(members)

    def _transaction(self, payment: PaymentTotals) -> Json:
        """Return the payments of a type by currency, each also as its value in the base."""
        by_currency: dict[str, Json] = {}
        if payment.base.transaction_count or not payment.foreign:
            total = self._amount(payment.base.total_micros)
            by_currency[self._currency_code] = {"total": total}
        for each in payment.foreign:
            members: Json = {
                "foreign_currency_total": _amount(each.tendered.total_micros, each.currency_code),
                "total": self._amount(each.converted_micros),
            }
            by_currency[each.currency_code] = given(members)
        return {"totals": {"all": {"by_currency": by_currency}}, "type": payment.type}


def _flow_members(flow: PaymentFlow) -> dict[str, int | None]:
    """Return the numbers of a flow by their names in the reference."""
    return {
        "total": flow.total_micros,
        "total_credit": flow.credit_micros,
        "total_debit": flow.debit_micros,
        "transaction_count": flow.transaction_count,
        "transaction_count_credit": flow.credit_count,
        "transaction_count_debit": flow.debit_count,
    }


def _foreign_name(name: str) -> str:
    """Return the reference's name of a number by foreign currency: the total has no suffix."""
    rest = name.removeprefix("total").lstrip("_")
    return "_".join(part for part in ("foreign_currencies", rest) if part)


def _foreign(name: str, value: int | None, currency_code: str) -> object:
    return value if "count" in name else _amount(value, currency_code)


def _reconciliation(each: Reconciliation, base_currency_code: str) -> Json:
    """Return a reconciliation, whose amounts are in its own currency but for one."""
    code = each.currency_code
    members: Json = {
        "base_currency_total": _amount(each.base_currency_total_micros, base_currency_code),
        "counted": _amount(each.counted_micros, code),
        "credit": _amount(each.credit_micros, code),
        "currency_code": code,
        "debit": _amount(each.debit_micros, code),
        "deposited_amount": _amount(each.deposited_amount_micros, code),
        "depositing": each.depositing.value,
        "payment_type_identifier": each.payment_type_identifier,
        "should_be_reconciled": each.should_be_reconciled,
        "total": _amount(each.total_micros, code),
        "transaction_count": each.transaction_count,
        "transaction_count_credit": each.transaction_count_credit,
        "transaction_count_debit": each.transaction_count_debit,
    }
    return given(members)


def _journal(statement: RegisterCloseStatement) -> Json | None:
    """Return the place of the statement in the journal, where it has one."""
    if statement.journal_hash is None:
        return None
    return {"hash": statement.journal_hash, "number": statement.journal_number}


def _shop_info(info: ShopInfo | None) -> Json | None:
    if info is None:
        return None
    address = info.shop_address
    members: Json | None = None
    if address is not None:
        names = address.__struct_fields__
        members = given({name: getattr(address, name) for name in names})
    return given({"shop_address": members, "vat_number": info.vat_number})


def _amount(micros: int | None, currency_code: str) -> msgspec.Raw | None:
    """Return an amount with at least the digits of its currency, more where it has them."""
    if micros is None:
        return None
    scale = CURRENCY_SCALES[currency_code]
    return msgspec.Raw(format_micros(micros, fraction_digits_min=scale).encode())
