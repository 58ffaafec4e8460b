"""Markets: taxes, rounding, cash rules, and purchase types."""

from enum import Enum

import msgspec

from engine import limits
from engine.model.value import L10nString, Value


class TaxType(Enum):
    """Whether a tax is inside the retail price or added to it."""

    VAT = "vat"
    SALES_TAX = "sales_tax"


class TaxRounding(Enum):
    """Where taxes are rounded (evaluation, R4)."""

    DOCUMENT = "document"
    LINE = "line"


class InclusiveRounding(Enum):
    """Which of base and VAT is rounded when VAT is inside the price; the other is the rest."""

    NET = "net"
    TAX = "tax"


class Tie(Enum):
    """How a value exactly between two minor units is rounded (R1..R4)."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"


class CashTie(Enum):
    """How an amount exactly between two cash increments is rounded (R5)."""

    AWAY = "away"
    TOWARD_ZERO = "toward_zero"


class CashScope(Enum):
    """Which closing payments are rounded to the cash increment."""

    CASH = "cash"
    ALL = "all"


class DiscountPolicy(Enum):
    """How overlapping exclusive discounts are chosen."""

    PRIORITY = "priority"
    BEST_PRICE = "best_price"


class Tax(Value, frozen=True):
    """One tax of a list; `compound_on` names earlier taxes of the same list by id."""

    name: L10nString
    rate_micros: int
    type: TaxType
    id: str | None = None
    compound_on: tuple[str, ...] = ()


class CashRounding(Value, frozen=True):
    """The cash rule of a market; an increment of 0 means that nothing is rounded."""

    increment_micros: int = 0
    tie: CashTie = CashTie.AWAY
    min_amount_micros: int = 0
    applies_to: CashScope = CashScope.CASH


class Market(Value, frozen=True):
    """A region with one currency and one set of default taxes.

    `exchange_rates_micros` are, by currency code, units of the market's currency for one unit of a
    foreign one.
    """

    id: str
    currency_code: str
    default_taxes: tuple[Tax, ...]
    timezone: str = "UTC"
    shops: tuple[str, ...] = ()
    tax_rounding: TaxRounding = TaxRounding.DOCUMENT
    inclusive_rounding: InclusiveRounding = InclusiveRounding.NET
    tie: Tie = Tie.HALF_UP
    discount_policy: DiscountPolicy = DiscountPolicy.PRIORITY
    sale_price_priority_micros: int = 100 * limits.MICROS_PER_UNIT
    cash_rounding: CashRounding = CashRounding()
    contribution_ratio_target_micros: int | None = None
    exchange_rates_micros: dict[str, int] = msgspec.field(default_factory=dict[str, int])


class PurchaseType(Value, frozen=True):
    """A named sale situation, such as dining out, that varies prices and taxes."""

    id: str
    name: L10nString = ""
