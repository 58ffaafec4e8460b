"""Pages of lists: sizes, and the tokens that continue them."""

import base64
import binascii
from collections.abc import Mapping

from engine.errors import Reason, invalid
from server.storage.resources import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX


def page_size(asked: int) -> int:
    """Return how many entries a page has at most.

    Raises:
        InvalidInput: The size is negative, or too large.
    """
    if not 0 <= asked <= PAGE_SIZE_MAX:
        expected = f"expected 0 to {PAGE_SIZE_MAX}"
        raise invalid("page_size", Reason.OUT_OF_BOUNDS, f"{expected}, was {asked}")
    return asked or PAGE_SIZE_DEFAULT


def page_token(last_id: str, *, method: str, conditions: Mapping[str, str]) -> str:
    """Return the token that continues a list after an id."""
    text = "\0".join((_about(method, conditions), last_id))
    return base64.urlsafe_b64encode(text.encode()).decode()


def after_id(token: str, *, method: str, conditions: Mapping[str, str]) -> str:
    """Return the id after which a page begins, empty for the first page.

    Raises:
        InvalidInput: The token is not of this list.
    """
    if not token:
        return ""
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    about, _, last_id = text.rpartition("\0")
    if about != _about(method, conditions) or not last_id:
        expected = "expected the next_page_token of the same list, was another"
        raise invalid("page_token", Reason.MALFORMED, expected)
    return last_id


def _about(method: str, conditions: Mapping[str, str]) -> str:
    return "\0".join((method, *(f"{name}={value}" for name, value in sorted(conditions.items()))))
