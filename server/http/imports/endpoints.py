"""The table of the import endpoints: paths, parameters, limits, and who does the work."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from server.catalog.kinds import KINDS, PRODUCT, PRODUCT_ASSET, Kind
from server.http.imports.catalogue import deleting, importing
from server.http.imports.orders import import_incoming_orders, import_state_changes
from server.http.imports.stock import delete_stock, import_stock
from server.http.imports.work import Handler

PRODUCTS_BYTES_MAX: Final = 1024**3
"""How long a body of products may be, also inflated."""

BYTES_MAX: Final = 16 * 1024 * 1024
"""How long any other body may be, also inflated."""

_ID: Final = {"type": "string", "minLength": 1, "maxLength": 255}
_IDS: Final = {"type": "array", "items": _ID}
_ID_SET: Final = {
    "oneOf": [_IDS, {"type": "object", "additionalProperties": {"const": True}}],
    "description": "An array of ids, or an object of true by id.",
}
_DELETION: Final = {
    "oneOf": [_IDS, {"type": "object", "properties": {"ids": _ID_SET}, "required": ["ids"]}]
}
_STOCK: Final = {
    "type": "object",
    "description": "Stock by location, product and, where there are some, variant.",
    "additionalProperties": {"type": "object", "additionalProperties": True},
    "examples": [{"aarhus": {"p1": 7, "p3": {"v1": 7}}}],
}
_STATE_CHANGE: Final = {
    "type": "object",
    "required": ["stock_location", "order_identifier", "state"],
    "properties": {
        "stock_location": _ID,
        "order_identifier": _ID,
        "state": {"enum": ["created", "processing", "ready", "completed", "rejected", "cancelled"]},
        "comment": {"type": "string"},
        "cashier": {"type": "object"},
    },
}


class Endpoint(NamedTuple):
    """One method of one import endpoint.

    Attributes:
        method: `POST` or `DELETE`.
        type: The last part of the path.
        noun: What the items are called in an answer.
        summary: One sentence.
        handler: Reads a request.
        parameters: The names of its parameters beside those that all have.
        schema: Of its body; None where it takes none.
        bytes_max: How long the body may be.
    """

    method: str
    type: str
    noun: str
    summary: str
    handler: Handler
    parameters: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    bytes_max: int = BYTES_MAX

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/imports/{self.type}"


def _catalogue(kind: Kind) -> tuple[Endpoint, Endpoint]:
    """Return both methods of a kind of the catalogue."""
    noun = kind.name.replace("_", " ")
    markets = ("markets", "channels") if kind.is_of_market else ()
    parent = ("recommendation_id",) if kind.has_parent else ()
    modes = ("partial", "ignore") if kind is PRODUCT else ()
    is_whole = kind.name == "folders"
    changed = "Replace the whole hierarchy of folders" if is_whole else f"Create or change {noun}"
    return (
        Endpoint(
            "POST",
            kind.name,
            noun,
            f"{changed}.",
            importing(kind),
            (*markets, *modes, *parent),
            _body_of(kind),
            PRODUCTS_BYTES_MAX if kind is PRODUCT else BYTES_MAX,
        ),
        Endpoint(
            "DELETE",
            kind.name,
            noun,
            "Remove all folders." if is_whole else f"Remove {noun} by their ids.",
            deleting(kind),
            (*markets, *parent, *(() if is_whole else ("ids", "id"))),
            None if is_whole else _deletion_of(kind),
        ),
    )


def _body_of(kind: Kind) -> Mapping[str, Any]:
    """Return the schema of the body that imports a kind."""
    document = {"type": "object", "required": [kind.key]}
    every = {"type": "array", "items": document}
    by_id = {"type": "object", "additionalProperties": {"type": "object"}}
    if kind is PRODUCT:
        return {
            "type": "object",
            "properties": {
                "products": {"oneOf": [every, by_id]},
                "product": document,
                "shops": _ID_SET,
                "metadata": {
                    "type": "object",
                    "properties": {"markets": _ID_SET, "channels": _ID_SET},
                    "description": "Its markets win over those of the query.",
                },
            },
        }
    if kind is PRODUCT_ASSET:
        assets = {"type": "object", "additionalProperties": {"type": "array"}}
        return {"type": "object", "properties": {"assets": assets}, "required": ["assets"]}
    if kind.name == "folders":
        return {"type": "array", "items": {"type": "object", "required": ["filter"]}}
    member = {
        "type": "object",
        "properties": {kind.member: {"oneOf": [every, by_id]}},
        "required": [kind.member],
    }
    return {"oneOf": [every, member]}


def _deletion_of(kind: Kind) -> Mapping[str, Any]:
    if kind is not PRODUCT:
        return _DELETION
    properties = {"ids": _ID_SET, "shops": _ID_SET}
    return {"oneOf": [_IDS, {"type": "object", "properties": properties, "required": ["ids"]}]}


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *(endpoint for kind in KINDS.values() for endpoint in _catalogue(kind)),
    Endpoint(
        "POST",
        "stock",
        "stock items",
        "Set the stock of items, or add to it.",
        import_stock,
        ("adjustment",),
        _STOCK,
    ),
    Endpoint(
        "DELETE", "stock", "stock items", "Forget the stock of items.", delete_stock, (), _STOCK
    ),
    Endpoint(
        "POST",
        "incoming_orders",
        "incoming orders",
        "Bring in orders that a shop hands out.",
        import_incoming_orders,
        ("stock_location",),
        {
            "type": "object",
            "required": ["orders"],
            "properties": {
                "orders": {
                    "type": "array",
                    "items": {"type": "object", "required": ["order_identifier", "basket"]},
                }
            },
        },
    ),
    Endpoint(
        "POST",
        "outgoing_order_state_changes",
        "outgoing order state changes",
        "Report the states of orders that tills have placed.",
        import_state_changes,
        (),
        {"type": "array", "items": _STATE_CHANGE},
    ),
)
"""Every import endpoint (design: models, section 4)."""
