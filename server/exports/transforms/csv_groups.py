"""Group what the rows of a CSV file count, and read the values of a group: sums, labels, counts.

Sums are exact. Amounts of different base currencies are never added: each currency is a group.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final, NamedTuple

from engine.readers import shown
from server.exports.csv_rows import CsvRow, RowType
from server.exports.kinds import ExportKind
from server.exports.transforms.csv_register_rows import (
    STATEMENT_ROW_VALUES,
    statement_group_names,
    statement_things,
)
from server.exports.transforms.csv_sale_rows import (
    SALE_KINDS,
    SALE_ROW_VALUES,
    base_currency_first,
    is_void,
    sale_group_names,
    sale_scope,
    sale_things,
    sales_of,
)
from server.exports.transforms.csv_values import (
    ELEMENT_VALUES,
    Get,
    Measure,
    Scope,
    Value,
    Values,
    in_document,
    in_thing,
    label,
    scale_of,
    scope_of,
)
from server.exports.transforms.job import TransformError
from server.exports.transforms.paths import (
    Members,
    is_number,
    parse_path,
    plain_text,
)

Group = Sequence[Scope]
"""What one row counts: at least one thing."""

COUNT: Final = "count"
"""The value of every row that says how many things it counts."""

AGGREGATE: Final = re.compile(r"\{([^{}|]+)(?:\|([^{}|]*))?\}")
"""`{path}` or `{path|default}`."""

_EXACT: Final = Context(prec=200, traps=[Inexact, InvalidOperation])
_VOID_FILTERS: Final = frozenset({"type", "voided"})
THING_ROOTS: Final = ("line_item.", "payment.")


class Document(NamedTuple):
    """An element by its key."""

    key: str
    members: Members


def no_digits(group: Group) -> int:
    """Return that a number has the digits it has."""
    del group
    return 0


def _currency_digits(group: Group) -> int:
    return group[0].digits


class Reading(NamedTuple):
    """How a value of a group is read and written.

    Attributes:
        read: Reads it.
        digits: How many digits after the point a number has at least.
        is_constant: Whether it comes from the configuration and not from a record.
    """

    read: Callable[[Group], object]
    digits: Callable[[Group], int] = no_digits
    is_constant: bool = False


def values_of(kind: ExportKind, row_type: RowType) -> Values | None:
    """Return the names that rows of a type have; None where the type does not fit the kind."""
    if row_type is RowType.ELEMENT:
        return ELEMENT_VALUES
    if kind in SALE_KINDS:
        return SALE_ROW_VALUES.get(row_type)
    if kind is ExportKind.REGISTER_CLOSE_STATEMENT:
        return STATEMENT_ROW_VALUES.get(row_type)
    return None


class RowPlan:
    """A row of the configuration made ready for the elements of a kind."""

    def __init__(self, row: CsvRow, kind: ExportKind, *, language: str) -> None:
        """Raise TransformError when the row does not fit the kind."""
        values = values_of(kind, row.type)
        if values is None:
            raise TransformError(f"rows of the type {row.type.value} do not fit {kind.value}")
        self._row = row
        self._kind = kind
        self._values = values
        self._language = language
        self._filters = tuple(
            (self._value(name).get, wanted, _number_of(wanted))
            for name, wanted in row.filters.items()
        )
        self._keys = tuple(self._value(name).get for name in self._group_names())
        self._required = tuple(self.reading(name).read for name in row.required_values)

    def _group_names(self) -> tuple[str, ...]:
        if self._row.type is RowType.ELEMENT:
            return self._row.group_by
        own = sale_group_names if self._kind in SALE_KINDS else statement_group_names
        return (*own(self._row), *self._row.group_by)

    @property
    def _is_each(self) -> bool:
        """Tell whether every thing has a row of its own."""
        is_element = self._row.type is RowType.ELEMENT and not self._row.group_by
        return is_element or self._row.type is RowType.LINE_ITEMS_EACH

    def groups(self, documents: Iterable[Document]) -> Iterator[Group]:
        """Yield the groups of some `units` together, in the order in which they begin."""
        things = self._things(documents)
        if self._row.filters:
            things = (each for each in things if self._is_wanted(each))
        if self._is_each:
            found: Iterable[Group] = ((each,) for each in things)
        else:
            found = self._grouped(things)
        for group in found:
            if all(read(group) not in (None, "") for read in self._required):
                yield group

    def units(self, document: Document) -> Iterator[Document]:
        """Yield what makes rows of its own in an element: the sales of a checkout."""
        if self._row.type is RowType.ELEMENT or self._kind not in SALE_KINDS:
            yield document
            return
        for sale in sales_of(self._kind, document.members):
            yield Document(document.key, sale)

    def _things(self, documents: Iterable[Document]) -> Iterable[Scope]:
        row = self._row
        if row.type is RowType.ELEMENT:
            return (scope_of(each.key, each.members, each.members) for each in documents)
        if self._kind not in SALE_KINDS:
            return (s for each in documents for s in statement_things(row, each.key, each.members))
        sales: Iterable[Scope] = (sale_scope(each.key, each.members) for each in documents)
        if not self._is_each and not _VOID_FILTERS & row.filters.keys():
            sales = (each for each in sales if not is_void(each))
        things = (scope for sale in sales for scope in sale_things(row, sale))
        if row.type is RowType.PAYMENTS_BY_TYPE_AND_CURRENCY:
            return base_currency_first(things)
        return things

    def _is_wanted(self, scope: Scope) -> bool:
        for get, wanted, number in self._filters:
            value = get(scope)
            if number is not None and is_number(value):
                if value != number:
                    return False
            elif plain_text(value, self._language) != wanted:
                return False
        return True

    def _grouped(self, things: Iterable[Scope]) -> Iterable[Group]:
        found: dict[tuple[object, ...], list[Scope]] = {}
        for scope in things:
            key = (scope.currency, *(self._key(get(scope)) for get in self._keys))
            found.setdefault(key, []).append(scope)
        return found.values()

    def _key(self, value: object) -> object:
        return value if is_number(value) else plain_text(value, self._language)

    # --- values of a group -------------------------------------------------------------------

    def reading(self, name: str) -> Reading:
        """Return how a name or path is read: aggregate, constant, value of the row, or path."""
        row = self._row
        if name in row.aggregates:
            return self._aggregate(name, row.aggregates[name])
        if name in row.values:
            constant = row.values[name]
            return Reading(lambda _: constant, is_constant=True)
        if name == COUNT:
            return Reading(len)
        value = self._value(name)
        digits = self._digits(value.measure)
        if self._is_each:
            get = value.get
            return Reading(lambda group: get(group[0]), digits)
        if value.measure is Measure.LABEL:
            return Reading(lambda group: _agreed(value.get, group))
        if value.measure is Measure.FOREIGN_AMOUNT:
            return Reading(self._of_one_currency(value.get, name), digits)
        return Reading(lambda group: _added(value.get, group, name), digits)

    def _digits(self, measure: Measure) -> Callable[[Group], int]:
        """Return how many digits an amount has at least: those of its currency."""
        if measure is Measure.AMOUNT:
            return _currency_digits
        if measure is not Measure.FOREIGN_AMOUNT:
            return no_digits
        currency = self._values["currency"].get
        return lambda group: scale_of(currency(group[0]))

    def _value(self, name: str) -> Value:
        """Return a value of the row, or one that a path leads to."""
        known = self._values.get(name)
        if known is not None:
            return known
        for root in THING_ROOTS:
            if name.startswith(root):
                return label(in_thing(parse_path(name.removeprefix(root))))
        return label(in_document(parse_path(name)))

    def _aggregate(self, name: str, expression: str) -> Reading:
        match = AGGREGATE.fullmatch(expression)
        if match is None:
            raise TransformError(f"expected an aggregate such as {{total|0}}, was {expression}")
        path, default = match.groups()
        known = self._values.get(path)
        get = in_thing(parse_path(path)) if known is None else known.get
        otherwise = None if default is None else _number_of(default)

        def counted(scope: Scope) -> object:
            value = get(scope)
            return otherwise if value is None else value

        digits = self._digits(Measure.AMOUNT if known is None else known.measure)
        return Reading(lambda group: _added(counted, group, name), digits)

    def _of_one_currency(self, get: Get, name: str) -> Callable[[Group], object]:
        currency = self._values["currency"].get

        def read(group: Group) -> object:
            return None if _agreed(currency, group) is None else _added(get, group, name)

        return read


def _agreed(get: Get, group: Group) -> object:
    """Return the value of all the things of a group; None where they differ."""
    first = get(group[0])
    return first if all(get(scope) == first for scope in group[1:]) else None


def _added(get: Get, group: Group, name: str) -> object:
    """Return the exact sum over a group; None where none of its things has the value."""
    total: Decimal | None = None
    for scope in group:
        value = get(scope)
        if value is None:
            continue
        if not (is_number(value)):
            place = f"{name} of element {scope.key}"
            raise TransformError(f"{place}: expected a number to add up, was {shown(value)}")
        try:
            total = _EXACT.add(total or 0, value)
        except (Inexact, InvalidOperation):
            place = f"{name} of element {scope.key}"
            raise TransformError(f"{place}: expected a number that can be added exactly") from None
    return total


def _number_of(text: str) -> Decimal | None:
    """Return the number that a text of the configuration is; None for another text."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
