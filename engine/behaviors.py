"""Read the behaviours of lines and check their rules (evaluation, section 2).

A behaviour is an object with one key, its kind, as in the reference's `line_items[n].behavior`.
What is inside is text, but for the `report` of an integration, which is carried along as it is.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from engine import limits
from engine.errors import FieldProblem, Reason
from engine.fields import Fields
from engine.model import Basket, BasketLine, EvaluatedLine, Product
from engine.numbers import format_micros
from engine.readers import Problems, array, identifier, number, text, wrong_type
from engine.strict_json import NumberLiteral, is_array, is_object, join, shown_text

SHIPPING: Final = "shipping"
GIFTCARD: Final = "giftcard"
VOUCHER: Final = "voucher"
GIFTCARD_USE: Final = "giftcard_use"
VOUCHER_USE: Final = "voucher_use"
EXPENSE: Final = "expense"
ACCOUNT_DEPOSIT: Final = "customer_account_deposit"
CONTAINER_DEPOSIT: Final = "container_deposit"

BEHAVIORS: Final[dict[str, tuple[str, ...]]] = {
    SHIPPING: (),
    GIFTCARD: ("code", "integration_id"),
    VOUCHER: ("code", "integration_id"),
    GIFTCARD_USE: ("code", "integration_id"),
    VOUCHER_USE: ("code", "integration_id"),
    EXPENSE: ("identifier",),
    ACCOUNT_DEPOSIT: ("customer_id", "payment_type_id"),
    CONTAINER_DEPOSIT: ("product_id", "tag", "rule_id", "parent_line_item_id"),
}
"""The behaviours of line items with their required texts (reference: models); a line has one."""

PAYMENT_TYPES: Final = {
    GIFTCARD: "giftcard.integration",
    GIFTCARD_USE: "giftcard.integration",
    VOUCHER: "voucher.integration",
    VOUCHER_USE: "voucher.integration",
}
"""The payment type of the cards whose line names none (reference: models)."""

_ADDRESS: Final = ("city", "country", "name", "postal_code", "street")
_CUSTOMER_INFO: Final = ("email", "phone")
_COUNTRY_CODE = re.compile(r"[A-Za-z]{2}")
_IMAGE_URLS = array(text, count_max=limits.IMAGE_URLS_PER_EXPENSE_MAX)


_ONE: Final = limits.MICROS_PER_UNIT
_QUANTITIES: Final[dict[str, tuple[Callable[[int], bool], str]]] = {
    GIFTCARD: (lambda micros: abs(micros) == _ONE, "1 (-1 when it is undone)"),
    VOUCHER: (lambda micros: abs(micros) == _ONE, "1 (-1 when it is undone)"),
    GIFTCARD_USE: (lambda micros: micros == -_ONE, "-1: it lowers what is due"),
    VOUCHER_USE: (lambda micros: micros == -_ONE, "-1: it lowers what is due"),
    EXPENSE: (lambda micros: micros < 0, "a negative quantity: money leaves the till"),
    ACCOUNT_DEPOSIT: (lambda micros: micros > 0, "a positive quantity"),
}
"""Which quantities the lines of a behaviour have, and how a message says it."""


def kind_of(behavior: Mapping[str, object] | None) -> str | None:
    """Return the kind of a behaviour, None for an ordinary line."""
    return None if behavior is None else next(iter(behavior), None)


# --- rules -----------------------------------------------------------------------------------


def behavior_problems(basket: Basket) -> list[FieldProblem]:
    """Return the lines that break a rule of their behaviour, in the order of the lines."""
    owner = None if basket.customer is None else basket.customer.identifier
    seen: set[tuple[str, ...]] = set()
    return [
        FieldProblem(f"line_items[{position}].{field}", reason, message)
        for position, line in enumerate(basket.line_items)
        if line.behavior is not None
        for field, reason, message in _line_problems(line, owner, seen)
    ]


def _line_problems(
    line: BasketLine, owner: str | None, seen: set[tuple[str, ...]]
) -> Iterator[tuple[str, Reason, str]]:
    """Yield field, reason and message for what is wrong with one line.

    Args:
        line: A line with a behaviour.
        owner: The identifier of the basket's customer.
        seen: What the earlier lines have that no other line may have; the line's own is added.
    """
    kind = kind_of(line.behavior)
    if kind is None:
        return
    if kind in _QUANTITIES:
        is_allowed, expected = _QUANTITIES[kind]
        if not is_allowed(line.quantity_micros):
            was = format_micros(line.quantity_micros)
            yield "quantity", Reason.OUT_OF_BOUNDS, f"expected {expected}, was {was}"
    members = _members(line)
    if kind == SHIPPING:
        if line.ecom_id is None:
            yield "ecom_id", Reason.REQUIRED, "expected the id of the order that is shipped"
        elif _is_repeated((SHIPPING, line.ecom_id), seen):
            message = f"expected one shipping line for each order, was {line.ecom_id!r} again"
            yield "ecom_id", Reason.DUPLICATE, message
    elif kind in PAYMENT_TYPES:
        code = str(members["code"])
        if _is_repeated((kind, str(members["integration_id"]), code), seen):
            message = f"expected each {kind} once, was {shown_text(code)} again"
            yield f"behavior.{kind}.code", Reason.DUPLICATE, message
    elif kind == ACCOUNT_DEPOSIT and owner not in (None, members["customer_id"]):
        message = f"expected the customer of the basket, {shown_text(str(owner))}, was "
        message += shown_text(str(members["customer_id"]))
        yield f"behavior.{kind}.customer_id", Reason.NOT_ALLOWED, message


def _is_repeated(key: tuple[str, ...], seen: set[tuple[str, ...]]) -> bool:
    """Return whether a key was seen, and keep it."""
    count = len(seen)
    seen.add(key)
    return len(seen) == count


def _members(line: BasketLine) -> Mapping[str, object]:
    """Return what is inside of the behaviour of a line."""
    members = next(iter((line.behavior or {}).values()), None)
    return members if is_object(members) else {}


def is_untaxed(line: BasketLine, product: Product | None, purchase_type: str | None) -> bool:
    """Return whether a line has no taxes: it pays a debt, and neither it nor its product has any.

    Paying into an account is no supply, so the market's default taxes do not apply.
    """
    if kind_of(line.behavior) != ACCOUNT_DEPOSIT or line.taxes is not None:
        return False
    return product is None or (product.taxes is None and purchase_type not in product.taxes_map)


def is_return(lines: Sequence[EvaluatedLine]) -> bool:
    """Return whether lines are a return of goods: all are negative but for money that moves.

    Expenses and the use of cards are negative without being goods that come back.
    """
    kinds = (EXPENSE, GIFTCARD_USE, VOUCHER_USE)
    goods = [line for line in lines if kind_of(line.behavior) not in kinds]
    return bool(goods) and all(line.quantity_micros < 0 for line in goods)


# --- reading ---------------------------------------------------------------------------------


def behavior_of(value: object, path: str, problems: Problems) -> dict[str, object] | None:
    """Read a behaviour: an object with one known key; None after a problem with the key."""
    expected = "an object with one of " + ", ".join(BEHAVIORS)
    if not is_object(value):
        wrong_type(expected, value, path, problems)
        return None
    fields = Fields(value, path, problems)
    given = [name for name in BEHAVIORS if fields.raw(name) is not None]
    fields.refuse_unknown()
    if len(given) != 1:
        was = "none" if not given else " and ".join(given)
        problems.add(path, Reason.MALFORMED, f"expected {expected}, was {was}")
        return None
    kind = given[0]
    return {kind: _content(kind, Fields(value[kind], fields.at(kind), problems))}


def _content(kind: str, fields: Fields) -> dict[str, object]:
    """Read what is inside of a behaviour."""
    read: dict[str, object] = {
        name: fields.required(name, identifier, otherwise="") for name in BEHAVIORS[kind]
    }
    if kind == SHIPPING:
        read["address"] = _texts(fields.child("address"), _ADDRESS, "country_code")
        read["customer_info"] = _texts(fields.child("customer_info"), _CUSTOMER_INFO)
        read["method_id"] = fields.optional("method_id", identifier)
    elif kind in PAYMENT_TYPES:
        usual = PAYMENT_TYPES[kind]
        read["payment_type_id"] = fields.default("payment_type_id", identifier, value=usual)
        if kind in (GIFTCARD, VOUCHER):
            read["report"] = fields.optional("report", carried)
    elif kind == EXPENSE:
        read["image_urls"] = list(fields.default("image_urls", _IMAGE_URLS, value=()))
    fields.refuse_unknown()
    return {name: member for name, member in read.items() if member is not None}


def _texts(
    fields: Fields | None, names: Sequence[str], country: str | None = None
) -> dict[str, object] | None:
    """Read an object of optional texts, and of a country code where there is one."""
    if fields is None:
        return None
    read = {name: fields.optional(name, text) for name in names}
    if country is not None:
        read[country] = fields.optional(country, country_code)
    fields.refuse_unknown()
    return {name: read[name] for name in sorted(read) if read[name] is not None}


def country_code(value: object, path: str, problems: Problems) -> str | None:
    """Read a country code of ISO 3166-1: two letters."""
    read = text(value, path, problems)
    if read is None or _COUNTRY_CODE.fullmatch(read):
        return read
    message = f"expected a country code of two letters such as DK, was {shown_text(read)}"
    problems.add(path, Reason.MALFORMED, message)
    return None


def carried(value: object, path: str, problems: Problems) -> object:
    """Return a value that is only carried along, with its numbers checked and without exponent."""
    if is_object(value):
        return {key: carried(each, join(path, key), problems) for key, each in value.items()}
    if is_array(value):
        return [carried(each, f"{path}[{index}]", problems) for index, each in enumerate(value)]
    if isinstance(value, NumberLiteral) or type(value) is int:
        return NumberLiteral(format_micros(number(value, path, problems) or 0))
    if value is None or isinstance(value, bool):
        return value
    return text(value, path, problems)
