"""Draw returns and quotes from a seed: records of baskets that were evaluated before."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from engine.model import (
    Basket,
    EvaluatedBasket,
    EvaluatedLine,
    Quote,
    ReturnedLine,
    ReturnedSale,
)
from tests.support.random_values import MICRO, Draw

FAULTY_PERCENT = 12
REFERENCES = ("1", "S-2", "S-3")


def with_frozen(draw: Draw, basket: Basket, past: Sequence[EvaluatedBasket]) -> Basket:
    """Return the basket with records of earlier ones; few of them are refused."""
    sold = [[line for line in each.line_items if line.quantity_micros > 0] for each in past]
    sold = [lines for lines in sold if lines]
    if sold and draw.chance(75):
        count = draw.pick((1, 1, 2))
        returns = tuple(_returned_sale(draw, draw.pick(sold), name) for name in REFERENCES[:count])
        basket = replace(basket, returns=returns)
    recorded = [each.line_items for each in past if each.line_items]
    if recorded and draw.chance(45):
        count = draw.pick((1, 1, 2))
        quotes = tuple(
            Quote(quote_reference=f"Q{number}", line_items=_unique(draw.pick(recorded)))
            for number in range(count)
        )
        basket = replace(basket, quotes=quotes)
    return _broken(draw, basket, past) if draw.chance(FAULTY_PERCENT) else basket


def _unique(lines: Sequence[EvaluatedLine]) -> tuple[EvaluatedLine, ...]:
    """Return the lines; of those that have one id, the first."""
    return tuple({line.line_item_id: line for line in reversed(lines)}.values())


def _returned_sale(draw: Draw, lines: Sequence[EvaluatedLine], reference: str) -> ReturnedSale:
    """Draw what comes back of a sale: some lines, each at once or bit by bit."""
    entries: list[ReturnedLine] = []
    for line in _unique([line for line in lines if draw.chance(70)] or lines[:1]):
        entries += _entries(draw, line)
    draw.random.shuffle(entries)
    return ReturnedSale(return_reference=reference, line_items=tuple(entries))


def _entries(draw: Draw, line: EvaluatedLine) -> list[ReturnedLine]:
    """Draw entries that return a line in parts, after a part that came back before."""
    is_by_count = line.unit_count_micros is not None
    sold = line.unit_count_micros or line.quantity_micros
    step = MICRO if not is_by_count and sold % MICRO == 0 else 1
    steps = sold // step
    before = draw.random.randrange(steps) * step if draw.chance(30) else 0
    entry = ReturnedLine(line_item=line, returned_before_micros=before)
    left = (sold - before) // step
    entries: list[ReturnedLine] = []
    while left and len(entries) < 3 and draw.chance(60):
        part = draw.random.randint(1, left)
        left -= part
        entries.append(replace(entry, quantity_micros=part * step))
    return entries or [entry]


# --- what is refused -------------------------------------------------------------------------


def _too_much(draw: Draw, basket: Basket, past: Sequence[EvaluatedBasket]) -> Basket:
    line = _any_line(draw, past)
    sold = line.unit_count_micros or abs(line.quantity_micros)
    entry = ReturnedLine(
        line_item=line,
        quantity_micros=draw.pick((None, sold, sold + 1, sold // 2 or 1, 500_000)),
        returned_before_micros=draw.pick((0, 1, sold // 2, sold, sold + MICRO)),
    )
    again = replace(entry, returned_before_micros=draw.pick((entry.returned_before_micros, 0)))
    entries = (entry, again, replace(entry, quantity_micros=None))
    sale = ReturnedSale(return_reference="over", line_items=entries)
    return replace(basket, returns=(*basket.returns, sale))


def _too_fine(draw: Draw, basket: Basket, past: Sequence[EvaluatedBasket]) -> Basket:
    line = _any_line(draw, past)
    name = draw.pick(("retail_price_micros", "cost_price_micros"))
    line = replace(line, **{name: (getattr(line, name) or 0) + 1})
    sale = ReturnedSale(return_reference="fine", line_items=(ReturnedLine(line_item=line),))
    quote = Quote(quote_reference="fine", line_items=(line,))
    if draw.chance(50):
        return replace(basket, returns=(*basket.returns, sale))
    return replace(basket, quotes=(*basket.quotes, quote))


def _repeated(draw: Draw, basket: Basket, past: Sequence[EvaluatedBasket]) -> Basket:
    line = _any_line(draw, past)
    quote = Quote(quote_reference="Q0", line_items=(line, line))
    basket = replace(basket, quotes=(*basket.quotes, quote, quote))
    return replace(basket, returns=(*basket.returns, *basket.returns[:1]))


def _changed_record(draw: Draw, basket: Basket, past: Sequence[EvaluatedBasket]) -> Basket:
    line = _any_line(draw, past)
    entries = (
        ReturnedLine(line_item=line),
        ReturnedLine(line_item=replace(line, comment="another record")),
    )
    sale = ReturnedSale(return_reference="changed", line_items=entries)
    return replace(basket, returns=(*basket.returns, sale))


def _any_line(draw: Draw, past: Sequence[EvaluatedBasket]) -> EvaluatedLine:
    return draw.pick([line for each in past for line in each.line_items])


_FAULTS: tuple[Callable[[Draw, Basket, Sequence[EvaluatedBasket]], Basket], ...] = (
    _too_much,
    _too_much,
    _too_fine,
    _repeated,
    _changed_record,
)


def _broken(draw: Draw, basket: Basket, past: Sequence[EvaluatedBasket]) -> Basket:
    if not any(each.line_items for each in past):
        return basket
    return draw.pick(_FAULTS)(draw, basket, past)
