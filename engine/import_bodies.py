"""Take the bodies of the import endpoints apart (reference: product-import; design: models, 4).

A body is taken in every accepted spelling and becomes the documents that it lists, which are then
checked one by one: one bad product among ten thousand does not spoil the others.
"""

from typing import Final

from engine.errors import Reason
from engine.fields import Fields
from engine.model.value import Value
from engine.readers import Problems, id_set, wrong_type
from engine.strict_json import is_array, is_object

Document = dict[str, object]

_IDS_EXPECTED: Final = "an array of ids, or an object with ids"


class ImportBody(Value, frozen=True):
    """What an import lists.

    Attributes:
        documents: The objects in their order, each with its `id` as far as it gives one; an entry
            that is no object is kept for its reader to refuse.
        shops: The shops that the objects are for; empty for all shops of the markets.
        markets: The markets that the body names in its metadata, which win over the query's;
            empty when it names none.
    """

    documents: tuple[object, ...]
    shops: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()


class DeletionBody(Value, frozen=True):
    """What a deletion lists: ids, and the shops whose copies go (none: those of all shops)."""

    ids: tuple[str, ...]
    shops: tuple[str, ...] = ()


def products_body(value: object) -> ImportBody:
    """Return the products of an import.

    Args:
        value: `{"products": [...] or by id, "shops"?, "metadata"?: {"markets", "channels"}}`, or
            `{"product": {...}}` with the same other members.

    Raises:
        InvalidInput: With every bad member of the body itself.
    """
    problems = Problems()
    fields = Fields(value, "", problems)
    product = fields.raw("product")
    products = fields.raw("products")
    if product is not None and products is not None:
        message = "expected either product or products, was both"
        problems.add("product", Reason.NOT_ALLOWED, message)
    if product is None and products is None:
        fields.missing("products", "an array of products")
    documents = () if products is None else _documents(products, "products", "id", problems)
    metadata = fields.child("metadata")
    markets: tuple[str, ...] = ()
    if metadata is not None:
        markets = metadata.default("markets", id_set, value=())
        metadata.raw("channels")
        metadata.refuse_unknown()
    body = ImportBody(
        documents=documents if product is None else (product,),
        shops=fields.default("shops", id_set, value=()),
        markets=markets,
    )
    fields.refuse_unknown()
    problems.finish()
    return body


def listed_body(value: object, *, member: str, key: str = "id") -> ImportBody:
    """Return the objects of an import that lists one kind.

    Args:
        value: An array, an object with the list as its only member `member`, or that list as an
            object by id.
        member: The name of the list: `campaigns`, `expenses`.
        key: The member that identifies an object: `id`, `identifier`, `tag`, `group`.

    Raises:
        InvalidInput: The body has another shape.
    """
    problems = Problems()
    path = ""
    if is_object(value):
        fields = Fields(value, "", problems)
        value = fields.raw(member)
        path = member
        if value is None:
            fields.missing(member, "an array")
        fields.refuse_unknown()
    documents = () if value is None else _documents(value, path, key, problems)
    problems.finish()
    return ImportBody(documents=documents)


def deletion_body(value: object) -> DeletionBody:
    """Return the ids of a deletion: an array, or `{"ids": [...], "shops"?: [...]}`.

    Both lists may also be objects of true by id.

    Raises:
        InvalidInput: With every bad member.
    """
    problems = Problems()
    if is_array(value):
        found = DeletionBody(ids=id_set(value, "", problems) or ())
    elif is_object(value):
        fields = Fields(value, "", problems)
        found = DeletionBody(
            ids=fields.required("ids", id_set, otherwise=()),
            shops=fields.default("shops", id_set, value=()),
        )
        fields.refuse_unknown()
    else:
        wrong_type(_IDS_EXPECTED, value, "", problems)
        found = DeletionBody(ids=())
    problems.finish()
    return found


def _documents(value: object, path: str, key: str, problems: Problems) -> tuple[object, ...]:
    """Return the entries of an array, or of an object by id, whose keys then stand for the id."""
    if is_array(value):
        return tuple(value)
    if not is_object(value):
        wrong_type("an array, or an object by id", value, path, problems)
        return ()
    return tuple(
        {**entry, key: id_} if is_object(entry) and entry.get(key) is None else entry
        for id_, entry in value.items()
    )
