"""Bring recorded lines into a basket, whole or in part: docs/evaluation.md, sections 2 and 6.

Every amount of a returned line is the difference of two shares of the recorded amount: of what had
come back before this entry, and of what has come back with it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from msgspec.structs import replace

from engine import limits
from engine.errors import FieldProblem, Reason
from engine.model import (
    Application,
    Basket,
    DiscountRecord,
    DiscountTrigger,
    EvaluatedLine,
    FrozenFrom,
    Market,
    Quote,
    ReturnedLine,
    ReturnedSale,
    TaxType,
)
from engine.reference.rounding import Rounding, of_micros, rounded, to_micros, total_of
from engine.reference.summary import contribution


@dataclass(frozen=True)
class _Portion:
    """What one entry returns: the fractions of the record that came back before and come back now.

    `now` is the quantity, in pieces or in units of a line that was priced by count.
    """

    record: EvaluatedLine
    before: Fraction
    after: Fraction
    now: Fraction


# --- refusals --------------------------------------------------------------------------------


def frozen_problems(basket: Basket, rounding: Rounding) -> list[FieldProblem]:
    """Return which returns and quotes are refused, in the order of section 6."""
    frozen = [*_recorded(basket)]
    if frozen and len(basket.line_items) + len(frozen) > limits.LINES_PER_BASKET_MAX:
        message = f"expected {limits.LINES_PER_BASKET_MAX} lines at most, was more"
        return [FieldProblem("line_items", Reason.TOO_MANY, message)]
    problems: list[FieldProblem] = []
    sales = [sale.return_reference for sale in basket.returns]
    for index, sale in enumerate(basket.returns):
        path = f"returns[{index}]"
        problems.extend(_repeated(f"{path}.return_reference", sales, index))
        for at, portion in enumerate(_portions(sale, rounding)):
            if isinstance(portion, FieldProblem):
                field = f"{path}.line_items[{at}].{portion.field}"
                problems.append(replace(portion, field=field))
    quotes = [quote.quote_reference for quote in basket.quotes]
    for index, quote in enumerate(basket.quotes):
        path = f"quotes[{index}]"
        problems.extend(_repeated(f"{path}.quote_reference", quotes, index))
        problems.extend(_quote_problems(quote, path, rounding))
    return problems


def _recorded(basket: Basket) -> Iterator[EvaluatedLine]:
    """Yield the records of all returns, then those of all quotes."""
    for sale in basket.returns:
        for entry in sale.line_items:
            yield entry.line_item
    for quote in basket.quotes:
        yield from quote.line_items


def _repeated(field: str, ids: Sequence[str], index: int) -> list[FieldProblem]:
    """Return the problem that an id occurs earlier in its list."""
    if ids[index] not in ids[:index]:
        return []
    return [FieldProblem(field, Reason.DUPLICATE, f"expected {ids[index]!r} only once")]


def _quote_problems(quote: Quote, path: str, rounding: Rounding) -> Iterator[FieldProblem]:
    ids = [record.line_item_id for record in quote.line_items]
    for at, record in enumerate(quote.line_items):
        line = f"{path}.line_items[{at}]"
        repeated = _repeated(f"{line}.line_item_id", ids, at)
        fine = _too_fine(record, rounding)
        if repeated:
            yield from repeated
        elif fine is not None:
            yield replace(fine, field=f"{line}.{fine.field}")


def _too_fine(record: EvaluatedLine, rounding: Rounding) -> FieldProblem | None:
    """Return the first amount of a record that is no multiple of the minor unit."""
    amounts = {"retail_price": record.retail_price_micros}
    if record.cost_price_micros is not None:
        amounts["cost_price"] = record.cost_price_micros
    for at, given in enumerate(record.discounts):
        amounts[f"discounts[{at}].amount"] = given.amount_micros
    for at, tax in enumerate(record.taxes):
        amounts[f"taxes[{at}].amount"] = tax.amount_micros
    for field, micros in amounts.items():
        if (of_micros(micros) / rounding.quantum).denominator != 1:
            message = f"expected a multiple of {rounding.quantum}, was {of_micros(micros)}"
            return FieldProblem(field, Reason.OUT_OF_BOUNDS, message)
    return None


# --- returns ---------------------------------------------------------------------------------


def _portions(sale: ReturnedSale, rounding: Rounding) -> list[_Portion | FieldProblem]:
    """Return for each entry what it returns, or why it cannot; it then returns nothing."""
    firsts: dict[str, ReturnedLine] = {}
    came_back: dict[str, Fraction] = {}
    portions: list[_Portion | FieldProblem] = []
    for entry in sale.line_items:
        id_ = entry.line_item.line_item_id
        first = firsts.setdefault(id_, entry)
        before = came_back.get(id_, of_micros(entry.returned_before_micros))
        portion = _portion(entry, first, before, rounding)
        if isinstance(portion, _Portion):
            came_back[id_] = before + portion.now
        portions.append(portion)
    return portions


def _portion(
    entry: ReturnedLine, first: ReturnedLine, before: Fraction, rounding: Rounding
) -> _Portion | FieldProblem:
    """Return what an entry returns, when so much came back before, or the first problem."""
    record = entry.line_item
    fine = _too_fine(record, rounding)
    if fine is not None:
        return replace(fine, field=f"line_item.{fine.field}")
    if record.quantity_micros < 0:
        message = "expected a sold line, was a returned one"
        return FieldProblem("line_item.quantity", Reason.OUT_OF_BOUNDS, message)
    if (record, entry.returned_before_micros) != (first.line_item, first.returned_before_micros):
        message = "expected what the first entry of this line says"
        return FieldProblem("line_item.line_item_id", Reason.DUPLICATE, message)
    by_count = record.unit_count_micros
    sold = of_micros(record.quantity_micros if by_count is None else by_count)
    step = 1 if by_count is None and sold.denominator == 1 else Fraction(1, 1_000_000)
    given = of_micros(entry.returned_before_micros)
    if given > sold or given % step:
        message = f"expected at most {sold} in steps of {step}, was {given}"
        return FieldProblem("returned_before", Reason.OUT_OF_BOUNDS, message)
    left = sold - before
    now = left if entry.quantity_micros is None else of_micros(entry.quantity_micros)
    if not 0 < now <= left or now % step:
        message = f"expected at most {left}, which is left, in steps of {step}, was {now}"
        return FieldProblem("quantity", Reason.OUT_OF_BOUNDS, message)
    return _Portion(record, before / sold, (before + now) / sold, now)


def _returned(
    portion: _Portion, id_: str, reference: str, market: Market, rounding: Rounding
) -> EvaluatedLine:
    """Return the line of a portion: amounts and quantity negated, totals derived from them."""
    record = portion.record

    def difference(micros: int) -> Fraction:
        amount = of_micros(micros)
        shares = [rounded(amount * part, rounding) for part in (portion.before, portion.after)]
        return shares[0] - shares[1]

    taxes = [(tax, difference(tax.amount_micros)) for tax in record.taxes]
    vat, sales_tax = (
        total_of(amount for tax, amount in taxes if tax.type is kind)
        for kind in (TaxType.VAT, TaxType.SALES_TAX)
    )
    discounts = [(given, difference(given.amount_micros)) for given in record.discounts]
    retail_price = difference(record.retail_price_micros)
    sub_total = retail_price - total_of(amount for _, amount in discounts)
    base_price = sub_total - vat
    recorded_cost = record.cost_price_micros
    cost = None if recorded_cost is None else difference(recorded_cost)
    margin = None if cost is None else base_price - cost
    by_count = record.unit_count_micros is not None
    quantity = of_micros(record.quantity_micros) if by_count else portion.now
    return replace(
        record,
        line_item_id=id_,
        quantity_micros=to_micros(-quantity),
        unit_count_micros=to_micros(portion.now) if by_count else None,
        retail_price_micros=to_micros(retail_price),
        sub_total_micros=to_micros(sub_total),
        base_price_micros=to_micros(base_price),
        vat_amount_micros=to_micros(vat),
        sales_tax_amount_micros=to_micros(sales_tax),
        total_tax_amount_micros=to_micros(vat + sales_tax),
        total_micros=to_micros(sub_total + sales_tax),
        taxes=tuple(replace(tax, amount_micros=to_micros(amount)) for tax, amount in taxes),
        discounts=tuple(
            _of_returned(given, amount, id_) for given, amount in discounts if amount != 0
        ),
        cost_price_micros=None if cost is None else to_micros(cost),
        margin_micros=None if margin is None else to_micros(margin),
        margin_total_micros=None if margin is None else to_micros(base_price),
        contribution_status=contribution(margin, None if margin is None else base_price, market),
        bundle_label=None,
        frozen=FrozenFrom(line_item_id=record.line_item_id, return_reference=reference),
    )


def _of_returned(given: DiscountRecord, amount: Fraction, id_: str) -> DiscountRecord:
    """Return a discount of a returned line: on the line as a whole, set off by nothing here."""
    on_basket = given.application.basket
    return replace(
        given,
        amount_micros=to_micros(amount),
        application=Application(basket=on_basket, line_item_id=None if on_basket else id_),
        trigger=None,
    )


# --- quotes ----------------------------------------------------------------------------------


def _quoted(
    record: EvaluatedLine, quote: Quote, id_of: Callable[[str], str | None], market: Market
) -> EvaluatedLine:
    """Return a line of a quote with its numbers as agreed, under its id in this basket."""
    margin, base_price = (
        None if micros is None else of_micros(micros)
        for micros in (record.margin_micros, record.margin_total_micros)
    )
    id_ = id_of(record.line_item_id)
    assert id_ is not None, "every line of a quote has an id"
    return replace(
        record,
        line_item_id=id_,
        discounts=tuple(
            replace(
                given,
                application=_application(given.application, id_),
                trigger=None if given.trigger is None else _trigger(given.trigger, id_of),
            )
            for given in record.discounts
        ),
        contribution_status=contribution(margin, base_price, market),
        frozen=FrozenFrom(line_item_id=record.line_item_id, quote_reference=quote.quote_reference),
    )


def _application(application: Application, id_: str) -> Application:
    """Return what a discount of a line was applied to, under the line's id in this basket."""
    if application.basket:
        return application
    if application.units is None:
        return Application(line_item_id=id_)
    return Application(units=replace(application.units, line_item_id=id_))


def _trigger(
    trigger: DiscountTrigger, id_of: Callable[[str], str | None]
) -> DiscountTrigger | None:
    """Return what set a discount off, without lines that the quote does not hold."""
    if trigger.basket:
        return trigger
    whole = None if trigger.line_item_id is None else id_of(trigger.line_item_id)
    ranges = [(one, id_of(one.line_item_id)) for one in trigger.units]
    units = tuple(replace(one, line_item_id=id_) for one, id_ in ranges if id_ is not None)
    if whole is None and not units:
        return None
    return replace(trigger, line_item_id=whole, units=units)


# --- all of them -----------------------------------------------------------------------------


def frozen_lines(
    basket: Basket, live_ids: Sequence[str], market: Market, rounding: Rounding
) -> list[EvaluatedLine]:
    """Return the frozen lines of a basket that has no problems: of returns, then of quotes."""
    ids = iter(_ids(live_ids, [record.line_item_id for record in _recorded(basket)]))
    lines: list[EvaluatedLine] = []
    for sale in basket.returns:
        for portion in _portions(sale, rounding):
            assert isinstance(portion, _Portion), "problems are found before"
            lines.append(_returned(portion, next(ids), sale.return_reference, market, rounding))
    for quote in basket.quotes:
        names = {record.line_item_id: next(ids) for record in quote.line_items}
        lines += [_quoted(record, quote, names.get, market) for record in quote.line_items]
    return lines


def _ids(live_ids: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the ids of the frozen lines: their own, else the smallest number that is free."""
    used = list(live_ids)
    for id_ in wanted:
        free = id_
        number = 0
        while free in used or (free != id_ and free in wanted):
            number += 1
            free = str(number)
        used.append(free)
    return used[len(live_ids) :]
