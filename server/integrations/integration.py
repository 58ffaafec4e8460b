"""The values of an integration: what the endpoint does, where it is, who uses it."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

import msgspec

NS_PER_SECOND: Final = 10**9
TIMEOUT_NS_DEFAULT: Final = 10 * NS_PER_SECOND
CONCURRENCY_DEFAULT: Final = 16


class IntegrationKind(Enum):
    """What an endpoint does; the value stands in requests and in the store."""

    GIFT_CARD = "gift_card"
    VOUCHER = "voucher"
    CUSTOMER_ACCOUNT = "customer_account"
    CUSTOMER_LOOKUP = "customer_lookup"
    SHIPPING_OPTIONS = "shipping_options"
    CUSTOMER_DISCOUNTS = "customer_discounts"
    PRODUCT_SEARCH = "product_search"


class Action(Enum):
    """What an endpoint is asked to do; the value stands in requests and in the log."""

    CREATE = "create"
    ACTIVATE = "activate"
    READ = "read"
    PAY = "pay"
    REVERSE = "reverse"
    SEARCH = "search"


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint, without its secrets.

    Attributes:
        identifier: Within the account.
        name: For people.
        kind: What it does.
        url: Where requests go; empty where the secret `url` stands in its place.
        headers: Further headers that are no secret.
        timeout_ns: How long one call may take in all.
        concurrency: How many calls one process makes at a time.
        shop_ids: The shops whose registers use it.
        market_ids: The markets whose registers use it; without both all do.
        is_disabled: Whether no register uses it for now.
    """

    identifier: str
    name: str
    kind: IntegrationKind
    url: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    timeout_ns: int = TIMEOUT_NS_DEFAULT
    concurrency: int = CONCURRENCY_DEFAULT
    shop_ids: tuple[str, ...] = ()
    market_ids: tuple[str, ...] = ()
    is_disabled: bool = False


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder(Integration)


def integration_to_json(integration: Integration) -> str:
    """Return an integration as the store keeps it."""
    return _ENCODER.encode(integration).decode()


def integration_from_json(text: str) -> Integration:
    """Return the integration of what `integration_to_json` made."""
    return _DECODER.decode(text)


def serves(integration: Integration, *, shop_id: str, market_id: str) -> bool:
    """Return whether the registers of a shop use an integration."""
    if integration.is_disabled:
        return False
    if not integration.shop_ids and not integration.market_ids:
        return True
    return shop_id in integration.shop_ids or market_id in integration.market_ids


def serving(
    integrations: Iterable[Integration], *, shop_id: str, market_id: str
) -> list[Integration]:
    """Return the integrations that the registers of a shop use, those to be preferred first.

    One that names the shop goes before one that names the market, which goes before one for all;
    equals go by id.
    """

    def rank(each: Integration) -> tuple[int, str]:
        if shop_id in each.shop_ids:
            return 0, each.identifier
        return (1 if market_id in each.market_ids else 2), each.identifier

    found = (each for each in integrations if serves(each, shop_id=shop_id, market_id=market_id))
    return sorted(found, key=rank)
