"""The order web hook of the cash-register web services, as the value of a transform.

Alone in a file, so that `server.exports.queue` can take it into its union of transforms.
"""

from enum import Enum
from typing import Final

import msgspec

LINK_DAYS: Final = 90

DELIVERY_METHODS: Final = (
    "take_away",
    "delivery",
    "on_site",
    "drive",
    "counter",
    "relay",
    "shipping",
)
"""The purchase type of each delivery method, by its number (design: models.md section 7)."""


class OrderEvent(Enum):
    """What a call tells: that the order is valid and has its invoice, or that it is paid."""

    VALIDATED = "validated"
    TERMINATED = "terminated"


class OrderHook(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="order_hook",
):
    """Tell of each sale in the parameters of the web services' hook, as a flat JSON object.

    A delivery with the body encoding `form` makes form fields of it. A sale that is recorded is
    both validated and terminated: whoever wants both calls sets up two queues, one for each.

    Attributes:
        event: Which of the two calls.
        link_base_url: Where this server's documents are reached from outside, such as
            `https://shop.example`; empty for calls without a link to the receipt.
        link_days: For how long a link to a receipt opens it, counted from the sale.
        account_id: Set by `with_links` right before a job, and never stored.
        link_key: Set by `with_links`; signs the links of that account only.
    """

    event: OrderEvent
    link_base_url: str = ""
    link_days: int = LINK_DAYS
    account_id: str = ""
    link_key: bytes = b""


def with_links(transform: OrderHook, *, account_id: str, link_key: bytes) -> OrderHook:
    """Return the transform of a job that signs links, which a child process does without a secret.

    Args:
        transform: As it is set up.
        account_id: Whose sales are told of.
        link_key: `Links.key` of that account.
    """
    return msgspec.structs.replace(transform, account_id=account_id, link_key=link_key)
