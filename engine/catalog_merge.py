"""Merge an imported product into the stored one (reference: product-import, partial import).

Products are merged as the JSON documents that they were imported as, so that members which
Tillcore does not interpret survive too. A document is checked after it is merged, by
`engine.catalog.read_product`.
"""

from collections.abc import Collection, Sequence
from typing import Final

from engine.strict_json import is_array, is_object

Document = dict[str, object]

_LISTS_BY_ID: Final = {
    "variants": frozenset[str](),
    "bundles": frozenset[str](),
    "dimensions": frozenset({"values"}),
}
"""The lists of a product whose objects are merged by id, with such lists inside them."""

_KEPT_INSIDE: Final = "variants"
"""The list in which ignored keys keep their stored value as well."""


def normalized(document: Document) -> Document:
    """Return a product in the one form that is stored.

    Lists that may also be given as objects by id become arrays, and tags become an object of true.
    What does not have such a form is left for the reader to refuse.
    """
    found = dict(document)
    for name, inner in _LISTS_BY_ID.items():
        if name in found:
            found[name] = _as_list(found[name], inner)
    if is_array(tags := found.get("tags")) and all(isinstance(tag, str) for tag in tags):
        found["tags"] = {str(tag): True for tag in tags}
    return found


def merge_partial(stored: Document, imported: Document) -> Document:
    """Return the stored product with every leaf that the imported one gives (`partial=true`).

    Objects are merged member by member, variants, dimensions, dimension values and bundles by
    their id; every other array is a leaf. Nothing is ever removed. Both are `normalized`.
    """
    return _merged(stored, imported, _LISTS_BY_ID)


def merge_ignoring(stored: Document, imported: Document, keys: Collection[str]) -> Document:
    """Return the imported product with the stored values of some keys (`ignore=key`).

    The keys keep what is stored in the product and in each of its variants; where nothing is
    stored, what is imported counts. Variants that are not imported are gone. Both are `normalized`.
    """
    found = _keeping(stored, imported, keys)
    stored_by_id = _by_id(stored.get(_KEPT_INSIDE))
    if is_array(imported_list := imported.get(_KEPT_INSIDE)) and _KEPT_INSIDE not in keys:
        found[_KEPT_INSIDE] = [
            _keeping(stored_by_id.get(str(each.get("id")), {}), each, keys)
            if is_object(each)
            else each
            for each in imported_list
        ]
    return found


def _keeping(stored: Document, imported: Document, keys: Collection[str]) -> Document:
    kept = {key: value for key, value in stored.items() if key in keys and key != "id"}
    return {**imported, **kept}


def _merged(stored: Document, imported: Document, lists: dict[str, frozenset[str]]) -> Document:
    found = dict(stored)
    for key, value in imported.items():
        before = found.get(key)
        if key in lists and is_array(before) and is_array(value):
            found[key] = _merged_list(before, value, dict.fromkeys(lists[key], frozenset[str]()))
        elif is_object(before) and is_object(value):
            found[key] = _merged(before, value, {})
        else:
            found[key] = value
    return found


def _merged_list(
    stored: Sequence[object], imported: Sequence[object], lists: dict[str, frozenset[str]]
) -> list[object]:
    """Return the stored objects with their imported counterparts laid over, then the new ones."""
    news = _by_id(imported)
    if len(news) != len(imported) or len(_by_id(stored)) != len(stored):
        return list(imported)
    found: list[object] = [
        _merged(each, news.pop(str(each["id"])), lists) if str(each["id"]) in news else each
        for each in stored
        if is_object(each)
    ]
    return found + list(news.values())


def _by_id(value: object) -> dict[str, Document]:
    """Return the objects of an array by their id; those without one are left out."""
    found: dict[str, Document] = {}
    for each in value if is_array(value) else ():
        if is_object(each) and isinstance(id_ := each.get("id"), str):
            found[id_] = each
    return found


def _as_list(value: object, inner: Collection[str]) -> object:
    """Return an object by id as an array, and the same inside its objects."""
    if is_object(value):
        if not all(is_object(each) and each.get("id", key) == key for key, each in value.items()):
            return value
        listed: list[object] = [
            {**each, "id": key} for key, each in value.items() if is_object(each)
        ]
    elif is_array(value):
        listed = list(value)
    else:
        return value
    return [
        {key: _as_list(member, ()) if key in inner else member for key, member in each.items()}
        if is_object(each)
        else each
        for each in listed
    ]
