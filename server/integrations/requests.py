"""Write what integrations are asked, as JSON with exact numbers."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from engine.numbers import currency_scale, format_micros
from engine.render_line import given
from server.integrations.integration import Action, Integration, IntegrationKind
from server.integrations.site import Site

ACTION_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""Of a payment or of another request: it stands in a header, and is signed."""

_ENCODER: Final = msgspec.json.Encoder()


def idempotency_key(action: Action, action_id: str) -> str:
    """Return what an integration knows a repetition by."""
    return f"{action.value}:{action_id}"


def body_of(
    action: Action,
    integration: Integration,
    site: Site,
    members: Mapping[str, object],
    *,
    key: str = "",
) -> bytes:
    """Return the body of a request.

    Args:
        action: What is asked for.
        integration: Who is asked.
        site: The register that asks.
        members: What is asked; None is left out.
        key: The idempotency key; empty of what changes nothing.
    """
    is_for_discounts = integration.kind is IntegrationKind.CUSTOMER_DISCOUNTS
    document: dict[str, object] = {
        "action": action.value,
        "kind": integration.kind.value,
        "account_id": site.account_id,
        "integration_id": integration.identifier,
        "market_id": site.market_id,
        # The name that the vendor's integrations for discounts know.
        "market": site.market_id if is_for_discounts else None,
        "shop_id": site.shop_id,
        "register_id": site.register_id,
        "currency_code": site.currency_code,
        "idempotency_key": key or None,
        **members,
    }
    return _ENCODER.encode(given(document))


def amount(micros: int, currency_code: str) -> msgspec.Raw:
    """Return an amount as the literal of a number with the digits of its currency."""
    digits = currency_scale(currency_code)
    return msgspec.Raw(format_micros(micros, fraction_digits_min=digits).encode())
