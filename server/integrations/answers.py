"""Read what integrations answer: strictly, with every bad field named, so that somebody sees why.

Members that are not known are left alone: an integration may say more than is asked for. Customers
and campaigns are read as imports of them are, which refuse what they do not know.
"""

from typing import Final, TypeVar

from engine.campaigns import campaigns_of
from engine.customers import customer_of
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.fields import Fields
from engine.instants import campaign_time
from engine.markets import currency, taxes
from engine.model import Campaign, Customer, Tax
from engine.model.value import Value
from engine.numbers import currency_scale, format_micros, minor_unit_micros
from engine.readers import (
    Problems,
    Reader,
    amount,
    array,
    boolean,
    group_count,
    identifier,
    price,
    text,
)
from engine.strict_json import is_object, shown_text

T = TypeVar("T")

ENTRIES_MAX: Final = 1_000
"""How many customers, options, products or campaigns an answer has at most."""

STATUS_CREATED: Final = 1
STATUS_ACTIVE: Final = 2
STATUS_USED: Final = 3

_REFUSALS: Final = {
    "not_found": ("", Reason.UNKNOWN_ID),
    "insufficient_funds": ("amount_micros", Reason.OUT_OF_BOUNDS),
    "not_active": ("", Reason.NOT_ALLOWED),
    "expired": ("", Reason.EXPIRED),
    "currency_mismatch": ("", Reason.NOT_ALLOWED),
    "already_exists": ("", Reason.DUPLICATE),
    "reversed": ("payment_id", Reason.VOIDED),
}
"""The field and the reason of refusals that are known; the field may be that of the card."""


class Card(Value, frozen=True):
    """A gift card or a voucher; `status` is 1 created, 2 active, 3 used."""

    id: str
    code: str
    amount_micros: int
    currency_code: str
    status: int
    create_date: str = ""
    expiry_date: str = ""
    is_external: bool = False


class Account(Value, frozen=True):
    """The account of a customer; `amount_micros` is what can be paid, or what was."""

    amount_micros: int
    balance_micros: int | None = None
    credit_limit_micros: int | None = None
    is_blocked: bool = False


class Option(Value, frozen=True):
    """A way of shipping."""

    id: str
    price_micros: int
    title: str
    subtitle: str = ""


class Found(Value, frozen=True):
    """A product that a search has found."""

    retail_price_micros: int
    id: str = ""
    variant_id: str = ""
    name: str = ""
    variant_name: str = ""
    description: str = ""
    barcode: str = ""
    image_url: str = ""
    product_group: str = ""
    sale_price_micros: int | None = None
    cost_price_micros: int | None = None
    taxes: tuple[Tax, ...] = ()


# --- money -----------------------------------------------------------------------------------


def read_card(
    value: object,
    *,
    currency_code: str,
    status: int | None = None,
    amount_micros: int | None = None,
) -> Card:
    """Return the card of an answer.

    Args:
        value: The decoded answer.
        currency_code: The currency that it has to be in.
        status: The status that it has to have; None for any.
        amount_micros: What has to be on it; None for anything.

    Raises:
        InvalidInput: With every bad field.
    """
    problems = Problems()
    fields = Fields(value, "", problems)
    card = Card(
        id=fields.required("id", identifier, otherwise=""),
        code=fields.required("code", identifier, otherwise=""),
        amount_micros=_whole(fields, "amount", price, currency_code),
        currency_code=fields.required("currency_code", currency, otherwise=""),
        status=fields.required("status", group_count, otherwise=STATUS_CREATED),
        create_date=fields.default("create_date", campaign_time, value=""),
        expiry_date=fields.default("expiry_date", campaign_time, value=""),
        is_external=fields.default("external_giftcard", boolean, value=False),
    )
    _check_currency(card.currency_code, currency_code, problems)
    if card.status > STATUS_USED:
        message = f"expected 1 (created), 2 (active) or 3 (used), was {card.status}"
        problems.add("status", Reason.UNKNOWN_VALUE, message)
    if status is not None:
        _equal("status", card.status, status, problems)
    if amount_micros is not None and card.amount_micros != amount_micros:
        _other_amount("amount", card.amount_micros, amount_micros, problems)
    problems.finish()
    return card


def read_account(value: object, *, currency_code: str, paid_micros: int | None = None) -> Account:
    """Return the account of an answer.

    Args:
        value: The decoded answer.
        currency_code: The currency that it has to be in, where it says one.
        paid_micros: What has to be paid; None when the account is read.

    Raises:
        InvalidInput: With every bad field.
    """
    problems = Problems()
    fields = Fields(value, "", problems)
    account = Account(
        amount_micros=_whole(fields, "amount", amount, currency_code),
        balance_micros=fields.optional("balance", amount),
        credit_limit_micros=fields.optional("credit_limit", amount),
        is_blocked=fields.default("block_sales", boolean, value=False),
    )
    said = fields.optional("currency_code", currency)
    _check_currency(said or currency_code, currency_code, problems)
    if paid_micros is not None and account.amount_micros != paid_micros:
        _other_amount("amount", account.amount_micros, paid_micros, problems)
    problems.finish()
    return account


def read_reversal(value: object, *, currency_code: str, paid_micros: int, is_paid: bool) -> int:
    """Return what a reversal has given back, in micros.

    Args:
        value: The decoded answer.
        currency_code: Of the payment.
        paid_micros: What was to be paid.
        is_paid: Whether it was paid for sure; otherwise it may be that nothing was.

    Raises:
        InvalidInput: With every bad field.
    """
    problems = Problems()
    fields = Fields(value, "", problems)
    back_micros = _whole(fields, "amount", price, currency_code)
    said = fields.optional("currency_code", currency)
    _check_currency(said or currency_code, currency_code, problems)
    if back_micros != paid_micros and (is_paid or back_micros):
        _other_amount("amount", back_micros, paid_micros, problems)
    problems.finish()
    return back_micros


def read_refusal(value: object) -> FieldProblem | None:
    """Return why a request was refused; None when the answer does not say so in our form.

    The form is `{"error": {"code": "insufficient_funds", "message": "..."}}`; whatever else comes
    with an error status, such as the page of a proxy, says nothing about what was done before.
    """
    problems = Problems()
    if not is_object(value) or not is_object(value.get("error")):
        return None
    error = Fields(value["error"], "error", problems)
    code = error.required("code", identifier, otherwise="")
    message = error.default("message", text, value="")
    if problems.count:
        return None
    field, reason = _REFUSALS.get(code, ("", Reason.NOT_ALLOWED))
    return FieldProblem(field, reason, f"{message} ({shown_text(code, quote=False)})".lstrip())


# --- lists -----------------------------------------------------------------------------------


def read_customers(value: object) -> tuple[Customer, ...]:
    """Return the customers of an answer.

    Raises:
        InvalidInput: With every bad field.
    """
    return _list(value, lambda each, path, problems: customer_of(Fields(each, path, problems)))


def read_campaigns(value: object) -> tuple[Campaign, ...]:
    """Return the campaigns of an answer, in the form of their import.

    Raises:
        InvalidInput: With every bad field.
    """
    problems = Problems()
    campaigns = campaigns_of(value, "", problems)
    problems.finish()
    return campaigns


def read_options(value: object) -> tuple[Option, ...]:
    """Return the ways of shipping of an answer.

    Raises:
        InvalidInput: With every bad field.
    """

    def option(each: object, path: str, problems: Problems) -> Option:
        fields = Fields(each, path, problems)
        return Option(
            id=fields.required("id", identifier, otherwise=""),
            price_micros=fields.required("price", price, otherwise=0),
            title=fields.required("title", text, otherwise=""),
            subtitle=fields.default("subtitle", text, value=""),
        )

    return _list(value, option)


def read_products(value: object) -> tuple[Found, ...]:
    """Return the products of an answer.

    Raises:
        InvalidInput: With every bad field.
    """

    def product(each: object, path: str, problems: Problems) -> Found:
        fields = Fields(each, path, problems)
        return Found(
            retail_price_micros=fields.required("retail_price", price, otherwise=0),
            id=fields.default("id", identifier, value=""),
            variant_id=fields.default("variant_id", identifier, value=""),
            name=fields.default("name", text, value=""),
            variant_name=fields.default("variant_name", text, value=""),
            description=fields.default("description", text, value=""),
            barcode=fields.default("barcode", text, value=""),
            image_url=fields.default("image_url", text, value=""),
            product_group=fields.default("product_group", text, value=""),
            sale_price_micros=fields.optional("sale_price", price),
            cost_price_micros=fields.optional("cost_price", price),
            taxes=fields.default("taxes", taxes, value=()),
        )

    return _list(value, product)


def _list(value: object, reader: Reader[T]) -> tuple[T, ...]:
    problems = Problems()
    every = array(reader, count_max=ENTRIES_MAX)(value, "", problems)
    problems.finish()
    assert every is not None, "a list without a problem was read"
    return every


# --- checks ----------------------------------------------------------------------------------


def _whole(fields: Fields, name: str, reader: Reader[int], currency_code: str) -> int:
    """Read an amount in whole minor units of a currency, in micros."""
    micros = fields.required(name, reader, otherwise=0)
    digits = currency_scale(currency_code)
    if micros % minor_unit_micros(currency_code):
        message = f"expected at most {digits} digits after the point, was {format_micros(micros)}"
        fields.problems.add(fields.at(name), Reason.BAD_NUMBER, message)
    return micros


def _check_currency(said: str, expected: str, problems: Problems) -> None:
    if said and said != expected:
        message = f"expected {expected} as asked for, was {shown_text(said)}"
        problems.add("currency_code", Reason.NOT_ALLOWED, message)


def _equal(field: str, value: int, expected: int, problems: Problems) -> None:
    if value != expected:
        problems.add(field, Reason.NOT_ALLOWED, f"expected {expected}, was {value}")


def _other_amount(field: str, micros: int, expected_micros: int, problems: Problems) -> None:
    message = f"expected {format_micros(expected_micros)} as asked for, was "
    problems.add(field, Reason.NOT_ALLOWED, message + format_micros(micros))


def unreadable(error: InvalidInput) -> str:
    """Return every bad field of an answer in one sentence, for the log and for the till."""
    return f"expected an answer that can be read, was one with {error.message}"
