"""Pages of what names, groups and describes products, and of discount campaigns."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from starlette.responses import Response

from engine.campaigns import read_campaign
from engine.errors import FieldProblem, InvalidInput, NotFound
from engine.strict_json import NumberLiteral, decode, is_object
from server.catalog.kinds import ATTRIBUTE, CAMPAIGN, PRODUCT, PRODUCT_GROUP, TAG, Kind
from server.http.back_office import documents, forms, search
from server.http.back_office.campaign_words import campaign_words
from server.http.back_office.documents import Document, name_in, pretty, text_of
from server.http.back_office.forms import Field
from server.http.back_office.office import PAGE_SIZE, Desk
from server.http.back_office.things import named

_JSON: Final = Field("document", forms.Kind.CODE, is_required=True)


class Page(NamedTuple):
    """The pages of a kind.

    Attributes:
        path: Of the pages.
        kind: What they are of.
        fields: Of the form; the document itself unless told otherwise.
        shown: Returns what the fields show of a document.
        read: Returns the document of the fields.
        columns: What a list shows beside id and name.
        example: What the document of a new one begins as.
    """

    path: str
    kind: Kind
    fields: tuple[Field, ...] = (_JSON,)
    shown: Callable[[Document], dict[str, str]] = lambda document: {"document": pretty(document)}
    read: Callable[[Mapping[str, str]], object] = lambda form: decode(form.get("document", ""))
    columns: tuple[str, ...] = ()
    example: str = ""


# --- forms -----------------------------------------------------------------------------------


def _localized(text: str) -> object:
    return forms.languages(text) or text


def _named_fields(key: str) -> tuple[Field, ...]:
    return (Field(key, is_required=True, is_fixed=True), Field("name", is_required=True))


def _named_shown(key: str) -> Callable[[Document], dict[str, str]]:
    return lambda document: {
        key: str(document.get(key, "")),
        "name": text_of(document.get("name")),
    }


def _named_read(key: str) -> Callable[[Mapping[str, str]], object]:
    return lambda form: {
        key: form.get(key, "").strip(),
        "name": _localized(form.get("name", "").strip()),
    }


_ATTRIBUTE_FIELDS: Final = (
    *_named_fields("id"),
    Field(
        "type",
        forms.Kind.CHOICE,
        is_required=True,
        choices=(("text", "text"), ("number", "number"), ("options", "options")),
    ),
    Field("scale"),
    Field("suffix"),
    Field("options", forms.Kind.LINES),
)


def _attribute_shown(document: Document) -> dict[str, str]:
    shown = _named_shown("id")(document)
    kind = document.get("type")
    if not is_object(kind):
        return shown
    number, options = kind.get("number"), kind.get("options")
    shown["type"] = next(iter(kind), "")
    if is_object(number):
        shown |= {"scale": str(number.get("scale", "")), "suffix": str(number.get("suffix", ""))}
    if is_object(options):
        names = [
            (id_, text_of(each.get("name"))) for id_, each in options.items() if is_object(each)
        ]
        shown["options"] = "\n".join(f"{id_}: {name}" for id_, name in names)
    return shown


def _attribute_read(form: Mapping[str, str]) -> object:
    document = _named_read("id")(form)
    assert is_object(document)
    kind = form.get("type", "")
    if kind == "number":
        number: Document = {"scale": NumberLiteral(form.get("scale", "").strip() or "0")}
        if form.get("suffix", "").strip():
            number["suffix"] = form["suffix"].strip()
        document["type"] = {"number": number}
    elif kind == "options":
        options = forms.pairs(form.get("options", ""))
        document["type"] = {
            "options": {id_: {"name": _localized(name)} for id_, name in options.items()}
        }
    else:
        document["type"] = {"text": {"text": True}}
    return document


_CAMPAIGN_EXAMPLE: Final = """{
  "id": "candy-3-for-2",
  "type": "percentage_discount-count-tag",
  "name": "candy 3 for 2",
  "display_name": {"da": "Tag 3, betal for 2", "en": "3 for 2"},
  "priority": 50,
  "tag": "candy",
  "count": 3,
  "on": "cheapest",
  "percentage": 1
}"""

_PRODUCT_EXAMPLE: Final = """{
  "id": "",
  "name": {"da": "", "en": ""},
  "retail_price": 0,
  "barcode": "",
  "tags": []
}"""

PAGES: Final = (
    Page(
        "product-groups",
        PRODUCT_GROUP,
        _named_fields("group"),
        _named_shown("group"),
        _named_read("group"),
    ),
    Page("tags", TAG, _named_fields("tag"), _named_shown("tag"), _named_read("tag")),
    Page(
        "attributes",
        ATTRIBUTE,
        _ATTRIBUTE_FIELDS,
        _attribute_shown,
        _attribute_read,
        columns=("type",),
    ),
    Page("campaigns", CAMPAIGN, columns=("words", "priority"), example=_CAMPAIGN_EXAMPLE),
    Page(
        "products",
        PRODUCT,
        columns=("retail_price", "barcode", "product_group"),
        example=_PRODUCT_EXAMPLE,
    ),
)


def page_of(path: str) -> Page:
    """Return the pages of a path.

    Raises:
        NotFound: There are none.
    """
    for page in PAGES:
        if page.path == path:
            return page
    raise NotFound("expected a page, was none")


# --- pages -----------------------------------------------------------------------------------


async def list_entries(desk: Desk, page: Page) -> Response:
    """Show a page of a kind; products by tag or group, and what a visitor searches for."""
    values: dict[str, Any] = {"page_size": PAGE_SIZE, "page_token": desk.query("page")}
    markets = await named(desk, "market") if page.kind.is_of_market else []
    market_id = await chosen_market(desk, markets)
    if page.kind.is_of_market:
        values["market_id"] = market_id
    filters = ("tag", "product_group") if page.kind is PRODUCT else ()
    values |= {name: desk.query(name) for name in filters if desk.query(name)}
    found, next_page = (
        ([], "")
        if page.kind.is_of_market and not markets
        else (
            await _found(desk, page, market_id)
            if desk.query("q")
            else await documents.page_of(desk, page.kind, **values)
        )
    )
    return desk.page(
        "entries.html.jinja",
        page=page,
        rows=[_row(desk, page, each) for each in found],
        next_page=next_page,
        markets=markets,
        market_id=market_id,
        filters=filters,
        may_save=desk.may(documents.method_of(page.kind)),
    )


async def _found(desk: Desk, page: Page, market_id: str) -> tuple[list[Document], str]:
    """Return what a visitor searches for: one by its id, products by their names and codes too."""
    if page.kind is PRODUCT:
        return await search.products(
            desk, desk.query("q"), market_id=market_id, after_id=desk.query("page")
        )
    try:
        return [await documents.find(desk, page.kind, desk.query("q"), market_id=market_id)], ""
    except NotFound:
        return [], ""


def _row(desk: Desk, page: Page, document: Document) -> dict[str, Any]:
    kind, language = page.kind, desk.language
    cells: list[str] = []
    for column in page.columns:
        value = document.get(column)
        if column == "words":
            cells.append(" ".join(_words(desk, document)[:1]))
        elif column == "type" and is_object(value):
            cells.append(desk.choice(next(iter(value), "")))
        else:
            cells.append(text_of(value))
    name = document.get("display_name") if kind is CAMPAIGN else document.get("name")
    return {
        "id": str(document.get(kind.key, "")),
        "name": name_in(name, language),
        "cells": cells,
    }


def _words(desk: Desk, document: Document) -> list[str]:
    try:
        return campaign_words(read_campaign(document), desk.writer, desk.word)
    except InvalidInput:
        return []


async def show_entry(desk: Desk, page: Page) -> Response:
    """Show the form of one, or of a new one."""
    entry_id, market_id = desk.query("id"), desk.query("market")
    if not entry_id:
        desk.require(documents.method_of(page.kind))
        return await _form(desk, page, {"document": page.example})
    document = await documents.find(desk, page.kind, entry_id, market_id=market_id)
    sentences = _words(desk, document) if page.kind is CAMPAIGN else []
    return await _form(desk, page, page.shown(document), sentences=sentences)


async def save_entry(desk: Desk, page: Page) -> Response:
    """Store what the form says, as an import would."""
    desk.require(documents.method_of(page.kind))
    entry_id, market_id = desk.query("id"), desk.form.text("market") or desk.query("market")
    form = dict(desk.form)
    if entry_id and page.fields[0].is_fixed:
        form[page.kind.key] = entry_id
    found: Any = ()
    try:
        document = page.read(form)
        if entry_id and is_object(document) and document.get(page.kind.key) != entry_id:
            found = [(page.kind.key, f"expected {entry_id} as before, was another id")]
        else:
            (outcome,) = await documents.store(desk, page.kind, [document], market_id=market_id)
            found = outcome.problems
    except forms.BadFieldError as error:
        found = [("options", str(error))]
    except InvalidInput as error:
        found = error.problems
    if not found:
        return desk.see(page.path, market=market_id, done="saved")
    if page.fields == (_JSON,):
        problems = [_in_document(desk, each) for each in found]
    else:
        problems = forms.placed(found, page.fields, under="", word=desk.word)
    values = {field.path: form.get(field.path, "") for field in page.fields}
    return await _form(desk, page, values, problems=problems)


def _in_document(desk: Desk, found: FieldProblem | tuple[str, str]) -> forms.Problem:
    path, message = found if isinstance(found, tuple) else (found.field, found.message)
    return forms.Problem(_JSON.id, path or desk.word(_JSON.word), message)


async def delete_entry(desk: Desk, page: Page) -> Response:
    """Remove one."""
    market_id = desk.query("market")
    await documents.remove(desk, page.kind, desk.query("id"), market_id=market_id)
    return desk.see(page.path, market=market_id, done="deleted")


async def _form(
    desk: Desk,
    page: Page,
    values: dict[str, str],
    *,
    problems: Any = (),
    sentences: list[str] | None = None,
) -> Response:
    markets = await named(desk, "market") if page.kind.is_of_market else []
    return desk.page(
        "entry.html.jinja",
        status=400 if problems else 200,
        page=page,
        values=values,
        problems=problems,
        sentences=sentences or [],
        entry_id=desk.query("id"),
        markets=markets,
        market_id=desk.query("market"),
        may_save=desk.may(documents.method_of(page.kind)),
    )


async def chosen_market(desk: Desk, markets: list[tuple[str, str]]) -> str:
    """Return the market that a page is about: the one that is asked for, else the first."""
    wanted = desk.query("market")
    if wanted or not markets:
        return wanted
    return markets[0][0]
