"""Draw payments for a known total from a seed: cash and cards, change and rounding, mistakes."""

from collections.abc import Callable
from fractions import Fraction

from msgspec.structs import replace

from engine.model import Basket, CashRounding, Payment
from engine.reference.rounding import of_micros, to_micros
from engine.reference.settlement import cash_rounded
from tests.support.random_values import MICRO, Draw

CASH = "cash"
CARD = "card.external"


def _payment(payment_type: str, amount_micros: int, **changes: object) -> Payment:
    return replace(Payment(payment_type=payment_type, amount_micros=amount_micros), **changes)


def _in_cash(amount_micros: int, rule: CashRounding) -> int:
    """Return an amount as it is settled in cash."""
    return to_micros(cash_rounded(Fraction(of_micros(amount_micros)), rule))


def _all_cash(draw: Draw, total: int, rule: CashRounding) -> list[Payment]:
    """Pay in cash, exactly or too much, with the entries that the settlement computes."""
    rounded = _in_cash(total, rule)
    over = draw.pick((0, 0, 1, 50, 500)) * MICRO * (1 if total >= 0 else -1)
    paid = [_payment(CASH, rounded + over)]
    if draw.chance(50):
        paid.append(_payment("cash.rounding", total - rounded))
    if draw.chance(50):
        paid.insert(0, _payment("cash.cashback", -over))
    return paid


def _card_then_cash(draw: Draw, total: int, rule: CashRounding) -> list[Payment]:
    part = total // draw.pick((2, 3, 7)) // MICRO * MICRO
    return [_payment(CARD, part), *_all_cash(draw, total - part, rule)]


def _cash_then_card(draw: Draw, total: int, rule: CashRounding) -> list[Payment]:
    part = total // draw.pick((2, 3, 7)) // MICRO * MICRO
    rest = total - part
    exact = draw.pick((rest, rest, _in_cash(rest, rule), rest - MICRO))
    return [_payment(CASH, part), _payment(CARD, exact)]


def _card(draw: Draw, total: int, rule: CashRounding) -> list[Payment]:
    failed = _payment(CARD, total, success=False, error="declined")
    exact = _payment(CARD, draw.pick((total, _in_cash(total, rule))))
    return [failed, exact] if draw.chance(50) else [exact]


def _foreign_cash(draw: Draw, total: int, rule: CashRounding) -> list[Payment]:
    part = total // 3
    foreign = _payment(CASH, part, foreign_currency="SEK", foreign_currency_amount_micros=MICRO)
    return [foreign, *_all_cash(draw, total - part, rule)]


def _wrong_entries(draw: Draw, total: int, rule: CashRounding) -> list[Payment]:
    types = ("cash.rounding", "cash.cashback")
    entries = [_payment(draw.pick(types), draw.pick((0, 50_000))) for _ in range(2)]
    return [*_all_cash(draw, total, rule), *entries]


def _anything(draw: Draw, _: int, __: CashRounding) -> list[Payment]:
    types = (CASH, CASH, CARD, "cash.rounding", "cash.cashback")
    amounts = (0, 5 * MICRO, 50 * MICRO, -20 * MICRO, 12_340_000, 99_990_000, 2 * 10**11 * MICRO)
    return [
        _payment(draw.pick(types), draw.pick(amounts), success=draw.chance(90))
        for _ in range(draw.pick((1, 2, 3, 3, 12)))
    ]


PATTERNS: tuple[Callable[[Draw, int, CashRounding], list[Payment]], ...] = (
    _all_cash,
    _all_cash,
    _card_then_cash,
    _cash_then_card,
    _card,
    _foreign_cash,
    _wrong_entries,
    _anything,
)


def pay(draw: Draw, basket: Basket, rule: CashRounding, total_micros: int) -> Basket:
    """Return the basket with payments for its total, by one of the patterns."""
    payments = draw.pick(PATTERNS)(draw, total_micros, rule)
    return replace(basket, payments=tuple(payments))
