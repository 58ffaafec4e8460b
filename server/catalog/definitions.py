"""Check what only names and arranges: tags, groups, attributes, folders, recommendations, assets.

Nothing of it changes a price (models, section 4). Each function takes one object of an import and
raises `InvalidInput` with every bad field; folders, being one value, are taken as a whole.
"""

from typing import Final

from engine.errors import Reason
from engine.fields import Fields, keyed_objects, read_whole
from engine.model import L10nString
from engine.readers import (
    NO_TEXT,
    Problems,
    array,
    boolean,
    id_set,
    identifier,
    l10n,
    number,
    product_identifier,
    shown,
    text,
    wrong_type,
)
from engine.strict_json import is_array

_SCALES: Final = range(4)
_MICROS = 1_000_000


def check_tag(value: object) -> None:
    """Check `{"tag", "name"}`."""
    read_whole(value, lambda fields: _named(fields, "tag"))


def check_product_group(value: object) -> None:
    """Check `{"group", "name"}`."""
    read_whole(value, lambda fields: _named(fields, "group"))


def check_recommendation_category(value: object) -> None:
    """Check `{"id", "name"}`."""
    read_whole(value, lambda fields: _named(fields, "id"))


def check_attribute(value: object) -> None:
    """Check `{"id", "name", "type"}`; the type is a text, a number or options."""
    read_whole(value, _attribute)


def check_attribute_group(value: object) -> None:
    """Check `{"id", "name", "initially_collapsed"?, "attributes"}`."""
    read_whole(value, _attribute_group)


def check_recommendations(value: object) -> None:
    """Check `{"product_id", "recommendations"}`."""
    read_whole(value, _recommendations)


def check_assets(value: object) -> None:
    """Check `{"product_id", "assets": [{"mime_type", "name", "url"}]}`."""
    read_whole(value, _assets)


def check_folders(value: object) -> None:
    """Check `{"id", "folders": [{"filter": {"tag"}, "children"?}]}`."""
    read_whole(value, _folders)


def _named(fields: Fields, key: str) -> None:
    fields.required(key, identifier, otherwise="")
    _name(fields)
    fields.refuse_unknown()


def _name(fields: Fields) -> L10nString:
    return fields.required("name", l10n, otherwise=NO_TEXT)


def _attribute(fields: Fields) -> None:
    fields.required("id", identifier, otherwise="")
    _name(fields)
    kind = fields.child("type")
    if kind is None:
        fields.missing("type", 'one of {"text"}, {"number"} and {"options"}')
    else:
        _attribute_type(kind)
    fields.refuse_unknown()


def _attribute_type(fields: Fields) -> None:
    """Check `{"text": {"text": true}}`, `{"number": {"scale", "suffix"?}}` or `{"options"}`."""
    named = [name for name in ("text", "number", "options") if fields.has(name)]
    if len(named) != 1:
        was = ", ".join(named) or "none"
        message = f"expected one of text, number and options, was {was}"
        fields.problems.add(fields.path, Reason.REQUIRED, message)
    texts, numbers, options = (fields.child(name) for name in ("text", "number", "options"))
    if texts is not None:
        texts.required("text", boolean, otherwise=True)
        texts.refuse_unknown()
    if numbers is not None:
        scale = numbers.required("scale", number, otherwise=0)
        if scale % _MICROS or scale // _MICROS not in _SCALES:
            was = shown(numbers.raw("scale"))
            message = f"expected a whole number from 0 to {_SCALES[-1]}, was {was}"
            fields.problems.add(numbers.at("scale"), Reason.OUT_OF_BOUNDS, message)
        numbers.optional("suffix", text)
        numbers.refuse_unknown()
    if options is not None:
        for each in keyed_objects(fields.raw("options"), options.path, fields.problems):
            _named(each, "id")
    fields.refuse_unknown()


def _attribute_group(fields: Fields) -> None:
    fields.required("id", identifier, otherwise="")
    _name(fields)
    fields.optional("initially_collapsed", boolean)
    fields.required("attributes", id_set, otherwise=())
    fields.refuse_unknown()


def _recommendations(fields: Fields) -> None:
    fields.required("product_id", product_identifier, otherwise="")
    fields.required("recommendations", array(product_identifier), otherwise=())
    fields.refuse_unknown()


def _assets(fields: Fields) -> None:
    fields.required("product_id", product_identifier, otherwise="")
    value = fields.raw("assets")
    if not is_array(value):
        wrong_type("an array of assets", value, fields.at("assets"), fields.problems)
        return
    for index, each in enumerate(value):
        asset = Fields(each, f"{fields.at('assets')}[{index}]", fields.problems)
        for name in ("mime_type", "name", "url"):
            asset.required(name, text, otherwise="")
        asset.refuse_unknown()
    fields.refuse_unknown()


def _folders(fields: Fields) -> None:
    fields.raw("id")
    _folder_list(fields.raw("folders"), fields.at("folders"), fields.problems)


def _folder_list(value: object, path: str, problems: Problems) -> None:
    """Check folders inside folders; the depth of JSON bounds theirs."""
    if not is_array(value):
        wrong_type("an array of folders", value, path, problems)
        return
    for index, each in enumerate(value):
        folder = Fields(each, f"{path}[{index}]", problems)
        by = folder.child("filter")
        if by is None:
            folder.missing("filter", 'an object such as {"tag": "food"}')
        else:
            by.required("tag", identifier, otherwise="")
            by.refuse_unknown()
        children = folder.raw("children")
        if children is not None:
            _folder_list(children, folder.at("children"), problems)
        folder.refuse_unknown()
