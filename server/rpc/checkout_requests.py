"""Read the requests of CheckoutService: what a till asks for, and the hash of its content."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from engine import limits
from engine.errors import InvalidInput, Reason
from engine.model import Basket
from engine.model.journal import ClockSource
from engine.rpc.convert import basket_from_proto
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.recorded_sale import receipt_from_proto
from engine.rpc.convert.time import time_from_proto
from engine.strict_json import decode, is_object
from server.checkouts.completion import Completion, QuoteWish, Wanted, WantedLine, WantedReturn
from server.rpc.request_ids import required_id
from tillcore.v1 import basket_pb2, checkout_pb2, checkout_return_pb2, frozen_pb2, sales_quote_pb2

T = TypeVar("T")

FISCAL_BYTES_MAX: Final = 64 * 1024
"""Largest fiscal_rules_data of a checkout."""

_FISCAL_FIELD: Final = "fiscal_rules_data_json"
_DEPTH_AROUND_FISCAL: Final = 4
"""How deep the fiscal data stand in the document of a checkout, at most."""


def content_hash(request: Message) -> bytes:
    """Return the SHA-256 of what a request asks for.

    Left out is what another try may have otherwise: the till's clock, and the records of returns
    and quotes, which the server takes from its store.
    """
    compared: Any = request
    names = compared.DESCRIPTOR.fields_by_name
    has_time = "completed_time" in names and compared.HasField("completed_time")
    has_records = "basket" in names and (compared.basket.returns or compared.basket.quotes)
    if has_time or has_records:
        compared = type(request)()
        compared.CopyFrom(request)
    if has_time:
        compared.ClearField("completed_time")
    if has_records:
        _reduce(compared.basket)
    name = compared.DESCRIPTOR.full_name.encode()
    return sha256(name + b"\0" + compared.SerializeToString(deterministic=True)).digest()


def _reduce(basket: basket_pb2.Basket) -> None:
    """Leave the records of a basket out, but not what names them."""
    for sale in basket.returns:
        for entry in sale.line_items:
            line_item_id = entry.line_item.line_item_id
            entry.ClearField("line_item")
            entry.line_item.line_item_id = line_item_id
            entry.ClearField("returned_before_micros")
    for quote in basket.quotes:
        quote.ClearField("line_items")


def completion_from_proto(
    request: checkout_pb2.CompleteCheckoutRequest | checkout_pb2.VoidCheckoutRequest,
    *,
    now_ns: int,
) -> Completion:
    """Return what a till asks to be recorded.

    Args:
        request: A request to complete or to void a checkout.
        now_ns: The server's clock, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: At least one field is bad; every one is named.
    """
    problems = Problems()
    has_time = request.HasField("completed_time")
    expected = None
    if isinstance(request, checkout_pb2.CompleteCheckoutRequest):
        expected = optional_total(request, problems)
    completion = Completion(
        checkout_id=required_id(request, "checkout_id", problems),
        content_hash=content_hash(request),
        register_id=required_id(request, "register_id", problems),
        cashier_id=required_id(request, "cashier_id", problems),
        wanted=_wanted(request, problems),
        received_ns=now_ns,
        completed_ns=optional_time(request, "completed_time", problems) or now_ns,
        clock=ClockSource.REGISTER if has_time else ClockSource.SERVER,
        expected_total_micros=expected,
        comment=_comment(request, problems),
        receipt_metadata=receipt_from_proto(request.receipt_metadata, "receipt_metadata", problems)
        if request.HasField("receipt_metadata")
        else None,
        fiscal_rules_data=_fiscal(request.fiscal_rules_data_json, problems),
        voided=isinstance(request, checkout_pb2.VoidCheckoutRequest),
    )
    problems.finish()
    return completion


def quote_from_proto(request: sales_quote_pb2.CreateQuoteRequest, *, now_ns: int) -> QuoteWish:
    """Return the quote that a till asks for.

    Args:
        request: The request.
        now_ns: The server's clock, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: At least one field is bad; every one is named.
    """
    problems = Problems()
    for name in ("payments", "returns", "quotes"):
        if len(getattr(request.basket, name)):
            message = f"expected a basket without {name}, which a quote does not have"
            problems.add(f"basket.{name}", Reason.NOT_ALLOWED, message)
    wish = QuoteWish(
        quote_id=required_id(request, "quote_id", problems),
        content_hash=content_hash(request),
        register_id=required_id(request, "register_id", problems),
        cashier_id=required_id(request, "cashier_id", problems),
        basket=_wanted(request, problems).basket,
        now_ns=now_ns,
        expires_ns=optional_time(request, "expire_time", problems),
        expected_total_micros=optional_total(request, problems),
        comment=_comment(request, problems),
    )
    if wish.expires_ns is not None and wish.expires_ns <= now_ns:
        problems.add("expire_time", Reason.OUT_OF_BOUNDS, "expected a moment that is yet to come")
    problems.finish()
    return wish


def checked_basket(request: Any, problems: Problems) -> None:
    """Check a basket that is kept as it was sent; its records may be left out."""
    _wanted(request, problems)


def wanted_return(request: checkout_return_pb2.PrepareReturnRequest) -> WantedReturn:
    """Return what comes back of a sale.

    Raises:
        InvalidInput: At least one field is bad; every one is named.
    """
    problems = Problems()
    wanted = WantedReturn(
        sale_id=required_id(request, "sale_id", problems),
        lines=tuple(
            WantedLine(
                line_item_id=_record_id(
                    each.line_item_id, f"lines[{index}].line_item_id", problems
                ),
                quantity_micros=_quantity(each, f"lines[{index}]", problems),
            )
            for index, each in enumerate(request.lines)
        )
        if len(request.lines) <= limits.LINES_PER_BASKET_MAX
        else (),
    )
    required_id(request, "register_id", problems)
    if len(request.lines) > limits.LINES_PER_BASKET_MAX:
        message = f"expected at most {limits.LINES_PER_BASKET_MAX}, was {len(request.lines)}"
        problems.add("lines", Reason.TOO_MANY, message)
    problems.finish()
    return wanted


# --- fields ----------------------------------------------------------------------------------


def optional_time(request: Any, name: str, problems: Problems) -> int | None:
    """Return a moment in nanoseconds since 1970-01-01 UTC, None when it is absent."""
    if not request.HasField(name):
        return None
    return time_from_proto(getattr(request, name), "", name, problems)


def optional_total(request: Any, problems: Problems) -> int | None:
    """Return the total that the till showed in micros, None when it does not say."""
    if not request.HasField("expected_total_micros"):
        return None
    last = limits.AMOUNT_MICROS_END - 1
    return problems.between_at("expected_total_micros", request.expected_total_micros, -last, last)


def _comment(request: Any, problems: Problems) -> str | None:
    return problems.text_at("comment", request.comment) if request.HasField("comment") else None


def _quantity(line: checkout_return_pb2.PreparedLine, path: str, problems: Problems) -> int | None:
    if not line.HasField("quantity_micros"):
        return None
    return problems.between(
        path, "quantity_micros", line.quantity_micros, 1, limits.QUANTITY_MICROS_MAX
    )


def _record_id(value: str, field: str, problems: Problems) -> str:
    """Check the id of a recorded line, which may be composed of others."""
    if not value:
        problems.required(field, "an id")
    elif len(value) > limits.RECORD_ID_CHARACTERS_MAX or "\0" in value:
        expected = f"expected 1 to {limits.RECORD_ID_CHARACTERS_MAX} characters without NUL"
        problems.add(field, Reason.OUT_OF_BOUNDS, f"{expected}, was another text")
    return value


def _fiscal(data: bytes, problems: Problems) -> dict[str, object] | None:
    """Return what the fiscal rules of a country add, None when there is nothing."""
    if not data:
        return None
    if len(data) > FISCAL_BYTES_MAX:
        message = f"expected at most {FISCAL_BYTES_MAX} bytes, was {len(data)}"
        problems.add(_FISCAL_FIELD, Reason.TOO_MANY, message)
        return None
    try:
        value = decode(data)
        # It is read again from inside of the checkout's document, which has a depth to keep.
        decode(b"[" * _DEPTH_AROUND_FISCAL + data + b"]" * _DEPTH_AROUND_FISCAL)
    except InvalidInput as error:
        problems.add_all(_FISCAL_FIELD, error.problems)
        return None
    if not is_object(value):
        problems.add(_FISCAL_FIELD, Reason.WRONG_TYPE, "expected an object, was another value")
        return None
    return value


# --- baskets ---------------------------------------------------------------------------------


def _wanted(request: Any, problems: Problems) -> Wanted:
    """Return the basket of a request, without the records that the store has."""
    if not request.HasField("basket"):
        problems.required("basket", "a basket")
        return Wanted(basket=Basket())
    live = request.basket
    if live.returns or live.quotes:
        live = basket_pb2.Basket()
        live.CopyFrom(request.basket)
        live.ClearField("returns")
        live.ClearField("quotes")
    basket = Basket()
    try:
        basket = basket_from_proto(live, "basket")
    except InvalidInput as error:
        problems.add_all("", error.problems)
    return Wanted(
        basket=basket,
        returns=_returns(request.basket.returns, problems),
        quote_ids=_quote_ids(request.basket.quotes, problems),
    )


def _returns(
    messages: Sequence[frozen_pb2.ReturnedSale], problems: Problems
) -> tuple[WantedReturn, ...]:
    if not problems.fits("basket", "returns", len(messages), limits.RETURNS_PER_BASKET_MAX):
        return ()
    return tuple(
        _return(message, f"basket.returns[{index}]", problems)
        for index, message in enumerate(messages)
    )


def _return(message: frozen_pb2.ReturnedSale, path: str, problems: Problems) -> WantedReturn:
    lines = message.line_items
    is_short = problems.fits(path, "line_items", len(lines), limits.LINES_PER_BASKET_MAX)
    if not lines:
        problems.required(f"{path}.line_items", "at least one line")
    return WantedReturn(
        sale_id=problems.required_id(path, "return_reference", message.return_reference),
        lines=tuple(
            _returned_line(each, f"{path}.line_items[{index}]", problems)
            for index, each in enumerate(lines)
        )
        if is_short
        else (),
    )


def _returned_line(message: frozen_pb2.ReturnedLine, path: str, problems: Problems) -> WantedLine:
    field = f"{path}.line_item.line_item_id"
    quantity = None
    if message.HasField("quantity_micros"):
        quantity = problems.between(
            path, "quantity_micros", message.quantity_micros, 1, limits.QUANTITY_MICROS_MAX
        )
    return WantedLine(
        line_item_id=_record_id(message.line_item.line_item_id, field, problems),
        quantity_micros=quantity,
    )


def _quote_ids(messages: Sequence[frozen_pb2.Quote], problems: Problems) -> tuple[str, ...]:
    if not problems.fits("basket", "quotes", len(messages), limits.QUOTES_PER_BASKET_MAX):
        return ()
    ids = [
        problems.required_id(f"basket.quotes[{index}]", "quote_reference", each.quote_reference)
        for index, each in enumerate(messages)
    ]
    problems.unique("basket", "quotes", ids, ".quote_reference")
    return tuple(dict.fromkeys(ids))
