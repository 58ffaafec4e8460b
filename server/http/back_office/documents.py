"""Store and show the objects of a catalogue as the JSON documents that imports take."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn

from google.protobuf.message import Message
from sqlalchemy import Connection

from engine.documents import encode_document
from engine.errors import NotFound
from engine.strict_json import NumberLiteral, decode, is_array, is_object
from server.catalog.imports import (
    DOCUMENTS_PER_TRANSACTION,
    Fate,
    Mode,
    Outcome,
    Target,
    import_documents,
)
from server.catalog.kinds import Kind
from server.http.back_office.office import Desk
from server.rpc.catalog_messages import COLLECTIONS, Collection, message_class

Document = dict[str, object]

_INDENT: Final = "  "
_WIDTH: Final = 80


class _Rehearsed(Exception):  # it is no error: it takes back what was tried
    """Ends a transaction of which nothing is to stay."""

    def __init__(self, outcomes: tuple[Outcome, ...]) -> None:
        super().__init__()
        self.outcomes = outcomes


def collection_of(kind: Kind) -> Collection:
    """Return what the service calls the objects of a kind."""
    return next(each for each in COLLECTIONS if each.kind is kind)


def method_of(kind: Kind) -> str:
    """Return the method whose scopes open changes of a kind."""
    return f"Import{collection_of(kind).camels}"


async def store(
    desk: Desk,
    kind: Kind,
    documents: Sequence[object],
    *,
    market_id: str = "",
    mode: Mode = Mode.REPLACE,
    is_rehearsal: bool = False,
) -> list[Outcome]:
    """Import objects as the import endpoints do, and return what became of each.

    Args:
        desk: Who imports.
        kind: What they are.
        documents: The objects.
        market_id: The market, for kinds that markets have.
        mode: How they are merged with what is there.
        is_rehearsal: Whether nothing is stored: only what would become of each is told.

    Raises:
        PermissionDenied: The visitor may not.
        InvalidInput: The market is none of the account.
    """
    desk.require(method_of(kind))
    market_ids = (market_id,) if kind.is_of_market else ()
    target = Target(account_id=desk.account_id, kind=kind, market_ids=market_ids, mode=mode)
    outcomes: list[Outcome] = []
    for start in range(0, len(documents), DOCUMENTS_PER_TRANSACTION):
        some = documents[start : start + DOCUMENTS_PER_TRANSACTION]
        work = partial(import_documents, documents=some, target=target, now_ns=desk.tools.clock())
        if not is_rehearsal:
            outcomes += await desk.tools.store.write(work)
            continue
        try:
            await desk.tools.store.write(partial(_rehearse, work=work))
        except _Rehearsed as rehearsed:
            outcomes += rehearsed.outcomes
    if not is_rehearsal:
        await desk.tools.services.catalog.finish(target)
    return outcomes


def _rehearse(connection: Connection, *, work: Any) -> NoReturn:
    raise _Rehearsed(work(connection))


async def remove(desk: Desk, kind: Kind, entry_id: str, *, market_id: str = "") -> None:
    """Remove an object by its id.

    Raises:
        NotFound: There was none.
    """
    collection = collection_of(kind)
    values: dict[str, Any] = {"ids": [entry_id]}
    if kind.is_of_market:
        values["market_ids"] = [market_id]
    request = message_class(f"Delete{collection.camels}Request")(**values)
    if not (await desk.call(request)).deleted_count:
        raise NotFound(f"expected the id of a {collection.noun}, was another")


async def find(desk: Desk, kind: Kind, entry_id: str, *, market_id: str = "") -> Document:
    """Return an object.

    Raises:
        NotFound: There is none.
    """
    collection = collection_of(kind)
    values: dict[str, Any] = {f"{collection.noun}_id": entry_id}
    if kind.is_of_market:
        values["market_id"] = market_id
    request: Message = message_class(f"Get{collection.camel}Request")(**values)
    return document_of(getattr(await desk.call(request), collection.noun))


async def page_of(desk: Desk, kind: Kind, **values: object) -> tuple[list[Document], str]:
    """Return a page of objects, and what continues it."""
    collection = collection_of(kind)
    request = message_class(f"List{collection.camels}Request")(**values)
    answer = await desk.call(request)
    entries = getattr(answer, collection.plural)
    return [document_of(each) for each in entries], answer.next_page_token


def document_of(entry: Any) -> Document:
    """Return the object of an entry, whose numbers are as they were written."""
    value = decode(entry.document_json or b"{}")
    assert is_object(value), "an object was stored"
    return value


def pretty(value: object, indent: str = "") -> str:
    """Return JSON over several lines; numbers keep every digit as it was written."""
    short = _compact(value)
    if len(indent) + len(short) <= _WIDTH or not (is_object(value) or is_array(value)):
        return short
    inner = indent + _INDENT
    if is_object(value):
        members = [f"{_compact(name)}: {pretty(each, inner)}" for name, each in value.items()]
        return "{\n" + ",\n".join(inner + each for each in members) + f"\n{indent}}}"
    assert is_array(value)
    return "[\n" + ",\n".join(inner + pretty(each, inner) for each in value) + f"\n{indent}]"


def _compact(value: object) -> str:
    if isinstance(value, NumberLiteral):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return encode_document(value).decode()


def name_in(text: object, language: str) -> str:
    """Return a localized text of a document in a language, else in English or its first one."""
    if isinstance(text, Mapping):
        texts = {str(code): str(each) for code, each in text.items()}
        return texts.get(language) or texts.get("en") or next(iter(texts.values()), "")
    return "" if text is None else str(text)


def text_of(text: object) -> str:
    """Return a localized text on one line, as forms show it."""
    if isinstance(text, Mapping):
        return " | ".join(f"{code}: {each}" for code, each in text.items())
    return "" if text is None else str(text)


def refused(outcome: Outcome) -> bool:
    """Return whether an object was refused."""
    return outcome.fate is Fate.REFUSED
