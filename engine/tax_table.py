"""Compile lists of taxes into the columns of the kernel: bases, exact shares, VAT groups."""

import math
from collections.abc import Sequence
from fractions import Fraction

from engine.errors import Reason, invalid
from engine.limits import MICROS_PER_UNIT
from engine.model import L10nString, Tax, TaxType

INT64_MAX = 2**63 - 1
VAT_KEY = -1

_Key = tuple[object, ...]


def name_key(name: L10nString) -> object:
    """Return a hashable form of a name; equal names have equal keys."""
    return name if isinstance(name, str) else tuple(sorted(name.items()))


def coefficients(taxes: Sequence[Tax]) -> list[Fraction]:
    """Return for each tax its exact amount on a base of 1, compounding included."""
    found: list[Fraction] = []
    position_of: dict[str, int] = {}
    for position, tax in enumerate(taxes):
        compounded = sum((found[position_of[id_]] for id_ in tax.compound_on), Fraction(0))
        found.append(Fraction(tax.rate_micros, MICROS_PER_UNIT) * (1 + compounded))
        if tax.id is not None:
            position_of[tax.id] = position
    return found


def without_sales_tax(taxes: tuple[Tax, ...]) -> tuple[Tax, ...]:
    """Return the taxes that an exempt customer pays."""
    return tuple(tax for tax in taxes if tax.type is TaxType.VAT)


class TaxTable:
    """The distinct tax lists of a plan (or of one basket, on top of a plan's), numbered.

    `sets` has rows (base_n, base_d, vat_group, entries, entry_count, vat_count) and `entries` rows
    (exact_n, exact_d, weight, key), as the kernel takes them.
    """

    def __init__(self, below: "TaxTable | None" = None) -> None:
        """Start an empty table, or one that continues the numbers of the table `below`."""
        self._below = below
        self.first_set: int = 0 if below is None else below.first_set + len(below.sets)
        self.group_count: int = 0 if below is None else below.group_count
        self.key_count: int = 0 if below is None else below.key_count
        self.sets: list[tuple[int, ...]] = []
        self.entries: list[tuple[int, ...]] = []
        self._set_of: dict[_Key, int] = {}
        self._group_of: dict[_Key, int] = {}
        self._key_of: dict[_Key, int] = {}

    def number_of(self, taxes: tuple[Tax, ...], field: str) -> int:
        """Return the number of a tax list, adding it when it is new.

        Raises InvalidInput at `field` when its compounding has no exact 64-bit form.
        """
        key = tuple(
            (name_key(tax.name), tax.rate_micros, tax.type, tax.id, tax.compound_on)
            for tax in taxes
        )
        if key in self._set_of:
            return self._set_of[key]
        if self._below is not None and key in self._below._set_of:
            return self._below._set_of[key]
        number = self._set_of[key] = self._add(taxes, field)
        return number

    def _add(self, taxes: tuple[Tax, ...], field: str) -> int:
        shares = coefficients(taxes)
        vat = [share for tax, share in zip(taxes, shares, strict=True) if tax.type is TaxType.VAT]
        base = 1 / (1 + sum(vat, Fraction(0)))
        denominator = math.lcm(*(share.denominator for share in vat)) if vat else 1
        rows: list[tuple[int, ...]] = []
        for tax, share in zip(taxes, shares, strict=True):
            exact = share * base
            is_vat = tax.type is TaxType.VAT
            weight = int(share * denominator) if is_vat else 0
            key = VAT_KEY if is_vat else self._sales_tax_key(tax)
            rows.append((exact.numerator, exact.denominator, weight, key))
        weights = sum(row[2] for row in rows)
        numbers = [base.numerator, base.denominator, weights, *(n for row in rows for n in row)]
        if max(numbers) > INT64_MAX:
            raise invalid(
                field,
                Reason.OUT_OF_BOUNDS,
                "expected rates and compounding with an exact 64-bit form, was finer",
            )
        entry = len(self.entries)
        group = self._vat_group(taxes)
        self.entries.extend(rows)
        self.sets.append((base.numerator, base.denominator, group, entry, len(taxes), len(vat)))
        return self.first_set + len(self.sets) - 1

    def _sales_tax_key(self, tax: Tax) -> int:
        key = (name_key(tax.name), tax.rate_micros)
        if self._below is not None and key in self._below._key_of:
            return self._below._key_of[key]
        if key not in self._key_of:
            self._key_of[key] = self.key_count
            self.key_count += 1
        return self._key_of[key]

    def _vat_group(self, taxes: tuple[Tax, ...]) -> int:
        entries = [tax for tax in taxes if tax.type is TaxType.VAT]
        position_of = {tax.id: i for i, tax in enumerate(entries) if tax.id is not None}
        key = tuple(
            (
                name_key(tax.name),
                tax.rate_micros,
                tuple(sorted(position_of[id_] for id_ in tax.compound_on)),
            )
            for tax in entries
        )
        if self._below is not None and key in self._below._group_of:
            return self._below._group_of[key]
        if key not in self._group_of:
            self._group_of[key] = self.group_count
            self.group_count += 1
        return self._group_of[key]
