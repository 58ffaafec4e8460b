"""Write the messages of CheckoutService: what is stored of checkouts, sales, quotes and baskets."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from google.protobuf.message import Message
from sqlalchemy import RowMapping

from engine.model import CheckoutSale, Quote, Source
from engine.records.sales import read_checkout, read_sale
from engine.render_line import carried_json
from engine.rpc.convert.basket import payment_to_proto
from engine.rpc.convert.fields import numbers_of
from engine.rpc.convert.frozen import quote_to_proto
from engine.rpc.convert.recorded_sale import (
    receipt_to_proto,
    sale_to_proto,
    source_to_proto,
    summary_to_proto,
    timing_to_proto,
)
from engine.rpc.convert.time import time_to_proto
from engine.strict_json import decode
from server.checkouts.completion import Recorded
from server.storage.checkouts import SaleNumbers
from server.storage.quotes import QuoteState, StoredQuote
from tillcore.v1 import basket_pb2, checkout_pb2, sale_pb2, sales_quote_pb2, saved_basket_pb2

PAGE_BYTES_MAX: Final = 2 * 1024 * 1024
"""A page ends early rather than being larger; clients accept messages of 4 MB."""

STATES: Final = numbers_of(QuoteState, sales_quote_pb2.SalesQuoteState, "SALES_QUOTE_STATE")


def answer(kind: type[Any], **fields: Any) -> bytes:
    """Return a serialized response."""
    message: Message = kind(**fields)
    return message.SerializeToString()


def fitting(messages: Iterable[Message]) -> list[Message]:
    """Return the first messages that fit a page, at least one."""
    found: list[Message] = []
    size = 0
    for message in messages:
        size += message.ByteSize()
        if found and size > PAGE_BYTES_MAX:
            break
        found.append(message)
    return found


def checkout_to_proto(recorded: Recorded) -> checkout_pb2.Checkout:
    """Return the message of a checkout with the numbers of its sales."""
    made = recorded.checkout
    return checkout_pb2.Checkout(
        identifier=made.identifier,
        base_currency_code=made.base_currency_code,
        source=source_to_proto(made.source),
        timing=timing_to_proto(made.timing),
        sales=map(_checkout_sale_to_proto, made.sales, recorded.numbers),
        payments=map(payment_to_proto, made.payments),
        receipt_metadata=receipt_to_proto(made.receipt_metadata),
        voided=made.voided,
    )


def checkout_numbers(recorded: Recorded) -> checkout_pb2.Checkout:
    """Return the message of a checkout with what whoever sent it cannot know, and the totals."""
    made = recorded.checkout
    return checkout_pb2.Checkout(
        identifier=made.identifier,
        base_currency_code=made.base_currency_code,
        voided=made.voided,
        sales=[
            checkout_pb2.CheckoutSale(
                identifier=sale.identifier,
                sequence_number=sale.sequence_number,
                account_number=numbers.account_number,
                journal_number=numbers.journal_number,
                basket=sale_pb2.SaleSummary(total_micros=sale.basket.total_micros),
            )
            for sale, numbers in zip(made.sales, recorded.numbers, strict=True)
        ],
    )


def stored_checkout(row: RowMapping, numbers: tuple[SaleNumbers, ...]) -> checkout_pb2.Checkout:
    """Return the message of the row of a checkout and of the numbers of its sales."""
    return checkout_to_proto(Recorded(read_checkout(decode(row["document"])), numbers))


def _checkout_sale_to_proto(sale: CheckoutSale, numbers: SaleNumbers) -> checkout_pb2.CheckoutSale:
    fiscal = sale.fiscal_rules_data
    return checkout_pb2.CheckoutSale(
        identifier=sale.identifier,
        sequence_number=sale.sequence_number,
        account_number=numbers.account_number,
        journal_number=numbers.journal_number,
        basket=summary_to_proto(sale.basket),
        payments=map(payment_to_proto, sale.payments),
        fiscal_rules_data_json=b"" if fiscal is None else carried_json(fiscal),
    )


def recorded_sale(row: RowMapping) -> checkout_pb2.RecordedSale:
    """Return the message of the row of a sale."""
    return checkout_pb2.RecordedSale(
        sale=sale_to_proto(read_sale(decode(row["document"]))),
        account_number=row["account_number"],
        journal_number=row["journal_number"],
        period_number=row["period_number"],
        business_date=row["business_date"],
    )


def sales_quote(quote: StoredQuote, source: Source, *, now_ns: int) -> sales_quote_pb2.SalesQuote:
    """Return the message of a quote.

    Args:
        quote: The quote.
        source: Where and by whom it was given.
        now_ns: The moment, for its state, in nanoseconds since 1970-01-01 UTC.
    """
    summary = quote.summary
    lines = Quote(quote_reference=quote.quote_id, line_items=summary.line_items)
    return sales_quote_pb2.SalesQuote(
        quote_id=quote.quote_id,
        source=source_to_proto(source),
        state=STATES[quote.state(now_ns)],
        create_time=time_to_proto(quote.created_ns),
        expire_time=None if quote.expires_ns is None else time_to_proto(quote.expires_ns),
        checkout_id=quote.checkout_id or "",
        currency_code=quote.currency_code,
        summary=summary_to_proto(msgspec.structs.replace(summary, line_items=())),
        quote=quote_to_proto(lines),
    )


def saved_basket(row: RowMapping) -> saved_basket_pb2.SavedBasket:
    """Return the message of the row of a saved basket."""
    return saved_basket_pb2.SavedBasket(
        basket_id=row["basket_id"],
        shop_id=row["shop_id"],
        register_id=row["register_id"],
        cashier_id=row["cashier_id"],
        name=row["name"],
        basket=basket_pb2.Basket.FromString(row["basket"]),
        revision=row["revision"],
        save_time=time_to_proto(row["saved_ns"]),
    )
