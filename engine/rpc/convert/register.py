"""Convert register summaries and close statements into messages; nothing reads them back."""

from collections.abc import Iterable, Mapping

from engine.model.register import (
    Depositing,
    ForeignPayments,
    PaymentFlow,
    PaymentTotals,
    Reconciliation,
    RegisterCloseStatement,
    RegisterEvent,
    RegisterSummary,
    SalesSummary,
    ShopInfo,
    TaxSummary,
)
from engine.rpc.convert.fields import numbers_of
from engine.rpc.convert.market import TAX_TYPE_NUMBERS
from engine.rpc.convert.recorded_sale import address_to_proto, source_to_proto, timing_to_proto
from engine.rpc.convert.text import text_to_proto
from engine.rpc.convert.time import time_to_proto
from tillcore.v1 import register_pb2

_EVENTS = numbers_of(RegisterEvent, register_pb2.RegisterEvent, "REGISTER_EVENT")
_DEPOSITINGS = numbers_of(Depositing, register_pb2.Depositing, "DEPOSITING")


def statement_to_proto(
    statement: RegisterCloseStatement,
) -> register_pb2.RegisterCloseStatement:
    """Return the message of a register close statement."""
    return register_pb2.RegisterCloseStatement(
        base_currency_code=statement.base_currency_code,
        sequence_number=statement.sequence_number,
        source=source_to_proto(statement.source),
        timing=timing_to_proto(statement.timing),
        reconciliation_time=time_to_proto(statement.reconciliation_time_ns),
        register_summary=register_summary_to_proto(statement.register_summary),
        reconciliations=map(_reconciliation_to_proto, statement.reconciliations),
        comment=statement.comment,
        shop_info=_shop_info_to_proto(statement.shop_info),
        journal=_journal_to_proto(statement),
    )


def _journal_to_proto(statement: RegisterCloseStatement) -> register_pb2.JournalPosition | None:
    if statement.journal_number is None or statement.journal_hash is None:
        return None
    return register_pb2.JournalPosition(
        number=statement.journal_number, hash=statement.journal_hash
    )


def register_summary_to_proto(summary: RegisterSummary) -> register_pb2.RegisterSummary:
    """Return the message of a register summary."""
    opened_at_ns = summary.opened_at_ns
    return register_pb2.RegisterSummary(
        all=_sales_to_proto(summary.all),
        sales=_sales_to_proto(summary.sales),
        returns=_sales_to_proto(summary.returns),
        expenses=_sales_to_proto(summary.expenses),
        all_by_product_group=_by_key(summary.all_by_product_group),
        sales_by_product_group=_by_key(summary.sales_by_product_group),
        returns_by_product_group=_by_key(summary.returns_by_product_group),
        event_counts=_events_to_proto(summary.event_counts),
        voided_count=summary.voided_count,
        cash_drawer_open_count=summary.cash_drawer_open_count,
        number_of_aborted_sales=summary.number_of_aborted_sales,
        number_of_initiated_sales=summary.number_of_initiated_sales,
        id=summary.id or "",
        opened_at=None if opened_at_ns is None else time_to_proto(opened_at_ns),
        cash_total_at_open_micros=summary.cash_total_at_open_micros,
        cash_diff_at_open_micros=summary.cash_diff_at_open_micros,
        cash_diff_comment_at_open=summary.cash_diff_comment_at_open,
    )


def _events_to_proto(counts: Mapping[RegisterEvent, int]) -> list[register_pb2.EventCount]:
    """Return the counts in the order of the events."""
    return [
        register_pb2.EventCount(event=_EVENTS[event], count=counts[event])
        for event in RegisterEvent
        if event in counts
    ]


def _by_key(summaries: Mapping[str, SalesSummary]) -> dict[str, register_pb2.SalesSummary]:
    return {key: _sales_to_proto(each) for key, each in summaries.items()}


def _sales_to_proto(summary: SalesSummary) -> register_pb2.SalesSummary:
    return register_pb2.SalesSummary(
        base_price_micros=summary.base_price_micros,
        margin_micros=summary.margin_micros,
        margin_total_micros=summary.margin_total_micros,
        sub_total_micros=summary.sub_total_micros,
        total_micros=summary.total_micros,
        total_discounts_micros=summary.total_discounts_micros,
        total_tax_amount_micros=summary.total_tax_amount_micros,
        vat_amount_micros=summary.vat_amount_micros,
        sales_tax_amount_micros=summary.sales_tax_amount_micros,
        count=summary.count,
        item_count=summary.item_count,
        payments=map(_payment_to_proto, summary.payments),
        tax_summaries=_taxes_to_proto(summary.tax_summaries),
        expenses_by_id=_by_key(summary.expenses_by_id),
    )


def _taxes_to_proto(taxes: Iterable[TaxSummary]) -> list[register_pb2.TaxSummary]:
    return [
        register_pb2.TaxSummary(
            name=text_to_proto(tax.name),
            rate_micros=tax.rate_micros,
            type=TAX_TYPE_NUMBERS[tax.type],
            amount_micros=tax.amount_micros,
            source_amount_micros=tax.source_amount_micros,
        )
        for tax in taxes
    ]


def _payment_to_proto(payment: PaymentTotals) -> register_pb2.PaymentTotals:
    return register_pb2.PaymentTotals(
        type=payment.type,
        total=_flow_to_proto(payment.total),
        base_currency=_flow_to_proto(payment.base),
        foreign_currencies=map(_foreign_to_proto, payment.foreign),
    )


def _foreign_to_proto(foreign: ForeignPayments) -> register_pb2.ForeignPayments:
    return register_pb2.ForeignPayments(
        currency_code=foreign.currency_code,
        tendered=_flow_to_proto(foreign.tendered),
        converted_micros=foreign.converted_micros,
    )


def _flow_to_proto(flow: PaymentFlow) -> register_pb2.PaymentFlow:
    return register_pb2.PaymentFlow(
        total_micros=flow.total_micros,
        transaction_count=flow.transaction_count,
        credit_micros=flow.credit_micros,
        debit_micros=flow.debit_micros,
        transaction_count_credit=flow.credit_count,
        transaction_count_debit=flow.debit_count,
    )


def _reconciliation_to_proto(each: Reconciliation) -> register_pb2.Reconciliation:
    return register_pb2.Reconciliation(
        payment_type_identifier=each.payment_type_identifier,
        currency_code=each.currency_code,
        total_micros=each.total_micros,
        counted_micros=each.counted_micros,
        difference_micros=each.difference_micros,
        should_be_reconciled=each.should_be_reconciled,
        depositing=_DEPOSITINGS[each.depositing],
        deposited_amount_micros=each.deposited_amount_micros,
        credit_micros=each.credit_micros,
        debit_micros=each.debit_micros,
        transaction_count=each.transaction_count,
        transaction_count_credit=each.transaction_count_credit,
        transaction_count_debit=each.transaction_count_debit,
        base_currency_total_micros=each.base_currency_total_micros,
    )


def _shop_info_to_proto(info: ShopInfo | None) -> register_pb2.ShopInfo | None:
    if info is None:
        return None
    return register_pb2.ShopInfo(
        vat_number=info.vat_number, shop_address=address_to_proto(info.shop_address)
    )
