"""Take the lines of returns and quotes into a basket as they were recorded (evaluation, section 2).

A partial return takes the part of the sold line between two quantities a and b: its amounts are
share(b) - share(a), so that partial returns in any order add up to the sale, to the cent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from engine import limits
from engine.errors import FieldProblem, Reason
from engine.evaluated import contribution_status
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
    TaxAmount,
    TaxType,
    UnitRange,
)
from engine.numbers import format_micros, minor_unit_micros
from engine.plan import TIES
from ext import money


class _Part(NamedTuple):
    """The part of a sold line that one entry returns, in micros of its quantity."""

    record: EvaluatedLine
    start: int
    end: int


def sold_micros(record: EvaluatedLine) -> int:
    """Return how much was sold: pieces, or units of a line that was priced by count."""
    count = record.unit_count_micros
    return abs(record.quantity_micros) if count is None else count


def frozen_problems(basket: Basket, market: Market) -> list[FieldProblem]:
    """Return what is wrong with the returns and quotes of a basket (evaluation, section 6)."""
    if not basket.returns and not basket.quotes:
        return []
    count = len(basket.line_items)
    count += sum(len(sale.line_items) for sale in basket.returns)
    count += sum(len(quote.line_items) for quote in basket.quotes)
    if count > limits.LINES_PER_BASKET_MAX:
        message = f"expected at most {limits.LINES_PER_BASKET_MAX} lines with those of returns "
        message += f"and quotes, was {count}"
        return [FieldProblem("line_items", Reason.TOO_MANY, message)]
    quantum = minor_unit_micros(market.currency_code)
    return [*_return_problems(basket.returns, quantum), *_quote_problems(basket.quotes, quantum)]


def frozen_lines(
    basket: Basket, market: Market, live_ids: Iterable[str]
) -> tuple[EvaluatedLine, ...]:
    """Return the lines of a basket's returns, then those of its quotes, in the order given.

    Args:
        basket: A basket of which `frozen_problems` finds nothing.
        market: The market, for the tie, the minor unit and the contribution status.
        live_ids: The ids of the other lines, deposits included.
    """
    if not basket.returns and not basket.quotes:
        return ()
    parts = [(sale, _parts(sale.line_items)) for sale in basket.returns]
    records = [part.record for _, of_sale in parts for part in of_sale]
    records += [record for quote in basket.quotes for record in quote.line_items]
    ids = _ids([record.line_item_id for record in records], live_ids)
    lines = [
        _returned(part, next(ids), sale.return_reference, market)
        for sale, of_sale in parts
        for part in of_sale
    ]
    for quote in basket.quotes:
        renamed = {record.line_item_id: next(ids) for record in quote.line_items}
        lines += [
            _quoted(record, renamed, quote.quote_reference, market) for record in quote.line_items
        ]
    return tuple(lines)


def _ids(wanted: Sequence[str], live_ids: Iterable[str]) -> Iterator[str]:
    """Yield the id of every frozen line: its own, or a free number when an earlier line has it."""
    taken = set(live_ids)
    reserved = taken.union(wanted)
    number = 0
    for id_ in wanted:
        if id_ not in taken:
            taken.add(id_)
            yield id_
            continue
        number += 1
        while str(number) in reserved:
            number += 1
        yield str(number)


# --- what is wrong ---------------------------------------------------------------------------


def _return_problems(returns: Sequence[ReturnedSale], quantum: int) -> Iterator[FieldProblem]:
    known: set[str] = set()
    for position, sale in enumerate(returns):
        path = f"returns[{position}]"
        if sale.return_reference in known:
            message = f"expected each sale once, was {sale.return_reference!r} again"
            yield FieldProblem(f"{path}.return_reference", Reason.DUPLICATE, message)
        known.add(sale.return_reference)
        first: dict[str, ReturnedLine] = {}
        taken: dict[str, int] = {}
        for index, entry in enumerate(sale.line_items):
            id_ = entry.line_item.line_item_id
            before = taken.get(id_, entry.returned_before_micros)
            problem = _entry_problem(entry, first.setdefault(id_, entry), before, quantum)
            if problem is None:
                taken[id_] = _end(entry, before)
            else:
                field = f"{path}.line_items[{index}].{problem.field}"
                yield FieldProblem(field, problem.reason, problem.message)


def _entry_problem(
    entry: ReturnedLine, first: ReturnedLine, before: int, quantum: int
) -> FieldProblem | None:
    """Return the first thing that is wrong with an entry, None when it can be returned."""
    record = entry.line_item
    problem = _amount_problem(record, quantum)
    if problem is not None:
        return replace(problem, field=f"line_item.{problem.field}")
    if record.quantity_micros < 0:
        message = f"expected a line that was sold, was {format_micros(record.quantity_micros)}"
        return FieldProblem("line_item.quantity", Reason.OUT_OF_BOUNDS, message)
    is_same = first.returned_before_micros == entry.returned_before_micros
    if not is_same or first.line_item != record:
        message = "expected the same record and returned_before as in the first entry of the line "
        message += repr(record.line_item_id)
        return FieldProblem("line_item.line_item_id", Reason.DUPLICATE, message)
    sold = sold_micros(record)
    is_whole = record.unit_count_micros is None and not sold % limits.MICROS_PER_UNIT
    number = "a whole number" if is_whole else "a number"
    given = entry.returned_before_micros
    if given > sold or (is_whole and given % limits.MICROS_PER_UNIT):
        message = f"expected {number} up to {format_micros(sold)}, which was sold, was "
        return FieldProblem("returned_before", Reason.OUT_OF_BOUNDS, message + format_micros(given))
    quantity, left = entry.quantity_micros, sold - before
    if left <= 0:
        message = f"expected a line of which something is left, all {format_micros(sold)} came back"
        return FieldProblem("quantity", Reason.OUT_OF_BOUNDS, message)
    if quantity is None or (
        0 < quantity <= left and not (is_whole and quantity % limits.MICROS_PER_UNIT)
    ):
        return None
    message = f"expected {number} up to {format_micros(left)}, which is left, was "
    return FieldProblem("quantity", Reason.OUT_OF_BOUNDS, message + format_micros(quantity))


def _quote_problems(quotes: Sequence[Quote], quantum: int) -> Iterator[FieldProblem]:
    known: set[str] = set()
    for position, quote in enumerate(quotes):
        path = f"quotes[{position}]"
        if quote.quote_reference in known:
            message = f"expected each quote once, was {quote.quote_reference!r} again"
            yield FieldProblem(f"{path}.quote_reference", Reason.DUPLICATE, message)
        known.add(quote.quote_reference)
        ids: set[str] = set()
        for index, record in enumerate(quote.line_items):
            field = f"{path}.line_items[{index}]"
            problem = _amount_problem(record, quantum)
            if record.line_item_id in ids:
                message = f"expected each line once, was {record.line_item_id!r} again"
                yield FieldProblem(f"{field}.line_item_id", Reason.DUPLICATE, message)
            elif problem is not None:
                yield replace(problem, field=f"{field}.{problem.field}")
            ids.add(record.line_item_id)


def _amount_problem(record: EvaluatedLine, quantum: int) -> FieldProblem | None:
    """Return the first amount that the currency has no coins for; the others follow from these."""
    amounts = [("retail_price", record.retail_price_micros)]
    amounts.append(("cost_price", record.cost_price_micros or 0))
    amounts += [(f"discounts[{i}].amount", d.amount_micros) for i, d in enumerate(record.discounts)]
    amounts += [(f"taxes[{i}].amount", tax.amount_micros) for i, tax in enumerate(record.taxes)]
    for field, amount in amounts:
        if amount % quantum:
            message = (
                f"expected a multiple of {format_micros(quantum)}, was {format_micros(amount)}"
            )
            return FieldProblem(field, Reason.OUT_OF_BOUNDS, message)
    return None


# --- returned lines --------------------------------------------------------------------------


def _end(entry: ReturnedLine, before: int) -> int:
    """Return how much has come back after an entry."""
    if entry.quantity_micros is None:
        return sold_micros(entry.line_item)
    return before + entry.quantity_micros


def _parts(entries: Sequence[ReturnedLine]) -> list[_Part]:
    """Return the part of its line that each entry of a sale returns."""
    taken: dict[str, int] = {}
    parts: list[_Part] = []
    for entry in entries:
        record = entry.line_item
        start = taken.get(record.line_item_id, entry.returned_before_micros)
        taken[record.line_item_id] = end = _end(entry, start)
        parts.append(_Part(record, start, end))
    return parts


def _returned(part: _Part, id_: str, reference: str, market: Market) -> EvaluatedLine:
    """Return the line of a part that comes back, every number negated."""
    record, start, end = part
    quantum, mode = minor_unit_micros(market.currency_code), TIES[market.tie]
    sold = sold_micros(record)

    def share(amount: int, k: int) -> int:
        return quantum * money.muldiv(amount, k, sold, quantum, mode=mode)

    def returned(amount: int) -> int:
        return share(amount, start) - share(amount, end)

    discounts = tuple(
        replace(
            each,
            amount_micros=amount,
            application=each.application
            if each.application.basket
            else Application(line_item_id=id_),
            trigger=None,
        )
        for each in record.discounts
        if (amount := returned(each.amount_micros))
    )
    is_by_count = record.unit_count_micros is not None
    cost = record.cost_price_micros
    line = replace(
        record,
        line_item_id=id_,
        quantity_micros=-record.quantity_micros if is_by_count else start - end,
        unit_count_micros=end - start if is_by_count else None,
        retail_price_micros=returned(record.retail_price_micros),
        cost_price_micros=None if cost is None else returned(cost),
        discounts=discounts,
        taxes=tuple(
            replace(tax, amount_micros=returned(tax.amount_micros)) for tax in record.taxes
        ),
        bundle_label=None,
        frozen=FrozenFrom(line_item_id=record.line_item_id, return_reference=reference),
    )
    return _totalled(line, market)


def _totalled(line: EvaluatedLine, market: Market) -> EvaluatedLine:
    """Return a line with everything that follows from its price, cost, discounts and taxes."""
    sub_total = line.retail_price_micros - sum(each.amount_micros for each in line.discounts)
    vat = _amount(line.taxes, TaxType.VAT)
    sales_tax = _amount(line.taxes, TaxType.SALES_TAX)
    base, cost = sub_total - vat, line.cost_price_micros
    margin = None if cost is None else base - cost
    margin_total = None if cost is None else base
    return replace(
        line,
        sub_total_micros=sub_total,
        base_price_micros=base,
        total_micros=sub_total + sales_tax,
        vat_amount_micros=vat,
        sales_tax_amount_micros=sales_tax,
        total_tax_amount_micros=vat + sales_tax,
        margin_micros=margin,
        margin_total_micros=margin_total,
        contribution_status=contribution_status(margin, margin_total, market),
    )


def _amount(taxes: Sequence[TaxAmount], kind: TaxType) -> int:
    return sum(tax.amount_micros for tax in taxes if tax.type is kind)


# --- quoted lines ----------------------------------------------------------------------------


def _quoted(
    record: EvaluatedLine, ids: Mapping[str, str], reference: str, market: Market
) -> EvaluatedLine:
    """Return a line of a quote: its numbers as agreed, and the ids of this basket."""
    id_ = ids[record.line_item_id]
    return replace(
        record,
        line_item_id=id_,
        discounts=tuple(_renamed(each, id_, ids) for each in record.discounts),
        contribution_status=contribution_status(
            record.margin_micros, record.margin_total_micros, market
        ),
        frozen=FrozenFrom(line_item_id=record.line_item_id, quote_reference=reference),
    )


def _renamed(record: DiscountRecord, own_id: str, ids: Mapping[str, str]) -> DiscountRecord:
    """Return a discount record with the ids of this basket; lines outside of it are left out."""
    application = record.application
    if application.units is not None:
        application = Application(units=replace(application.units, line_item_id=own_id))
    elif not application.basket:
        application = Application(line_item_id=own_id)
    trigger = record.trigger
    if trigger is not None and not trigger.basket:
        units = _renamed_units(trigger.units, ids)
        line_item_id = ids.get(trigger.line_item_id or "")
        trigger = None
        if units or line_item_id is not None:
            assert record.trigger is not None
            trigger = DiscountTrigger(
                count=record.trigger.count, line_item_id=line_item_id, units=units
            )
    return replace(record, application=application, trigger=trigger)


def _renamed_units(units: Sequence[UnitRange], ids: Mapping[str, str]) -> tuple[UnitRange, ...]:
    return tuple(
        replace(each, line_item_id=ids[each.line_item_id])
        for each in units
        if each.line_item_id in ids
    )
