"""Split a checkout into its sales, and its payments over them (evaluation, section 7)."""

from collections.abc import Sequence

from msgspec.structs import replace

from engine import limits
from engine.behaviors import EXPENSE, GIFTCARD_USE, VOUCHER_USE, kind_of
from engine.errors import OutOfRange
from engine.evaluated import summary_taxes
from engine.model import (
    Checkout,
    CheckoutSale,
    EvaluatedBasket,
    EvaluatedLine,
    Payment,
    Sale,
    SalePart,
    SaleSummary,
)
from engine.numbers import minor_unit_micros
from engine.settlement import CASH, CASH_ROUNDING, CASHBACK
from engine.strict_json import is_object

EXCHANGE = "exchange"
"""The payment type of what goods that come back pay for others, when nothing else is paid."""

_Owner = tuple[int, str]
"""Where a line belongs: the place of its kind of sale in the order, and the reference."""

_SHARED_NAMES = tuple(
    name for name in SaleSummary.__struct_fields__ if name in EvaluatedBasket.__struct_fields__
)

_LIVE, _QUOTE, _RETURN, _EXPENSE = range(4)
_PLAIN: _Owner = (_LIVE, "")


def is_plain_sale(lines: Sequence[EvaluatedLine]) -> bool:
    """Return whether a basket of these lines is one sale and nothing else."""
    for line in lines:
        is_ordinary = line.quantity_micros > 0 and line.behavior is None and line.frozen is None
        if not is_ordinary and _owner_of(line) != _PLAIN:
            return False
    return True


def split(evaluated: EvaluatedBasket, payments: Sequence[Payment]) -> tuple[SalePart, ...]:
    """Return the sales of a checkout, each with its share of the payments.

    The summaries and taxes add up to those of the basket. While the payments do not cover the
    total, the sales carry none.

    Args:
        evaluated: The evaluated basket.
        payments: Its payments in the order of the basket, foreign amounts with their value.

    Returns:
        The sale, quotes, returns and expenses, in this order; nothing for an empty basket.

    Raises:
        OutOfRange: An amount of one of the sales reaches 10^12.
    """
    if is_plain_sale(evaluated.line_items) and evaluated.line_items:
        return (_plain_part(evaluated, payments),)
    summaries = summaries_of(evaluated.line_items, evaluated)
    entries = _entries(evaluated, payments)
    if evaluated.payment.due_micros or evaluated.total_micros != _sum(entries):
        return tuple(SalePart(summary=summary) for summary in summaries)
    shares = apportion([summary.total_micros for summary in summaries], entries)
    return tuple(
        SalePart(summary=summary, payments=tuple(of_sale))
        for summary, of_sale in zip(summaries, shares, strict=True)
    )


def summaries_of(lines: Sequence[EvaluatedLine], evaluated: EvaluatedBasket) -> list[SaleSummary]:
    """Return the sums of the sales that some lines of a basket are, in the order of `split`.

    Args:
        lines: All of the lines, or some.
        evaluated: The basket that they are of.

    Raises:
        OutOfRange: An amount of one of the sales reaches 10^12.
    """
    owned: dict[_Owner, list[EvaluatedLine]] = {}
    for line in lines:
        owned.setdefault(_owner_of(line), []).append(line)
    # The sort is stable: of one kind, the first to appear comes first.
    summaries = [_summary(owner, owned[owner], evaluated) for owner in sorted(owned, key=_place_of)]
    for summary in summaries:
        _check_range(summary)
    return summaries


def whole_summary(evaluated: EvaluatedBasket) -> SaleSummary:
    """Return the summary of a basket that is not split: its own sums."""
    return SaleSummary(**{name: getattr(evaluated, name) for name in _SHARED_NAMES})


def sale_of(checkout: Checkout, part: CheckoutSale) -> Sale:
    """Return one sale of a checkout as a record of its own, with its share of the payments."""
    return Sale(
        identifier=part.identifier,
        base_currency_code=checkout.base_currency_code,
        sequence_number=part.sequence_number,
        source=checkout.source,
        timing=checkout.timing,
        summary=part.basket,
        payments=part.payments,
        checkout_identifier=checkout.identifier,
        receipt_metadata=checkout.receipt_metadata,
        voided=checkout.voided,
    )


def _plain_part(evaluated: EvaluatedBasket, payments: Sequence[Payment]) -> SalePart:
    """Return the only sale of a basket that is one: its sums and payments are the basket's."""
    summary = whole_summary(evaluated)
    entries = _entries(evaluated, payments)
    if evaluated.payment.due_micros or evaluated.total_micros != _sum(entries):
        return SalePart(summary=summary)
    return SalePart(summary=summary, payments=tuple(entries))


# --- lines -----------------------------------------------------------------------------------


def _owner_of(line: EvaluatedLine) -> _Owner:
    """Return which sale a line belongs to."""
    frozen = line.frozen
    if frozen is not None:
        if frozen.return_reference is not None:
            return _RETURN, frozen.return_reference
        return _QUOTE, frozen.quote_reference or ""
    kind = kind_of(line.behavior)
    if kind == EXPENSE:
        return _EXPENSE, _expense_of(line)
    if line.quantity_micros > 0 or kind in (GIFTCARD_USE, VOUCHER_USE):
        return _PLAIN
    return _RETURN, ""


def _expense_of(line: EvaluatedLine) -> str:
    """Return the identifier of the expense that a line pays out."""
    expense = (line.behavior or {}).get(EXPENSE)
    return str(expense.get("identifier", "")) if is_object(expense) else ""


def _place_of(owner: _Owner) -> tuple[int, bool]:
    """Order the kinds; the return of what no sale is named for comes before the others."""
    return owner[0], owner[1] != ""


def _summary(
    owner: _Owner, lines: Sequence[EvaluatedLine], evaluated: EvaluatedBasket
) -> SaleSummary:
    """Return the sums over the lines of one sale."""
    kind, reference = owner[0], owner[1] or None
    vat = sum(line.vat_amount_micros for line in lines)
    sales_tax = sum(line.sales_tax_amount_micros for line in lines)
    with_cost = [line for line in lines if line.margin_micros is not None]
    return SaleSummary(
        base_price_micros=sum(line.base_price_micros for line in lines),
        sub_total_micros=sum(line.sub_total_micros for line in lines),
        total_micros=sum(line.total_micros for line in lines),
        vat_amount_micros=vat,
        sales_tax_amount_micros=sales_tax,
        total_tax_amount_micros=vat + sales_tax,
        total_discounts_micros=sum(d.amount_micros for line in lines for d in line.discounts),
        line_items=tuple(lines),
        taxes=summary_taxes(lines),
        margin_micros=sum(line.margin_micros or 0 for line in with_cost) if with_cost else None,
        margin_total_micros=sum(line.margin_total_micros or 0 for line in with_cost)
        if with_cost
        else None,
        is_return=kind == _RETURN,
        return_reference=reference if kind == _RETURN else None,
        expense_reference=reference if kind == _EXPENSE else None,
        quote_reference=reference if kind == _QUOTE else None,
        purchase_type=evaluated.purchase_type,
        customer=evaluated.customer,
    )


def _check_range(summary: SaleSummary) -> None:
    """Raise OutOfRange when an amount of one sale reaches 10^12, though they cancel in all."""
    amounts = (
        summary.base_price_micros,
        summary.sub_total_micros,
        summary.total_micros,
        summary.total_tax_amount_micros,
        summary.vat_amount_micros,
        summary.sales_tax_amount_micros,
        summary.total_discounts_micros,
        summary.margin_micros or 0,
        *(tax.amount_micros for tax in summary.taxes),
    )
    if max(map(abs, amounts)) >= limits.AMOUNT_MICROS_END:
        raise OutOfRange("total", "expected amounts below 10^12 in every sale of the basket")


# --- payments --------------------------------------------------------------------------------


def _entries(evaluated: EvaluatedBasket, payments: Sequence[Payment]) -> list[Payment]:
    """Return what was paid in its order, then the rounding and the change, given or computed."""
    succeeded = [payment for payment in payments if payment.success]
    computed = {
        CASH_ROUNDING: evaluated.payment.cash_rounding_micros,
        CASHBACK: evaluated.payment.cashback_micros,
    }
    entries = [each for each in succeeded if each.payment_type not in computed]
    for kind, amount in computed.items():
        given = next((each for each in succeeded if each.payment_type == kind), None)
        if amount:
            entries.append(given or Payment(payment_type=kind, amount_micros=amount))
    return entries


def _sum(entries: Sequence[Payment]) -> int:
    return sum(each.amount_micros for each in entries)


def apportion(totals_micros: Sequence[int], entries: Sequence[Payment]) -> list[list[Payment]]:
    """Return the entries of each sale: they add up to its total, and those of a payment to it.

    Args:
        totals_micros: The totals of the sales.
        entries: What was paid, then the cash rounding and the change; as much as the totals.
    """
    assert sum(totals_micros) == _sum(entries), "the entries pay for the sales"
    sign = -1 if sum(totals_micros) < 0 else 1
    owed = [sign * total for total in totals_micros]
    purses = [_Purse(entry, sign) for entry in entries]
    shares: list[list[Payment]] = [[] for _ in owed]
    if min(owed, default=0) < 0:
        main = _main_purse(purses, sign)
        for position, amount in enumerate(owed):
            if amount < 0:
                shares[position].append(main.lend(-amount))
    # The largest takes what the others leave, so that change and rounding stay in one place.
    largest = owed.index(max(owed)) if owed else -1
    for position, amount in enumerate(owed):
        missing = amount if position != largest else 0
        for purse in purses:
            if missing > 0 and purse.left > 0:
                before = purse.left
                shares[position].append(purse.take(missing))
                missing -= before - purse.left
    if owed:
        rest = (purse.rest() for purse in purses)
        shares[largest] += [each for each in rest if each is not None]
    return shares


class _Purse:
    """What is left of one payment while its shares are dealt out, positive on a sale."""

    def __init__(self, payment: Payment, sign: int) -> None:
        self.payment = payment
        self.left = self._given = sign * payment.amount_micros
        self._sign = sign
        self._is_whole = True

    def lend(self, amount: int) -> Payment:
        """Return a share against the total's sign, for which there is more to deal out."""
        self.left += amount
        self._given += amount
        self._is_whole = False
        return replace(self.payment, amount_micros=-self._sign * amount)

    def take(self, most: int) -> Payment:
        """Deal out a share of at most so much."""
        dealt, amount = self._given - self.left, min(most, self.left)
        self.left -= amount
        self._is_whole = False
        foreign = self.payment.foreign_currency_amount_micros
        return replace(
            self.payment,
            amount_micros=self._sign * amount,
            foreign_currency_amount_micros=None
            if foreign is None
            else self._foreign(foreign, dealt + amount) - self._foreign(foreign, dealt),
        )

    def rest(self) -> Payment | None:
        """Deal out what is left; None when all of it was dealt out before."""
        if self._is_whole:
            return self.payment
        return self.take(self.left) if self.left else None

    def _foreign(self, amount: int, dealt: int) -> int:
        """Return the foreign amount of what was dealt out so far, cut to its minor unit."""
        if dealt == self._given:
            return amount
        quantum = minor_unit_micros(self.payment.foreign_currency or "")
        size = abs(amount) * dealt // self._given // quantum * quantum
        return size if amount > 0 else -size


def _main_purse(purses: list[_Purse], sign: int) -> _Purse:
    """Return the first payment of the type that most was paid with, less the change.

    One is added to `purses` when nothing was paid, or only foreign cash.
    """
    paid: dict[str, int] = {}
    for purse in purses:
        kind = purse.payment.payment_type
        if kind != CASH_ROUNDING:
            kind = CASH if kind == CASHBACK else kind
            paid[kind] = paid.get(kind, 0) + purse.left
    main = max(paid, key=lambda kind: paid[kind], default=EXCHANGE)
    for purse in purses:
        if purse.payment.payment_type == main and purse.payment.foreign_currency is None:
            return purse
    purses.append(_Purse(Payment(payment_type=main, amount_micros=0), sign))
    return purses[-1]
