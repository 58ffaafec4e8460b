"""Take what a basket holds as a record from the store: returned lines, quotes, incoming orders."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, RowMapping

from engine.errors import FieldProblem, InvalidInput, NotFound, Reason, WrongState, invalid
from engine.model import Basket, EvaluatedLine, Market, Quote, ReturnedLine, ReturnedSale
from engine.model.order import Order, OrderBasket
from engine.model.value import Value
from engine.order_json import read_order
from engine.records.sales import read_sale
from engine.returns import frozen_problems, sold_micros
from engine.strict_json import decode, shown_text
from server.checkouts.completion import Completion, Frozen, WantedReturn
from server.storage.checkouts import get_sale
from server.storage.orders import Direction, get_order
from server.storage.places import Place
from server.storage.quotes import find_quote
from server.storage.returned_lines import returned_micros

_RETURN = "returns[0]"
"""Where the only sale of a return that is prepared would be in a basket."""


class Remainder(Value, frozen=True):
    """How much of a sold line came back, in micros of a piece or of its unit."""

    line_item_id: str
    sold_micros: int
    returned_micros: int

    @property
    def left_micros(self) -> int:
        """How much can still come back."""
        return self.sold_micros - self.returned_micros


class Prepared(Value, frozen=True):
    """What comes back of a sale as it was recorded, and what is left of each of its lines."""

    returned_sale: ReturnedSale
    remainders: tuple[Remainder, ...]


def look_up(
    connection: Connection, *, account_id: str, completion: Completion, at: Place
) -> Frozen:
    """Return the basket of a completion with its records as the store has them.

    What comes back of an abandoned checkout is not counted, so nothing counts as returned before.

    Raises:
        InvalidInput: A line is not one of its sale's, or a sale is in another currency.
        NotFound: The account has no such sale, or neither such a quote nor such an order.
        WrongState: A sale was voided.
    """
    wanted = completion.wanted
    returns = tuple(
        stored_return(
            connection,
            account_id=account_id,
            wanted=each,
            path=f"returns[{position}]",
            currency_code=at.market.currency_code,
            is_counted=not completion.voided,
        )
        for position, each in enumerate(wanted.returns)
    )
    quotes: list[Quote] = []
    orders: list[Order] = []
    for position, quote_id in enumerate(wanted.quote_ids):
        known = find_quote(connection, account_id=account_id, quote_id=quote_id)
        if known is None:
            order, was = _order(connection, account_id, quote_id, at.source.shop_id)
            orders.append(order)
        else:
            was = known.currency_code
            quotes.append(Quote(quote_reference=quote_id, line_items=known.summary.line_items))
        _check_currency(was, f"quotes[{position}].quote_reference", at.market.currency_code)
    basket = msgspec.structs.replace(wanted.basket, returns=returns, quotes=tuple(quotes))
    return Frozen(basket, tuple(orders))


def stored_return(
    connection: Connection,
    *,
    account_id: str,
    wanted: WantedReturn,
    path: str,
    currency_code: str,
    is_counted: bool = True,
) -> ReturnedSale:
    """Return what comes back of a sale with the lines as the store has them.

    Args:
        connection: A transaction.
        account_id: Whose sale it is.
        wanted: The sale, the ids of its lines, and how much of each.
        path: Where this is in the request.
        currency_code: The currency of the register.
        is_counted: Whether what came back before is left out.

    Raises:
        InvalidInput: A line is not one of the sale's, or the sale is in another currency.
        NotFound: The account has no such sale.
        WrongState: The sale was voided.
    """
    row = get_sale(connection, account_id=account_id, sale_id=wanted.sale_id)
    _check_not_voided(row, f"basket.{path}.return_reference")
    _check_currency(row["currency_code"], f"{path}.return_reference", currency_code)
    sale = read_sale(decode(row["document"]))
    before: dict[str, int] = {}
    if is_counted:
        before = returned_micros(connection, account_id=account_id, sale_id=wanted.sale_id)
    lines = {line.line_item_id: line for line in sale.summary.line_items}
    problems: list[FieldProblem] = []
    found: list[ReturnedLine] = []
    for position, entry in enumerate(wanted.lines):
        line = lines.get(entry.line_item_id)
        if line is None:
            field = f"{path}.line_items[{position}].line_item.line_item_id"
            message = f"expected a line of the sale, was {shown_text(entry.line_item_id)}"
            problems.append(FieldProblem(field, Reason.UNKNOWN_ID, message))
            continue
        found.append(
            ReturnedLine(
                line_item=msgspec.structs.replace(line, frozen=None),
                quantity_micros=entry.quantity_micros,
                returned_before_micros=before.get(entry.line_item_id, 0),
            )
        )
    if problems:
        raise InvalidInput(problems)
    return ReturnedSale(return_reference=wanted.sale_id, line_items=tuple(found))


def prepare_return(
    connection: Connection, *, account_id: str, wanted: WantedReturn, market: Market
) -> Prepared:
    """Return the records of what comes back of a sale, and what is left of every line.

    Args:
        connection: A transaction.
        account_id: Whose sale it is.
        wanted: The sale and its lines; without lines it is all that is left.
        market: The market of the register.

    Raises:
        InvalidInput: More comes back than is left, nothing is left, a line is not one of the
            sale's, or the sale is in another currency.
        NotFound: The account has no such sale.
        WrongState: The sale was voided.
    """
    code = market.currency_code
    row = get_sale(connection, account_id=account_id, sale_id=wanted.sale_id)
    _check_not_voided(row, "sale_id")
    _check_currency(row["currency_code"], "sale_id", code)
    sale = read_sale(decode(row["document"]))
    try:
        before = returned_micros(connection, account_id=account_id, sale_id=wanted.sale_id)
        records = [line for line in sale.summary.line_items if line.quantity_micros > 0]
        remainders = tuple(
            Remainder(
                line_item_id=line.line_item_id,
                sold_micros=sold_micros(line),
                returned_micros=before.get(line.line_item_id, 0),
            )
            for line in records
        )
        if wanted.lines:
            returned = stored_return(
                connection, account_id=account_id, wanted=wanted, path=_RETURN, currency_code=code
            )
        else:
            returned = _all_left(wanted.sale_id, records, remainders)
        problems = frozen_problems(Basket(returns=(returned,)), market)
        if problems:
            raise InvalidInput(problems)
    except InvalidInput as error:
        raise InvalidInput(map(_relative, error.problems)) from None
    return Prepared(returned, remainders)


def _all_left(
    sale_id: str, records: Sequence[EvaluatedLine], remainders: Sequence[Remainder]
) -> ReturnedSale:
    found = tuple(
        ReturnedLine(
            line_item=msgspec.structs.replace(line, frozen=None),
            quantity_micros=each.left_micros,
            returned_before_micros=each.returned_micros,
        )
        for line, each in zip(records, remainders, strict=True)
        if each.left_micros
    )
    if not found:
        message = "expected a sale of which something is left, was one of which nothing is left"
        raise invalid("sale_id", Reason.OUT_OF_BOUNDS, message)
    return ReturnedSale(return_reference=sale_id, line_items=found)


def _relative(problem: FieldProblem) -> FieldProblem:
    """Return a problem of the only sale with its path in a request to prepare its return."""
    field = problem.field.removeprefix(f"{_RETURN}.").replace("line_items[", "lines[", 1)
    field = field.replace(".line_item.", ".")
    if field.endswith(".quantity"):
        field += "_micros"
    return FieldProblem(field, problem.reason, problem.message)


def _check_not_voided(row: RowMapping, field: str) -> None:
    if row["voided"]:
        message = f"expected a sale that was completed, was voided: {shown_text(row['sale_id'])}"
        raise WrongState(message, (FieldProblem(field, Reason.VOIDED, message),))


def _check_currency(was: str, field: str, expected: str) -> None:
    if was != expected:
        message = f"expected {expected}, the currency of the register, was {was}"
        raise invalid(field, Reason.NOT_ALLOWED, message)


def _order(
    connection: Connection, account_id: str, order_id: str, shop_id: str
) -> tuple[Order, str]:
    """Return an incoming order of a shop, and its currency."""
    try:
        stored = get_order(
            connection,
            account_id=account_id,
            direction=Direction.INCOMING,
            stock_location_id=shop_id,
            order_id=order_id,
        )
    except NotFound:
        was = shown_text(order_id)
        expected = "expected the id of a quote or of an order of the shop"
        raise NotFound(f"{expected}, was {was}") from None
    order = read_order(decode(stored.document))
    assert isinstance(order.basket, OrderBasket), "an incoming order has a lean basket"
    return order, order.basket.currency
