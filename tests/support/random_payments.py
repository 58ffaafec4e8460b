"""Draw payments for a known total from a seed: cash, cards, credit, foreign cash, mistakes."""

from collections.abc import Callable
from fractions import Fraction

from msgspec.structs import replace

from engine.model import Basket, CashRounding, Market, Payment
from engine.reference.rounding import of_micros, to_micros
from engine.reference.settlement import cash_rounded, foreign_amount
from tests.support.random_names import FOREIGN_CURRENCIES
from tests.support.random_values import MICRO, Draw

CASH = "cash"
CARD = "card.external"
CREDIT = ("invoice", "customer_account", "customer_account.b2b")
TYPES = (CASH, CASH, CARD, "invoice", "externally_paid", "cash.rounding", "cash.cashback")


def _payment(payment_type: str, amount_micros: int, **changes: object) -> Payment:
    return replace(Payment(payment_type=payment_type, amount_micros=amount_micros), **changes)


def _in_cash(amount_micros: int, rule: CashRounding) -> int:
    """Return an amount as it is settled in cash."""
    return to_micros(cash_rounded(Fraction(of_micros(amount_micros)), rule))


def _part_of(draw: Draw, total: int) -> int:
    """Return a part of a total in whole units."""
    return total // draw.pick((2, 3, 7)) // MICRO * MICRO


def _all_cash(draw: Draw, total: int, market: Market) -> list[Payment]:
    """Pay in cash, exactly or too much, with the entries that the settlement computes."""
    rounded = _in_cash(total, market.cash_rounding)
    over = draw.pick((0, 0, 1, 50, 500)) * MICRO * (1 if total >= 0 else -1)
    paid = [_payment(CASH, rounded + over)]
    if draw.chance(50):
        paid.append(_payment("cash.rounding", total - rounded))
    if draw.chance(50):
        paid.insert(0, _payment("cash.cashback", -over))
    return paid


def _card_then_cash(draw: Draw, total: int, market: Market) -> list[Payment]:
    part = _part_of(draw, total)
    return [_payment(CARD, part), *_all_cash(draw, total - part, market)]


def _cash_then_card(draw: Draw, total: int, market: Market) -> list[Payment]:
    part = _part_of(draw, total)
    rest = total - part
    exact = draw.pick((rest, rest, _in_cash(rest, market.cash_rounding), rest - MICRO))
    return [_payment(CASH, part), _payment(draw.pick((CARD, "externally_paid")), exact)]


def _without_cash(draw: Draw, total: int, market: Market) -> list[Payment]:
    type_ = draw.pick((CARD, CARD, "externally_paid", "externally_paid.web"))
    failed = _payment(type_, total, success=False, error="declined")
    amounts = (total, _in_cash(total, market.cash_rounding), 2 * total)
    exact = _payment(type_, draw.pick(amounts))
    return [failed, exact] if draw.chance(50) else [exact]


def _on_credit(draw: Draw, total: int, market: Market) -> list[Payment]:
    part = draw.pick((total, total, _part_of(draw, total)))
    paid = [_payment(draw.pick(CREDIT), part)]
    if part != total:
        last = draw.pick((CARD, *CREDIT))
        paid += draw.pick(([_payment(last, total - part)], _all_cash(draw, total - part, market)))
    return paid


def _foreign(draw: Draw, total: int, market: Market) -> list[Payment]:
    """Pay in a foreign currency, then in cash; the foreign part has few faults."""
    code = draw.pick((*FOREIGN_CURRENCIES, *market.exchange_rates_micros, market.currency_code))
    if draw.chance(60) and market.exchange_rates_micros:
        code = draw.pick(tuple(market.exchange_rates_micros))
    sign = 1 if total >= 0 else -1
    payment = _payment(
        draw.pick((CASH, CASH, CASH, CARD)),
        0,
        foreign_currency=code,
        foreign_currency_amount_micros=sign * draw.pick((1, 1, 5, 10, 200, 10**11)) * MICRO,
        exchange_rate_micros=draw.pick((None, None, 7_450_000, 1_234_567, 1)),
    )
    computed = foreign_amount(payment, market)
    amount = 0 if computed is None else to_micros(computed)
    given = draw.pick((0, amount, amount, total // 3, amount + draw.quantum))
    faults: tuple[dict[str, object], ...] = (
        {},
        {},
        {},
        {"foreign_currency": None},
        {"foreign_currency_amount_micros": None},
        {"foreign_currency_amount_micros": 33_333},
        {"payment_type": "cash.rounding"},
        {"success": False},
    )
    payment = replace(payment, amount_micros=given, **draw.pick(faults))
    return [payment, *_all_cash(draw, total - (given or amount), market)]


def _all_foreign(draw: Draw, total: int, market: Market) -> list[Payment]:
    """Close the sale in a foreign currency, with change in the market's own."""
    if not market.exchange_rates_micros:
        return _all_cash(draw, total, market)
    code, rate = draw.pick(tuple(market.exchange_rates_micros.items()))
    least = total * MICRO // rate // MICRO
    amount = (least + draw.pick((0, 1, 10)) * (1 if total >= 0 else -1)) * MICRO
    payment = _payment(CASH, 0, foreign_currency=code, foreign_currency_amount_micros=amount)
    return [payment]


def _wrong_entries(draw: Draw, total: int, market: Market) -> list[Payment]:
    types = ("cash.rounding", "cash.cashback")
    entries = [_payment(draw.pick(types), draw.pick((0, 50_000))) for _ in range(2)]
    return [*_all_cash(draw, total, market), *entries]


def _anything(draw: Draw, _: int, __: Market) -> list[Payment]:
    amounts = (0, 5 * MICRO, 50 * MICRO, -20 * MICRO, 12_340_000, 99_990_000, 2 * 10**11 * MICRO)
    return [
        _payment(draw.pick(TYPES), draw.pick(amounts), success=draw.chance(90))
        for _ in range(draw.pick((1, 2, 3, 3, 12)))
    ]


PATTERNS: tuple[Callable[[Draw, int, Market], list[Payment]], ...] = (
    _all_cash,
    _all_cash,
    _card_then_cash,
    _cash_then_card,
    _without_cash,
    _on_credit,
    _foreign,
    _foreign,
    _all_foreign,
    _wrong_entries,
    _anything,
)


def pay(draw: Draw, basket: Basket, market: Market, total_micros: int) -> Basket:
    """Return the basket with payments for its total, by one of the patterns."""
    payments = draw.pick(PATTERNS)(draw, total_micros, market)
    return replace(basket, payments=tuple(payments))
