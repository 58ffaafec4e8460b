"""Convert evaluated baskets into messages; nothing reads them back."""

from engine.customers import recorded
from engine.model import (
    CustomerAccount,
    EvaluatedBasket,
    Explanation,
    ExplanationReason,
    PurchaseType,
    Settlement,
)
from engine.rpc.convert.customer import customer_to_proto
from engine.rpc.convert.evaluated_line import (
    evaluated_line_to_proto,
    status_to_proto,
    tax_amount_to_proto,
)
from engine.rpc.convert.fields import numbers_of
from engine.rpc.convert.sale_part import sale_part_to_proto
from engine.rpc.convert.text import text_to_proto
from engine.rpc.convert.time import time_to_proto
from tillcore.v1 import evaluated_basket_pb2, product_pb2

_REASONS = numbers_of(
    ExplanationReason,
    evaluated_basket_pb2.CampaignExplanationReason,
    "CAMPAIGN_EXPLANATION_REASON",
)


def evaluated_basket_to_proto(
    basket: EvaluatedBasket, evaluate_time_ns: int
) -> evaluated_basket_pb2.EvaluatedBasket:
    """Return the message of an evaluated basket.

    Args:
        basket: The evaluated basket.
        evaluate_time_ns: The moment whose rules applied, in nanoseconds since 1970-01-01 UTC.
    """
    return evaluated_basket_pb2.EvaluatedBasket(
        currency_code=basket.currency_code,
        line_items=map(evaluated_line_to_proto, basket.line_items),
        total_micros=basket.total_micros,
        sub_total_micros=basket.sub_total_micros,
        base_price_micros=basket.base_price_micros,
        vat_amount_micros=basket.vat_amount_micros,
        sales_tax_amount_micros=basket.sales_tax_amount_micros,
        total_tax_amount_micros=basket.total_tax_amount_micros,
        total_discounts_micros=basket.total_discounts_micros,
        taxes=map(tax_amount_to_proto, basket.taxes),
        payment=_settlement_to_proto(basket.payment),
        margin_micros=basket.margin_micros,
        margin_total_micros=basket.margin_total_micros,
        contribution_status=status_to_proto(basket.contribution_status),
        evaluate_time=time_to_proto(evaluate_time_ns),
        purchase_type=purchase_type_to_proto(basket.purchase_type),
        customer=customer_to_proto(recorded(basket.customer)),
        explanations=map(_explanation_to_proto, basket.explanations or ()),
        customer_account=_account_to_proto(basket.customer_account),
        sales=map(sale_part_to_proto, basket.sales),
        optimal=basket.optimal,
        gap_micros=basket.gap_micros,
    )


def _explanation_to_proto(explanation: Explanation) -> evaluated_basket_pb2.CampaignExplanation:
    if explanation.reason is None:
        return evaluated_basket_pb2.CampaignExplanation(
            id=explanation.campaign_id, amount_micros=explanation.amount_micros
        )
    return evaluated_basket_pb2.CampaignExplanation(
        id=explanation.campaign_id,
        reason=_REASONS[explanation.reason],
        missing_count=explanation.missing_count,
        missing_amount_micros=explanation.missing_micros,
        taken_by=explanation.taken_by or "",
    )


def _settlement_to_proto(settlement: Settlement) -> evaluated_basket_pb2.Settlement:
    return evaluated_basket_pb2.Settlement(
        due_micros=settlement.due_micros,
        cash_due_micros=settlement.cash_due_micros,
        cash_rounding_micros=settlement.cash_rounding_micros,
        cashback_micros=settlement.cashback_micros,
        foreign_due=[
            evaluated_basket_pb2.ForeignDue(
                currency_code=each.currency_code, amount_micros=each.amount_micros
            )
            for each in settlement.foreign_due
        ],
    )


def _account_to_proto(
    account: CustomerAccount | None,
) -> evaluated_basket_pb2.CustomerAccount | None:
    if account is None:
        return None
    return evaluated_basket_pb2.CustomerAccount(
        credit_available_micros=account.credit_available_micros,
        overdue_deposit_micros=account.overdue_deposit_micros,
    )


def purchase_type_to_proto(purchase_type: PurchaseType | None) -> product_pb2.PurchaseType | None:
    """Return the purchase type; one without a name goes by its id."""
    if purchase_type is None:
        return None
    name = purchase_type.name or purchase_type.id
    return product_pb2.PurchaseType(id=purchase_type.id, name=text_to_proto(name))
