"""Tell what an edit of the catalogue did to a product (export: product edit events).

Products are compared as the documents that were imported, so that every member counts, also those
that evaluation does not read.
"""

from collections.abc import Mapping
from enum import Enum

import msgspec

from engine.documents import encode_document
from engine.model.value import Value

Document = Mapping[str, object]
"""A product as `engine.strict_json.decode` returns it."""

_ENCODER = msgspec.json.Encoder(order="sorted")


class ProductEdit(Enum):
    """What happened to a product."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class ProductEditEvent(Value, frozen=True):
    """One edit: the product afterwards as JSON (None of a deleted one), and the shop.

    `shop` is the shop whose own copy was edited, None for the copy of all shops.
    """

    event: ProductEdit
    id: str
    product: bytes | None = None
    shop: str | None = None


def product_edit(
    product_id: str, *, before: Document | None, after: Document | None, shop: str | None = None
) -> ProductEditEvent | None:
    """Return the event of an edit, None when it changed nothing.

    Args:
        product_id: The id of the product.
        before: The product before; None when there was none.
        after: The product after; None when it is gone.
        shop: The shop whose own copy it is.
    """
    if before == after:
        return None
    if after is None:
        return ProductEditEvent(event=ProductEdit.DELETE, id=product_id, shop=shop)
    return ProductEditEvent(
        event=ProductEdit.CREATE if before is None else ProductEdit.UPDATE,
        id=product_id,
        product=encode_document(after),
        shop=shop,
    )


def product_edit_json(event: ProductEditEvent) -> bytes:
    """Return an event as it is exported: `{"event", "id", "product"?, "shop"?}`."""
    members: dict[str, object] = {
        "event": event.event.value,
        "id": event.id,
        "product": None if event.product is None else msgspec.Raw(event.product),
        "shop": event.shop,
    }
    return _ENCODER.encode({name: value for name, value in members.items() if value is not None})
