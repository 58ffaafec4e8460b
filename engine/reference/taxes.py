"""Compute the taxes of every line: docs/evaluation.md, section 4."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from engine.model import (
    InclusiveRounding,
    L10nString,
    Market,
    Tax,
    TaxAmount,
    TaxRounding,
    TaxType,
)
from engine.reference.lines import Line
from engine.reference.rounding import (
    Rounding,
    allocate,
    distribute,
    of_micros,
    rounded,
    total_of,
)


@dataclass(frozen=True)
class LineTaxes:
    """The base price of a line, and the amount of each entry of its list of taxes."""

    base_price: Fraction
    amounts: tuple[Fraction, ...]


@dataclass(frozen=True)
class _Exact:
    """The exact taxes of a line before anything is rounded."""

    sub_total: Fraction
    base_price: Fraction
    amounts: tuple[Fraction, ...]
    vat: Fraction


def tax(
    lines: Sequence[Line], sub_totals: Sequence[Fraction], market: Market, rounding: Rounding
) -> list[LineTaxes]:
    """Return the rounded taxes of every line (R4)."""
    exact = [_exact(line, value) for line, value in zip(lines, sub_totals, strict=True)]
    bases = _base_prices(lines, exact, market, rounding)
    amounts = [list(one.amounts) for one in exact]
    _round_sales_taxes(lines, amounts, market, rounding)
    for line, one, base, of_line in zip(lines, exact, bases, amounts, strict=True):
        _split_vat(line, one.sub_total - base, of_line, rounding)
    return [LineTaxes(base, tuple(of_line)) for base, of_line in zip(bases, amounts, strict=True)]


def coefficients(taxes: Sequence[Tax]) -> list[Fraction]:
    """Return c_i = rate_i x (1 + sum of the c_j that tax i compounds on) of each tax."""
    found: list[Fraction] = []
    for one in taxes:
        below = total_of(found[position] for position in _compounded_on(one, taxes[: len(found)]))
        found.append(of_micros(one.rate_micros) * (1 + below))
    return found


def tax_key(one: Tax | TaxAmount) -> tuple[Hashable, int, TaxType]:
    """Return what makes two taxes the same in a document: name, rate and type."""
    return _name_key(one.name), one.rate_micros, one.type


def _name_key(name: L10nString) -> Hashable:
    return frozenset(name.items()) if isinstance(name, dict) else name


def _compounded_on(one: Tax, earlier: Sequence[Tax]) -> list[int]:
    """Return the positions of the earlier taxes that a tax compounds on."""
    return [
        position
        for position, other in enumerate(earlier)
        if other.id is not None and other.id in one.compound_on
    ]


def _vat_list_key(line: Line) -> Hashable:
    """Return what makes two lists of VAT equal: order, name, rate and compounding."""
    vats = _vats(line)
    return tuple(
        (_name_key(one.name), one.rate_micros, tuple(_compounded_on(one, vats[:position])))
        for position, one in enumerate(vats)
    )


def _vats(line: Line) -> list[Tax]:
    return [one for one in line.taxes if one.type is TaxType.VAT]


def _exact(line: Line, sub_total: Fraction) -> _Exact:
    """Take the VAT out of the subtotal, and put every tax on the base that is left."""
    shares = coefficients(line.taxes)
    vat_share = total_of(
        share for one, share in zip(line.taxes, shares, strict=True) if one.type is TaxType.VAT
    )
    base = sub_total / (1 + vat_share)
    return _Exact(sub_total, base, tuple(base * share for share in shares), base * vat_share)


def _base_prices(
    lines: Sequence[Line], exact: Sequence[_Exact], market: Market, rounding: Rounding
) -> list[Fraction]:
    """Return the rounded base price of each line; VAT, or the base, is the rest of the subtotal."""
    is_net = market.inclusive_rounding is InclusiveRounding.NET
    bases = [one.sub_total for one in exact]
    groups: dict[Hashable, list[int]] = {}
    for index, line in enumerate(lines):
        if _vats(line):
            by_line = market.tax_rounding is TaxRounding.LINE
            groups.setdefault(index if by_line else _vat_list_key(line), []).append(index)
    for indexes in groups.values():
        parts = [exact[index].base_price if is_net else exact[index].vat for index in indexes]
        for index, part in zip(indexes, distribute(parts, rounding), strict=True):
            bases[index] = part if is_net else exact[index].sub_total - part
    return bases


def _round_sales_taxes(
    lines: Sequence[Line],
    amounts: list[list[Fraction]],
    market: Market,
    rounding: Rounding,
) -> None:
    """Round the sales taxes in place, by line or over all equal entries of the document."""
    groups: dict[Hashable, list[tuple[int, int]]] = {}
    for index, line in enumerate(lines):
        for position, one in enumerate(line.taxes):
            if one.type is not TaxType.SALES_TAX:
                continue
            if market.tax_rounding is TaxRounding.LINE:
                amounts[index][position] = rounded(amounts[index][position], rounding)
            else:
                groups.setdefault(tax_key(one), []).append((index, position))
    for entries in groups.values():
        parts = [amounts[index][position] for index, position in entries]
        for (index, position), part in zip(entries, distribute(parts, rounding), strict=True):
            amounts[index][position] = part


def _split_vat(line: Line, vat: Fraction, amounts: list[Fraction], rounding: Rounding) -> None:
    """Allocate the VAT of a line over its VAT entries in place, by their exact amounts."""
    positions = [at for at, one in enumerate(line.taxes) if one.type is TaxType.VAT]
    if not positions:
        return
    weights = [abs(amounts[position]) for position in positions]
    for position, share in zip(positions, allocate(vat, weights, rounding.quantum), strict=True):
        amounts[position] = share
