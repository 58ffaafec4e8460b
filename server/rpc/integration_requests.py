"""Read what the requests of tills to integrations have in common."""

import hashlib
from typing import Any

from google.protobuf.message import Message

from engine import limits
from engine.errors import Reason
from engine.numbers import format_micros, minor_unit_micros
from engine.readers import Problems as AmountProblems
from engine.rpc.convert.fields import Problems
from engine.strict_json import shown_text
from server.auth import current_principal
from server.integrations.choosing import Wanted
from server.integrations.integration import IntegrationKind
from server.integrations.requests import ACTION_ID
from server.rpc.request_ids import required_id
from tillcore.v1 import integration_payment_pb2

_CARD_KINDS = {
    integration_payment_pb2.CARD_KIND_UNSPECIFIED: IntegrationKind.GIFT_CARD,
    integration_payment_pb2.CARD_KIND_GIFT_CARD: IntegrationKind.GIFT_CARD,
    integration_payment_pb2.CARD_KIND_VOUCHER: IntegrationKind.VOUCHER,
}


def wanted(request: Any, kind: IntegrationKind, problems: Problems) -> Wanted:
    """Return whom a request asks.

    Raises:
        PermissionDenied: A device asks for another register.
    """
    register_id = required_id(request, "register_id", problems)
    integration_id = request.integration_id
    if integration_id:
        problems.id_at("integration_id", integration_id)
    principal = current_principal()
    principal.check_register(register_id)
    return Wanted(principal.account_id, register_id, integration_id, kind)


def card_kind(request: Any, problems: Problems) -> IntegrationKind:
    """Return what a card is."""
    kind = _CARD_KINDS.get(request.card_kind)
    if kind is None:
        message = f"expected GIFT_CARD or VOUCHER, was {request.card_kind}"
        problems.add("card_kind", Reason.UNKNOWN_VALUE, message)
        return IntegrationKind.GIFT_CARD
    return kind


def action_id(request: Any, name: str, problems: Problems) -> str:
    """Return the id that a till has made for what it asks."""
    value = str(getattr(request, name))
    if not value:
        problems.required(name, "an id")
    elif not ACTION_ID.fullmatch(value):
        expected = "expected 1 to 100 letters, digits, - and _"
        problems.add(name, Reason.MALFORMED, f"{expected}, was {shown_text(value)}")
    return value


def positive_amount(request: Any, problems: Problems) -> int:
    """Return the amount of a request, in micros."""
    value = int(request.amount_micros)
    problems.between_at("amount_micros", value, 1, limits.AMOUNT_MICROS_END - 1)
    return value


def check_whole(amount_micros: int, currency_code: str) -> None:
    """Refuse an amount that has parts of a minor unit.

    Raises:
        InvalidInput: It has.
    """
    unit_micros = minor_unit_micros(currency_code)
    if amount_micros % unit_micros:
        problems = AmountProblems()
        expected = f"expected a multiple of {format_micros(unit_micros)} {currency_code}"
        message = f"{expected}, was {format_micros(amount_micros)}"
        problems.add("amount_micros", Reason.BAD_NUMBER, message)
        problems.finish()


def content_hash(request: Message) -> str:
    """Return what tells the content of a request from another one."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
