"""Hold the payments of a checkout to what integrations have really been paid with.

A payment of a type that stands for an integration names the payment that the till has asked for by
its identifier. It pays one checkout: whoever records it takes it, in the same transaction.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from engine.errors import FieldProblem, InvalidInput, Reason
from engine.model import Payment, Source
from engine.numbers import format_micros
from engine.strict_json import shown_text
from server.integrations.integration import Action, IntegrationKind, serves
from server.storage.integration_actions import SUCCEEDED, ActionName, find_action, take_payment
from server.storage.integrations import all_integrations, integration_of

KINDS: Final = {
    "giftcard.integration": IntegrationKind.GIFT_CARD,
    "voucher.integration": IntegrationKind.VOUCHER,
    "customer_account.integration": IntegrationKind.CUSTOMER_ACCOUNT,
}
"""The payment types that stand for an integration (reference: giftcard_use, voucher_use)."""


class Paying(NamedTuple):
    """A checkout that is about to be recorded.

    Attributes:
        account_id: Whose it is.
        checkout_id: Identifies it.
        source: Where it is made.
        currency_code: Of its amounts.
        payments: How it is paid, in the order of the request.
    """

    account_id: str
    checkout_id: str
    source: Source
    currency_code: str
    payments: Sequence[Payment]


def take_payments(connection: Connection, paying: Paying) -> None:
    """Take the payments of integrations for a checkout, or refuse what was never paid.

    Where the register has no integration of the kind, and nothing is known of the payment, another
    system has made it: it is recorded as it was sent. Money that is given back, a negative amount,
    is no payment of an integration.

    Args:
        connection: The transaction of the checkout; it may run several times.
        paying: The checkout.

    Raises:
        InvalidInput: A payment was not made, or not with this amount, or paid another checkout; the
            paths are relative to the basket.
    """
    wanted = sorted(_wanted(paying.payments), key=lambda each: each[1].identifier or "")
    problems = [
        problem
        for position, payment in wanted
        if (problem := _problem(connection, paying, payment, f"payments[{position}]")) is not None
    ]
    names = [payment.identifier or "" for _, payment in wanted]
    problems += [
        FieldProblem(
            f"payments[{position}].identifier",
            Reason.DUPLICATE,
            f"expected a payment that is named once, was twice: {shown_text(names[index])}",
        )
        for index, (position, _) in enumerate(wanted)
        if names[index] in names[:index]
    ]
    if problems:
        raise InvalidInput(problems)


def _wanted(payments: Sequence[Payment]) -> Iterator[tuple[int, Payment]]:
    for position, payment in enumerate(payments):
        if payment.success and payment.amount_micros > 0 and payment.payment_type in KINDS:
            yield position, payment


def _problem(
    connection: Connection, paying: Paying, payment: Payment, path: str
) -> FieldProblem | None:
    """Take a payment; return why it cannot be."""
    kind, payment_id = KINDS[payment.payment_type], payment.identifier or ""
    name = ActionName(paying.account_id, Action.PAY.value, payment_id)
    row = find_action(connection, name, is_locked=True)
    field, was = f"{path}.identifier", shown_text(payment_id)
    if row is None:
        if not _has_integration(connection, paying, kind):
            return None
        message = f"expected the payment_id of a payment by {kind.value}, was {was}"
        return FieldProblem(field, Reason.UNKNOWN_ID, message)
    if row["state"] != SUCCEEDED or row["kind"] != kind.value:
        stands = f"{row['state']}, {row['kind'] or 'of no kind'}"
        message = f"expected a payment by {kind.value} that has succeeded, was {was}: {stands}"
        return FieldProblem(field, Reason.NOT_ALLOWED, message)
    expected = (row["amount_micros"], row["currency_code"])
    if (payment.amount_micros, paying.currency_code) != expected:
        message = (
            f"expected {format_micros(expected[0])} {expected[1]}, which was paid, "
            f"was {format_micros(payment.amount_micros)} {paying.currency_code}"
        )
        return FieldProblem(f"{path}.amount", Reason.OUT_OF_BOUNDS, message)
    if row["checkout_id"] not in (None, paying.checkout_id):
        message = f"expected a payment that pays this checkout, was {was}, which paid another"
        return FieldProblem(field, Reason.DUPLICATE, message)
    take_payment(connection, name, checkout_id=paying.checkout_id)
    return None


def _has_integration(connection: Connection, paying: Paying, kind: IntegrationKind) -> bool:
    source = paying.source
    rows = all_integrations(connection, account_id=paying.account_id)
    return any(
        each.kind is kind and serves(each, shop_id=source.shop_id, market_id=source.market_id)
        for each in map(integration_of, rows)
    )
