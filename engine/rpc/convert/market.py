"""Convert markets and taxes."""

from collections.abc import Iterable

from engine import limits, numbers
from engine.errors import Reason
from engine.instants import timezone_name
from engine.markets import check_foreign, currency
from engine.model import (
    CashRounding,
    CashScope,
    CashTie,
    DiscountPolicy,
    InclusiveRounding,
    Market,
    Tax,
    TaxRounding,
    TaxType,
    Tie,
)
from engine.rpc.convert.fields import Problems, members_of, numbers_of
from engine.rpc.convert.text import required_text, text_to_proto
from engine.strict_json import shown_text
from tillcore.v1 import market_pb2

TAX_TYPE_NUMBERS = numbers_of(TaxType, market_pb2.TaxType, "TAX_TYPE")
_TAX_ROUNDINGS = numbers_of(TaxRounding, market_pb2.TaxRounding, "TAX_ROUNDING")
_INCLUSIVE = numbers_of(InclusiveRounding, market_pb2.InclusiveRounding, "INCLUSIVE_ROUNDING")
_TIES = numbers_of(Tie, market_pb2.Tie, "TIE")
_POLICIES = numbers_of(DiscountPolicy, market_pb2.DiscountPolicy, "DISCOUNT_POLICY")
_CASH_TIES = numbers_of(CashTie, market_pb2.CashTie, "CASH_TIE")
_CASH_SCOPES = numbers_of(CashScope, market_pb2.CashScope, "CASH_SCOPE")

_SALE_PRICE_PRIORITY_MICROS = 100 * limits.MICROS_PER_UNIT

_TAX_TYPE_OF = members_of(TAX_TYPE_NUMBERS)
_TAX_ROUNDING_OF = members_of(_TAX_ROUNDINGS)
_INCLUSIVE_OF = members_of(_INCLUSIVE)
_TIE_OF = members_of(_TIES)
_POLICY_OF = members_of(_POLICIES)
_CASH_TIE_OF = members_of(_CASH_TIES)
_CASH_SCOPE_OF = members_of(_CASH_SCOPES)


def market_to_proto(market: Market) -> market_pb2.Market:
    """Return the message of a market."""
    return market_pb2.Market(
        id=market.id,
        currency_code=market.currency_code,
        default_taxes=map(tax_to_proto, market.default_taxes),
        timezone=market.timezone,
        shops=market.shops,
        tax_rounding=_TAX_ROUNDINGS[market.tax_rounding],
        inclusive_rounding=_INCLUSIVE[market.inclusive_rounding],
        tie=_TIES[market.tie],
        discount_policy=_POLICIES[market.discount_policy],
        sale_price_priority_micros=market.sale_price_priority_micros,
        cash_rounding=market_pb2.CashRounding(
            increment_micros=market.cash_rounding.increment_micros,
            tie=_CASH_TIES[market.cash_rounding.tie],
            min_amount_micros=market.cash_rounding.min_amount_micros,
            applies_to=_CASH_SCOPES[market.cash_rounding.applies_to],
        ),
        contribution_ratio_target_micros=market.contribution_ratio_target_micros,
        exchange_rates_micros=market.exchange_rates_micros,
    )


def market_from_proto(message: market_pb2.Market, path: str, problems: Problems) -> Market:
    """Return the market of a message; the cash rule of the currency fills in what is left out."""
    currency_code = currency_from_proto(message.currency_code, path, "currency_code", problems)
    priority = _SALE_PRICE_PRIORITY_MICROS
    if message.HasField("sale_price_priority_micros"):
        priority = message.sale_price_priority_micros
    target = None
    if message.HasField("contribution_ratio_target_micros"):
        target = problems.between(
            path,
            "contribution_ratio_target_micros",
            message.contribution_ratio_target_micros,
            0,
            limits.MICROS_PER_UNIT,
        )
    return Market(
        id=problems.required_id(path, "id", message.id),
        currency_code=currency_code,
        default_taxes=taxes_from_proto(message.default_taxes, path, "default_taxes", problems),
        timezone=_timezone(message.timezone, path, problems),
        shops=problems.id_set(path, "shops", message.shops),
        tax_rounding=problems.choice(
            path, "tax_rounding", message.tax_rounding, _TAX_ROUNDING_OF, TaxRounding.DOCUMENT
        ),
        inclusive_rounding=problems.choice(
            path,
            "inclusive_rounding",
            message.inclusive_rounding,
            _INCLUSIVE_OF,
            InclusiveRounding.NET,
        ),
        tie=problems.choice(path, "tie", message.tie, _TIE_OF, Tie.HALF_UP),
        discount_policy=problems.choice(
            path, "discount_policy", message.discount_policy, _POLICY_OF, DiscountPolicy.PRIORITY
        ),
        sale_price_priority_micros=problems.amount(path, "sale_price_priority_micros", priority),
        cash_rounding=_cash_rounding(message, currency_code, path, problems),
        contribution_ratio_target_micros=target,
        exchange_rates_micros=_exchange_rates(message, currency_code, path, problems),
    )


def _exchange_rates(
    message: market_pb2.Market, currency_code: str, path: str, problems: Problems
) -> dict[str, int]:
    """Return the rates of foreign currencies by code."""
    rates = dict(sorted(message.exchange_rates_micros.items()))
    for code, rate in rates.items():
        field = problems.key(path, "exchange_rates_micros", code)
        check_foreign(code, currency_code, field, problems)
        problems.between_at(field, rate, 1, limits.AMOUNT_MICROS_END - 1)
    return rates


def _timezone(name: str, path: str, problems: Problems) -> str:
    """Return the name of a time zone, UTC when it is empty."""
    if not name:
        return "UTC"
    timezone_name(name, f"{path}.timezone", problems)
    return name


def currency_from_proto(code: str, path: str, name: str, problems: Problems) -> str:
    """Return a currency code of ISO 4217."""
    if not code:
        problems.required(f"{path}.{name}", "an ISO 4217 currency code")
    elif code not in numbers.CURRENCY_SCALES:
        currency(code, f"{path}.{name}", problems)
    return code


def tax_to_proto(tax: Tax) -> market_pb2.Tax:
    """Return the message of a tax."""
    return market_pb2.Tax(
        name=text_to_proto(tax.name),
        rate_micros=tax.rate_micros,
        type=TAX_TYPE_NUMBERS[tax.type],
        id=tax.id or "",
        compound_on=tax.compound_on,
    )


def taxes_from_proto(
    messages: Iterable[market_pb2.Tax], path: str, name: str, problems: Problems
) -> tuple[Tax, ...]:
    """Return a list of taxes; a tax compounds on earlier ones of the list only."""
    listed = tuple(messages)
    if not problems.fits(path, name, len(listed), limits.TAXES_PER_LIST_MAX):
        return ()
    taxes: list[Tax] = []
    for index, message in enumerate(listed):
        tax = _tax_from_proto(message, f"{path}.{name}[{index}]", problems)
        _check_compound(tax, taxes, f"{path}.{name}[{index}]", problems)
        taxes.append(tax)
    problems.unique(path, name, [tax.id for tax in taxes])
    return tuple(taxes)


def _tax_from_proto(message: market_pb2.Tax, path: str, problems: Problems) -> Tax:
    return Tax(
        name=required_text(message, path, "name", problems),
        rate_micros=problems.between(
            path, "rate_micros", message.rate_micros, 0, limits.RATE_MICROS_MAX
        ),
        type=problems.choice(path, "type", message.type, _TAX_TYPE_OF),
        id=problems.optional_id(path, "id", message.id),
        compound_on=problems.ids(path, "compound_on", message.compound_on),
    )


def _check_compound(tax: Tax, earlier: list[Tax], path: str, problems: Problems) -> None:
    types = {other.id: other.type for other in reversed(earlier)}
    for index, tax_id in enumerate(tax.compound_on):
        field, was = f"{path}.compound_on[{index}]", f"was {shown_text(tax_id)}"
        if tax_id in tax.compound_on[:index]:
            problems.add(field, Reason.DUPLICATE, f"expected each id once: {shown_text(tax_id)}")
        elif tax_id not in types:
            message = f"expected the id of an earlier tax of the list, {was}"
            problems.add(field, Reason.UNKNOWN_ID, message)
        elif tax.type is TaxType.VAT and types[tax_id] is TaxType.SALES_TAX:
            message = f"expected a VAT for a VAT to compound on, {was}, a sales tax"
            problems.add(field, Reason.NOT_ALLOWED, message)


def _cash_rounding(
    message: market_pb2.Market, currency_code: str, path: str, problems: Problems
) -> CashRounding:
    usual = numbers.cash_rounding_default(currency_code)
    if not message.HasField("cash_rounding"):
        return usual
    rule, field = message.cash_rounding, f"{path}.cash_rounding"
    increment = usual.increment_micros
    if rule.HasField("increment_micros"):
        increment = _increment(rule.increment_micros, currency_code, field, problems)
    return CashRounding(
        increment_micros=increment,
        tie=problems.choice(field, "tie", rule.tie, _CASH_TIE_OF, usual.tie),
        min_amount_micros=problems.price(field, "min_amount_micros", rule.min_amount_micros),
        applies_to=problems.choice(
            field, "applies_to", rule.applies_to, _CASH_SCOPE_OF, CashScope.CASH
        ),
    )


def _increment(micros: int, currency_code: str, path: str, problems: Problems) -> int:
    """Return a cash increment, which is a multiple of the currency's minor unit."""
    problems.price(path, "increment_micros", micros)
    if currency_code in numbers.CURRENCY_SCALES:
        minor_micros = numbers.minor_unit_micros(currency_code)
        if micros % minor_micros:
            problems.add(
                f"{path}.increment_micros",
                Reason.OUT_OF_BOUNDS,
                f"expected a multiple of {minor_micros}, was {micros}",
            )
    return micros
