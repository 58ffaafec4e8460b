"""Read markets, taxes and purchase types from decoded JSON into `engine.model`."""

import msgspec

from engine import limits
from engine.errors import Reason
from engine.fields import Fields, keyed_objects, read_whole, refuse_repeated
from engine.instants import timezone_name
from engine.model import (
    CashRounding,
    CashScope,
    CashTie,
    DiscountPolicy,
    InclusiveRounding,
    Market,
    PurchaseType,
    Tax,
    TaxRounding,
    TaxType,
    Tie,
)
from engine.numbers import (
    CURRENCY_SCALES,
    cash_rounding_default,
    format_micros,
    minor_unit_micros,
)
from engine.readers import (
    NO_TEXT,
    OneOf,
    Problems,
    array,
    discount_value,
    fraction,
    id_set,
    identifier,
    l10n,
    number,
    positive_amount,
    rate,
    shown,
    wrong_type,
)
from engine.strict_json import is_array, is_object, join, shown_text

_TAX_TYPE = OneOf(TaxType)
_TAX_ROUNDING = OneOf(TaxRounding)
_INCLUSIVE_ROUNDING = OneOf(InclusiveRounding)
_TIE = OneOf(Tie)
_DISCOUNT_POLICY = OneOf(DiscountPolicy)
_CASH_TIE = OneOf(CashTie)
_CASH_SCOPE = OneOf(CashScope)
_COMPOUND_ON = array(identifier, count_max=limits.TAXES_PER_LIST_MAX)


def read_market(value: object) -> Market:
    """Return the market of a decoded JSON object.

    Raises:
        InvalidInput: With every bad field, unknown ones included.
    """
    return read_whole(value, market_of)


def market_of(fields: Fields) -> Market:
    """Read a market; its cash rule starts from the currency's usual one."""
    currency_code = fields.required("currency", currency, otherwise="")
    if not fields.has("default_taxes"):
        fields.missing("default_taxes", "an array of taxes, [] where there are none")
    market = Market(
        id=fields.required("id", identifier, otherwise=""),
        currency_code=currency_code,
        default_taxes=fields.default("default_taxes", taxes, value=()),
        timezone=fields.default("timezone", timezone_name, value="UTC"),
        shops=fields.default("shops", id_set, value=()),
        cash_rounding=_cash_rounding(fields, currency_code),
        contribution_ratio_target_micros=fields.optional("contribution_ratio_target", fraction),
        exchange_rates_micros=_exchange_rates(fields, currency_code),
    )
    usual = market
    market = msgspec.structs.replace(
        market,
        tax_rounding=fields.default("tax_rounding", _TAX_ROUNDING, value=usual.tax_rounding),
        inclusive_rounding=fields.default(
            "inclusive_rounding", _INCLUSIVE_ROUNDING, value=usual.inclusive_rounding
        ),
        tie=fields.default("tie", _TIE, value=usual.tie),
        discount_policy=fields.default(
            "discount_policy", _DISCOUNT_POLICY, value=usual.discount_policy
        ),
        sale_price_priority_micros=fields.default(
            "sale_price_priority", number, value=usual.sale_price_priority_micros
        ),
    )
    fields.refuse_unknown()
    return market


def _cash_rounding(fields: Fields, currency_code: str) -> CashRounding:
    """Read the cash rule: the market's own values over the usual ones of its currency."""
    rounding = cash_rounding_default(currency_code)
    increment = fields.optional("cash_increment", discount_value)
    if increment is not None:
        rounding = msgspec.structs.replace(rounding, increment_micros=increment)
        _check_increment(fields, increment, currency_code)
    rule = fields.child("cash_rounding")
    if rule is None:
        return rounding
    rounding = msgspec.structs.replace(
        rounding,
        tie=rule.default("tie", _CASH_TIE, value=rounding.tie),
        min_amount_micros=rule.default("min_amount", discount_value, value=0),
        applies_to=rule.default("applies_to", _CASH_SCOPE, value=rounding.applies_to),
    )
    rule.refuse_unknown()
    return rounding


def _check_increment(fields: Fields, increment_micros: int, currency_code: str) -> None:
    """Refuse a cash increment that is no multiple of the currency's minor unit."""
    if currency_code not in CURRENCY_SCALES:
        return
    minor_micros = minor_unit_micros(currency_code)
    if increment_micros % minor_micros == 0:
        return
    expected = f"expected a multiple of {format_micros(minor_micros)} {currency_code}"
    message = f"{expected} (0 rounds nothing), was {format_micros(increment_micros)}"
    fields.problems.add(fields.at("cash_increment"), Reason.OUT_OF_BOUNDS, message)


def _exchange_rates(fields: Fields, currency_code: str) -> dict[str, int]:
    """Read the rates of foreign currencies by code, none of them the market's own currency."""
    rates = fields.child("exchange_rates")
    if rates is None:
        return {}
    read = {code: rates.optional(code, positive_amount) for code in rates.names()}
    for code in read:
        check_foreign(code, currency_code, rates.at(code), fields.problems)
    return {code: rate for code, rate in read.items() if rate is not None}


def check_foreign(code: str, currency_code: str, path: str, problems: Problems) -> None:
    """Refuse a code that is no currency, or the market's own."""
    if currency(code, path, problems) == currency_code:
        message = f"expected a foreign currency, was the market's own, {code}"
        problems.add(path, Reason.NOT_ALLOWED, message)


def currency(value: object, path: str, problems: Problems) -> str | None:
    """Read the code of a current currency of ISO 4217."""
    if type(value) is not str:
        wrong_type("an ISO 4217 currency code", value, path, problems)
        return None
    if value in CURRENCY_SCALES:
        return value
    message = f"expected an ISO 4217 currency code such as DKK, was {shown_text(value)}"
    problems.add(path, Reason.UNKNOWN_VALUE, message)
    return None


# --- taxes -----------------------------------------------------------------------------------


def read_taxes(value: object) -> tuple[Tax, ...]:
    """Return the taxes of a decoded JSON array.

    Raises:
        InvalidInput: With every bad field, unknown ones included.
    """
    problems = Problems()
    every = taxes(value, "", problems)
    problems.finish()
    assert every is not None, "a list without a problem was read"
    return every


def taxes(value: object, path: str, problems: Problems) -> tuple[Tax, ...] | None:
    """Read a list of taxes; an entry compounds only on earlier entries, VAT never on sales tax."""
    if not is_array(value):
        wrong_type("an array of taxes", value, path, problems)
        return None
    if len(value) > limits.TAXES_PER_LIST_MAX:
        message = f"expected at most {limits.TAXES_PER_LIST_MAX} taxes, was {len(value)}"
        problems.add(path, Reason.TOO_MANY, message)
        return None
    every = [Fields(each, f"{path}[{index}]", problems) for index, each in enumerate(value)]
    read = tuple(_tax(fields) for fields in every)
    ids = ((fields.at("id"), tax.id) for fields, tax in zip(every, read, strict=True))
    refuse_repeated(ids, problems, noun="tax id")
    earlier: dict[str, TaxType] = {}
    for fields, tax in zip(every, read, strict=True):
        _check_compounding(fields, tax, earlier)
        if tax.id:
            earlier.setdefault(tax.id, tax.type)
    return read


def _tax(fields: Fields) -> Tax:
    tax = Tax(
        id=fields.optional("id", identifier),
        name=fields.required("name", l10n, otherwise=NO_TEXT),
        rate_micros=fields.required("rate", rate, otherwise=0),
        type=fields.required("type", _TAX_TYPE, otherwise=TaxType.VAT),
        compound_on=fields.default("compound_on", _COMPOUND_ON, value=()),
    )
    fields.refuse_unknown()
    return tax


def _check_compounding(fields: Fields, tax: Tax, earlier: dict[str, TaxType]) -> None:
    """Refuse what a tax cannot compound on; `earlier` has the entries before it by id."""
    for index, each in enumerate(tax.compound_on):
        path = f"{fields.at('compound_on')}[{index}]"
        if each in tax.compound_on[:index]:
            message = f"expected each id once: {shown_text(each)}"
            fields.problems.add(path, Reason.DUPLICATE, message)
        elif each not in earlier:
            message = f"expected the id of an earlier tax of the list, was {shown_text(each)}"
            fields.problems.add(path, Reason.UNKNOWN_ID, message)
        elif tax.type is TaxType.VAT and earlier[each] is TaxType.SALES_TAX:
            message = f"expected a vat for a vat to compound on, was sales_tax {shown_text(each)}"
            fields.problems.add(path, Reason.NOT_ALLOWED, message)


class MarketTaxes:
    """Reads a list of taxes, or an object of lists by market, as the list of one market."""

    def __init__(self, market_id: str) -> None:
        self._market_id = market_id

    def __call__(self, value: object, path: str, problems: Problems) -> tuple[Tax, ...] | None:
        """Return the taxes; None also when the object has no list for this market."""
        if not is_object(value):
            return taxes(value, path, problems)
        own: tuple[Tax, ...] | None = None
        for market_id, each in value.items():
            inner = join(path, market_id)
            read = None if each is None else taxes(each, inner, problems)
            if market_id == self._market_id:
                own = read
        return own


# --- purchase types --------------------------------------------------------------------------


def read_purchase_types(value: object) -> tuple[PurchaseType, ...]:
    """Return the purchase types of a decoded JSON array, or of an object of names by id.

    Raises:
        InvalidInput: With every bad field.
    """
    problems = Problems()
    every = purchase_types_of(value, "", problems)
    problems.finish()
    return every


def purchase_types_of(value: object, path: str, problems: Problems) -> tuple[PurchaseType, ...]:
    """Read `{"id" | "identifier", "name"?}` in an array, or an object of these or names by id."""
    if is_object(value):
        value = {
            key: {"name": member} if isinstance(member, str) else member
            for key, member in value.items()
        }
    every = keyed_objects(value, path, problems, count_max=limits.PURCHASE_TYPES_MAX)
    read = tuple(_purchase_type(fields) for fields in every)
    ids = ((fields.path, each.id) for fields, each in zip(every, read, strict=True))
    refuse_repeated(ids, problems, noun="purchase type")
    return read


def _purchase_type(fields: Fields) -> PurchaseType:
    own = fields.optional("id", identifier)
    other = fields.optional("identifier", identifier)
    if not fields.has("id") and not fields.has("identifier"):
        fields.missing("id")
    if own and other and own != other:
        message = f"expected the same as id {shown_text(own)}, was {shown(other)}"
        fields.problems.add(fields.at("identifier"), Reason.MALFORMED, message)
    name = fields.default("name", l10n, value=NO_TEXT)
    fields.refuse_unknown()
    return PurchaseType(id=own or other or "", name=name)
