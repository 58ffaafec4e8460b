"""Name the values that the columns of a CSV file can show, and where each is found.

A row counts *things*: lines, payments, taxes, whole sales. A `Scope` is one thing with the document
it stands in; a `Value` reads a scope. The names are a table for each row type.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from engine.numbers import CURRENCY_SCALES
from engine.strict_json import is_object
from server.exports.transforms.csv_moments import local_text
from server.exports.transforms.paths import Members, Path, is_number, look_up


class Scope(NamedTuple):
    """One counted thing.

    Attributes:
        key: The key of the element that it comes from.
        document: What paths lead into: a sale, a register close statement, or any element.
        thing: The thing itself; the document where it counts as a whole.
        currency: The currency of its amounts; empty where there is none.
        digits: How many digits after the point an amount has at least.
    """

    key: str
    document: Members
    thing: Members
    currency: str
    digits: int


def scope_of(key: str, document: Members, thing: object) -> Scope:
    """Return a thing of a document; no members where it is no object."""
    currency = document.get("base_currency_code")
    code = currency if isinstance(currency, str) else ""
    return Scope(
        key=key,
        document=document,
        thing=thing if is_object(thing) else {},
        currency=code,
        digits=scale_of(code),
    )


def scale_of(currency: object) -> int:
    """Return how many digits after the point an amount of a currency has; 0 without a currency."""
    if not isinstance(currency, str) or not currency:
        return 0
    return CURRENCY_SCALES.get(currency, 2)


class Measure(Enum):
    """How a value behaves in a row that counts several things.

    Attributes:
        AMOUNT: Added up; in the base currency, and written with its digits.
        QUANTITY: Added up.
        FOREIGN_AMOUNT: Added up where all are in one currency; empty otherwise.
        LABEL: Not added: shown where all the things agree; empty otherwise.
    """

    AMOUNT = "amount"
    QUANTITY = "quantity"
    FOREIGN_AMOUNT = "foreign_amount"
    LABEL = "label"


Get = Callable[[Scope], object]
"""Reads a decoded JSON value from a scope; None for what is absent."""


class Value(NamedTuple):
    """A value that columns can name: how it adds up, and how it is read."""

    measure: Measure
    get: Get


Values = Mapping[str, Value]
"""Values by name."""


def of_thing(*names: str, measure: Measure = Measure.LABEL) -> dict[str, Value]:
    """Return values that are members of the thing under the same names."""
    return {name: Value(measure, thing_member(name)) for name in names}


def thing_member(name: str) -> Get:
    """Return a reader of a member of the thing."""
    return lambda scope: scope.thing.get(name)


def label(get: Get) -> Value:
    """Return a value that is not added up."""
    return Value(Measure.LABEL, get)


def in_document(path: Path) -> Get:
    """Return a reader of a path into the document."""
    return lambda scope: look_up(scope.document, path)


def in_thing(path: Path) -> Get:
    """Return a reader of a path into the thing."""
    return lambda scope: look_up(scope.thing, path)


def difference(minuend: Get, subtrahend: Get) -> Get:
    """Return a reader of the difference of two amounts; None where one is absent."""

    def get(scope: Scope) -> object:
        one, other = minuend(scope), subtrahend(scope)
        if not (is_number(one) and is_number(other)):
            return None
        return one - other

    return get


# --- names that most rows have ---------------------------------------------------------------


def _local_part(pattern: str) -> Get:
    """Return a reader of the local day or time of a document, in its own time zone."""

    def get(scope: Scope) -> object:
        timing = scope.document.get("timing")
        timestamp = look_up(timing, ("timestamp",))
        zone = look_up(timing, ("timezone",))
        if timestamp is None or not isinstance(zone, str):
            return None
        return local_text(timestamp, zone, pattern)

    return get


_SOURCES: Final = tuple(
    f"{place}_{member}"
    for place in ("cashier", "register", "market", "shop")
    for member in ("id", "name")
)

ELEMENT_VALUES: Final[Values] = {"element_key": label(lambda scope: scope.key)}
"""Names of every row."""

RECORD_VALUES: Final[Values] = {
    **ELEMENT_VALUES,
    **{name: label(in_document(("source", name))) for name in _SOURCES},
    "currency": label(lambda scope: scope.currency or None),
    "day": label(_local_part("%Y-%m-%d")),
    "sequence_number": label(in_document(("sequence_number",))),
    "time": label(_local_part("%H:%M:%S")),
    "timestamp": label(in_document(("timing", "timestamp"))),
    "timezone": label(in_document(("timing", "timezone"))),
}
"""Names of every row of sales and of register close statements."""

AMOUNTS: Final = (
    "base_price",
    "margin",
    "margin_total",
    "sales_tax_amount",
    "sub_total",
    "total",
    "total_tax_amount",
    "vat_amount",
)
"""Amounts that lines and summaries share."""

COST_PRICE_OF_MARGIN: Final = difference(thing_member("margin_total"), thing_member("margin"))
"""Of a summary: what is left of the base price of the lines with a cost price is their cost."""

SUMMARY_VALUES: Final[Values] = {
    **of_thing(*AMOUNTS, "total_discounts", measure=Measure.AMOUNT),
    "cost_price": Value(Measure.AMOUNT, COST_PRICE_OF_MARGIN),
    "discount_amount": Value(Measure.AMOUNT, thing_member("total_discounts")),
}
"""Names of a summary: of a sale, or of the sales of a register."""
