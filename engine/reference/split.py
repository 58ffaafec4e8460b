"""Split a checkout into sales and share out its payments: docs/evaluation.md, section 7."""

from collections.abc import Sequence
from fractions import Fraction

from msgspec.structs import replace

from engine.model import EvaluatedBasket, EvaluatedLine, Payment, SalePart, SaleSummary
from engine.numbers import currency_scale
from engine.reference.rounding import ZERO, of_micros, sign_of, to_micros, total_of, truncated
from engine.reference.settlement import CASH, CASHBACK, ROUNDING
from engine.reference.summary import check_range, summary_taxes
from engine.strict_json import is_object

PRESENTED = ("giftcard_use", "voucher_use")
"""Cards that pay in the form of a line; they stay in the sale that they pay for."""


def sales_of(evaluated: EvaluatedBasket, payments: Sequence[Payment]) -> tuple[SalePart, ...]:
    """Return the sales of an evaluated basket; none of a basket that is one plain sale.

    Raises:
        OutOfRange: An amount of one of the sales is 10^12 units or more.
    """
    lines = evaluated.line_items
    references = list(dict.fromkeys(_belongs_to(line) for line in lines))
    places = ["sale", "quote", "return", "expense"]
    references.sort(key=lambda one: (places.index(one[0]), one[1] is not None))
    if references in ([], [("sale", None)]):
        return ()
    summaries = [_summary(kind, reference, evaluated) for kind, reference in references]
    for summary in summaries:
        check_range(summary, "total")
    shares = _shares(evaluated, [of_micros(one.total_micros) for one in summaries], payments)
    return tuple(
        SalePart(summary=summary, payments=tuple(share))
        for summary, share in zip(summaries, shares, strict=True)
    )


def _belongs_to(line: EvaluatedLine) -> tuple[str, str | None]:
    """Return the kind of sale that a line is part of, and what that sale refers to."""
    if line.frozen is not None and line.frozen.quote_reference is not None:
        return "quote", line.frozen.quote_reference
    if line.frozen is not None:
        return "return", line.frozen.return_reference
    behavior = line.behavior or {}
    if "expense" in behavior:
        expense = behavior["expense"]
        assert is_object(expense), "an expense has members"
        return "expense", str(expense["identifier"])
    comes_back = line.quantity_micros < 0 and not any(kind in behavior for kind in PRESENTED)
    return ("return" if comes_back else "sale"), None


def _summary(kind: str, reference: str | None, evaluated: EvaluatedBasket) -> SaleSummary:
    """Return the sums over the lines of a sale; margins over those with a cost."""
    belonging = (kind, reference)
    lines = [line for line in evaluated.line_items if _belongs_to(line) == belonging]
    costed = [line for line in lines if line.cost_price_micros is not None]
    return SaleSummary(
        base_price_micros=sum(line.base_price_micros for line in lines),
        sub_total_micros=sum(line.sub_total_micros for line in lines),
        total_micros=sum(line.total_micros for line in lines),
        vat_amount_micros=sum(line.vat_amount_micros for line in lines),
        sales_tax_amount_micros=sum(line.sales_tax_amount_micros for line in lines),
        total_tax_amount_micros=sum(line.total_tax_amount_micros for line in lines),
        total_discounts_micros=sum(one.amount_micros for line in lines for one in line.discounts),
        line_items=tuple(lines),
        taxes=summary_taxes(lines),
        margin_micros=sum(line.margin_micros or 0 for line in costed) if costed else None,
        margin_total_micros=sum(line.base_price_micros for line in costed) if costed else None,
        is_return=kind == "return",
        return_reference=reference if kind == "return" else None,
        expense_reference=reference if kind == "expense" else None,
        quote_reference=reference if kind == "quote" else None,
        purchase_type=evaluated.purchase_type,
        customer=evaluated.customer,
    )


# --- payments --------------------------------------------------------------------------------


def _shares(
    evaluated: EvaluatedBasket, totals: Sequence[Fraction], payments: Sequence[Payment]
) -> list[list[Payment]]:
    """Return the entries of each sale; none at all while something is due."""
    entries = _entries(evaluated, payments)
    total = total_of(totals)
    if evaluated.payment.due_micros != 0 or total != total_of(map(_amount, entries)):
        return [[] for _ in totals]
    sign = sign_of(total) or 1
    owed = [sign * one for one in totals]
    main = None
    if min(owed) < 0:
        entries, main = _with_main(entries, sign)
    largest = owed.index(max(owed))
    table: list[list[Fraction]] = []
    for position, entry in enumerate(entries):
        # The refunds come out of the main payment, which has as much more for the other sales.
        row = [min(one, ZERO) if position == main else ZERO for one in owed]
        left = sign * _amount(entry) - total_of(row)
        for sale, one in enumerate(owed):
            if sale != largest:
                missing = max(one, ZERO) - total_of(max(above[sale], ZERO) for above in table)
                taken = min(max(left, ZERO), missing)
                row[sale] += taken
                left -= taken
        row[largest] += left
        table.append(row)
    cut = [_cut(entry, row, sign, largest) for entry, row in zip(entries, table, strict=True)]
    return [[part for part in column if part is not None] for column in zip(*cut, strict=True)] or [
        [] for _ in totals
    ]


def _entries(evaluated: EvaluatedBasket, payments: Sequence[Payment]) -> list[Payment]:
    """Return the successful payments, then rounding and change, which the basket may leave out."""
    good = [payment for payment in payments if payment.success]
    entries = [one for one in good if one.payment_type not in (ROUNDING, CASHBACK)]
    settlement = evaluated.payment
    for kind, micros in (
        (ROUNDING, settlement.cash_rounding_micros),
        (CASHBACK, settlement.cashback_micros),
    ):
        if micros != 0:
            given = [one for one in good if one.payment_type == kind]
            entries += given or [Payment(payment_type=kind, amount_micros=micros)]
    return entries


def _with_main(entries: list[Payment], sign: int) -> tuple[list[Payment], int]:
    """Return the entries and which one bears refunds: the first of the type that paid most.

    Change lessens what was paid in cash. Foreign cash bears none; without another payment of its
    type one of nothing is added.
    """
    paid: dict[str, Fraction] = {}
    for one in entries:
        if one.payment_type != ROUNDING:
            kind = CASH if one.payment_type == CASHBACK else one.payment_type
            paid[kind] = paid.get(kind, ZERO) + sign * _amount(one)
    most = max(paid.values(), default=ZERO)
    main = next((kind for kind, amount in paid.items() if amount == most), "exchange")
    for position, one in enumerate(entries):
        if one.payment_type == main and one.foreign_currency is None:
            return entries, position
    return [*entries, Payment(payment_type=main, amount_micros=0)], len(entries)


def _cut(entry: Payment, row: Sequence[Fraction], sign: int, largest: int) -> list[Payment | None]:
    """Return an entry's share of each sale, None where it has none; nothing at all is a share."""
    if not any(row):
        return [entry if sale == largest else None for sale in range(len(row))]
    foreign = entry.foreign_currency_amount_micros
    last = [sale for sale in range(len(row)) if sale != largest] + [largest]
    shares: list[Payment | None] = [None] * len(row)
    covered = ZERO
    for sale in last:
        before, covered = covered, covered + sign * row[sale]
        if row[sale] != 0:
            shares[sale] = replace(
                entry,
                amount_micros=to_micros(sign * row[sale]),
                foreign_currency_amount_micros=None
                if foreign is None
                else to_micros(
                    _foreign(entry, foreign, covered) - _foreign(entry, foreign, before)
                ),
            )
    return shares


def _foreign(entry: Payment, foreign_micros: int, covered: Fraction) -> Fraction:
    """Return the foreign part of an amount of an entry, cut to the minor unit of its currency."""
    whole = of_micros(foreign_micros)
    if covered == _amount(entry):
        return whole
    assert entry.foreign_currency is not None, "a foreign amount has a currency"
    quantum = Fraction(1, 10 ** currency_scale(entry.foreign_currency))
    return truncated(whole * covered / _amount(entry), quantum)


def _amount(entry: Payment) -> Fraction:
    return of_micros(entry.amount_micros)
