"""Keep the running totals of sales: add a sale, merge with other totals, write and read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Self

from engine.errors import FieldProblem, InvalidInput, OutOfRange, Reason, invalid
from engine.model import Checkout, Sale, SaleKind, SalePart
from engine.numbers import CURRENCY_SCALES
from engine.register.rows import (
    COLUMNS,
    VOIDED,
    VOIDED_KEY,
    RowKey,
    RowPart,
    Rows,
    RowScope,
    add_rows,
    sale_rows,
    tax_of_key,
)
from engine.strict_json import is_array, is_object

VERSION: Final = 1
"""The version of the plain form; another one is refused."""

_NUMBER_END = 2**63
_KEY_LENGTH = len(RowKey._fields)
_KINDS = frozenset({*(kind.value for kind in SaleKind), VOIDED})
_SCOPES = frozenset(scope.value for scope in RowScope)

Plain = dict[str, object]
"""A form of texts, integers, lists and dicts alone, which any store can keep."""


class RegisterTotals:
    """The totals of some sales in one currency.

    Totals are equal when their statements are. Adding and merging are exact and know no order: the
    totals of a day are those of its registers merged, and those of all of its sales.
    """

    def __init__(self, base_currency_code: str) -> None:
        """Start without sales.

        Args:
            base_currency_code: The currency of all sales, three capital letters of ISO 4217.
        """
        self._currency_code = base_currency_code
        self._rows: Rows = {}

    def __eq__(self, other: object) -> bool:
        """Return whether the currency and all numbers are the same."""
        if not isinstance(other, RegisterTotals):
            return NotImplemented
        return self._currency_code == other._currency_code and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]  # totals change, so they are no keys

    @property
    def base_currency_code(self) -> str:
        """Return the currency of the totals."""
        return self._currency_code

    @property
    def voided_count(self) -> int:
        """Return how many voided sales and checkouts were added."""
        return self._rows.get(VOIDED_KEY, (0,))[0]

    def rows(self) -> Iterator[tuple[RowKey, tuple[int, ...]]]:
        """Yield the rows in the order of their keys."""
        for key in sorted(self._rows):
            yield key, tuple(self._rows[key])

    def add(self, sale: Sale) -> None:
        """Add a recorded sale; a voided one is counted as voided and nothing else.

        Raises:
            InvalidInput: The sale is in another currency or contradicts itself. Nothing was added.
        """
        self._check_currency(sale.base_currency_code)
        if sale.voided:
            self.add_voided()
        else:
            add_rows(self._rows, sale_rows(sale.summary, sale.payments, self._currency_code))

    def add_part(self, part: SalePart) -> None:
        """Add a sale that a checkout splits into.

        Raises:
            InvalidInput: The sale contradicts itself. Nothing was added.
        """
        add_rows(self._rows, sale_rows(part.summary, part.payments, self._currency_code))

    def add_checkout(self, checkout: Checkout) -> None:
        """Add the sales of a checkout, each with its share of the payments; voided counts once.

        Raises:
            InvalidInput: A sale is in another currency or contradicts itself. Nothing was added.
        """
        self._check_currency(checkout.base_currency_code)
        if checkout.voided:
            self.add_voided()
            return
        rows: Rows = {}
        problems: list[FieldProblem] = []
        for index, sale in enumerate(checkout.sales):
            try:
                add_rows(rows, sale_rows(sale.basket, sale.payments, self._currency_code))
            except InvalidInput as error:
                problems += [_of_part(problem, index) for problem in error.problems]
        if problems:
            raise InvalidInput(problems)
        add_rows(self._rows, rows)

    def add_voided(self) -> None:
        """Count one voided sale."""
        add_rows(self._rows, {VOIDED_KEY: [1]})

    def merge(self, other: RegisterTotals) -> None:
        """Add other totals, as if all of their sales were added here.

        Raises:
            InvalidInput: The other totals are in another currency. Nothing was added.
        """
        self._check_currency(other._currency_code)
        add_rows(self._rows, other._rows)

    def to_plain(self) -> Plain:
        """Return the totals as `{"version", "currency", "rows"}`, the same for equal totals.

        A row is the key's six texts and then its numbers, which fit 64 bits.

        Raises:
            OutOfRange: A number does not fit 64 bits.
        """
        rows: list[list[str | int]] = []
        for key, numbers in self.rows():
            for name, number in zip(COLUMNS[key.part], numbers, strict=True):
                if not -_NUMBER_END <= number < _NUMBER_END:
                    raise OutOfRange(_path(key, name), "expected a total that fits 64 bits")
            rows.append([*key, *numbers])
        return {"version": VERSION, "currency": self._currency_code, "rows": rows}

    @classmethod
    def from_rows(cls, base_currency_code: str, rows: Rows) -> Self:
        """Return the totals of rows that were added up elsewhere; they are the totals' own now."""
        totals = cls(base_currency_code)
        totals._rows = rows
        return totals

    @classmethod
    def from_plain(cls, plain: object) -> Self:
        """Return the totals of a plain form.

        Raises:
            InvalidInput: It is none that `to_plain` makes, or one of another version.
        """
        members = plain if is_object(plain) else {}
        version = members.get("version")
        if type(version) is not int or version != VERSION:
            message = f"expected {VERSION}, was {version!r}"
            raise invalid("version", Reason.UNKNOWN_VALUE, message)
        currency_code = members.get("currency")
        if not isinstance(currency_code, str) or currency_code not in CURRENCY_SCALES:
            message = "expected an ISO 4217 currency code such as DKK"
            raise invalid("currency", Reason.UNKNOWN_VALUE, f"{message}, was {currency_code!r}")
        totals, rows = cls(currency_code), members.get("rows")
        if not is_array(rows):
            raise invalid("rows", Reason.WRONG_TYPE, "expected an array of rows")
        for index, row in enumerate(rows):
            key, numbers = _row(row, f"rows[{index}]")
            if key in totals._rows:
                raise invalid(f"rows[{index}]", Reason.DUPLICATE, "expected each row once")
            totals._rows[key] = numbers
        return totals

    def _check_currency(self, currency_code: str) -> None:
        if currency_code != self._currency_code:
            expected = f"expected {self._currency_code}, the currency of the totals"
            raise invalid(
                "base_currency_code", Reason.NOT_ALLOWED, f"{expected}, was {currency_code}"
            )


def _of_part(problem: FieldProblem, index: int) -> FieldProblem:
    """Return a problem of a sale with its path in the checkout, which calls the summary basket."""
    field = problem.field
    if field.startswith("summary"):
        field = "basket" + field.removeprefix("summary")
    return FieldProblem(f"sales[{index}].{field}", problem.reason, problem.message)


def _path(key: RowKey, name: str) -> str:
    """Return a name for a number of a row, such as `sale.payment.cash.credit`."""
    parts = (key.kind, key.member, key.part, key.name, key.currency_code, name)
    return ".".join(part for part in parts if part).removesuffix("_micros")


def _row(row: object, path: str) -> tuple[RowKey, list[int]]:
    """Return the key and the numbers of a row of the plain form."""
    cells = row if is_array(row) else ()
    texts = [cell for cell in cells[:_KEY_LENGTH] if isinstance(cell, str)]
    numbers = [cell for cell in cells[_KEY_LENGTH:] if type(cell) is int]
    if len(texts) != _KEY_LENGTH or len(texts) + len(numbers) != len(cells):
        expected = f"expected {_KEY_LENGTH} texts and then integers"
        raise invalid(path, Reason.WRONG_TYPE, f"{expected}, was {row!r}")
    key = RowKey(*texts)
    if key.kind not in _KINDS or key.scope not in _SCOPES or key.part not in COLUMNS:
        raise invalid(path, Reason.UNKNOWN_VALUE, f"expected the key of a row, was {texts!r}")
    if len(numbers) != len(COLUMNS[key.part]):
        expected = f"expected {len(COLUMNS[key.part])} integers after the key"
        raise invalid(path, Reason.WRONG_TYPE, f"{expected}, was {numbers!r}")
    if key.part == RowPart.TAX.value:
        _check_tax(key.name, path)
    return key, numbers


def _check_tax(name: str, path: str) -> None:
    try:
        tax_of_key(name)
    except ValueError:  # of which msgspec.DecodeError is one
        message = f"expected the name, rate and type of a tax, was {name!r}"
        raise invalid(path, Reason.MALFORMED, message) from None
