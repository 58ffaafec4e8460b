"""Import and delete what belongs to the catalogue: products in parts, everything else at once."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from engine.errors import InvalidInput, Reason, invalid
from engine.import_bodies import DeletionBody, ImportBody, deletion_body
from engine.strict_json import decode
from server.catalog.imports import (
    DOCUMENTS_PER_TRANSACTION,
    Fate,
    Outcome,
    Target,
    import_documents,
    remove_documents,
)
from server.catalog.kinds import FOLDER, FOLDERS_ID, PRODUCT, Kind
from server.http.imports.report import item_of, renamed
from server.http.imports.scanning import Span, scan_products
from server.http.imports.spooling import Body
from server.http.imports.work import Handler, Request, Task, Work, aside, decoded
from server.rpc.catalog_messages import IDS_MAX
from server.storage import import_logs
from server.storage.import_logs import Item

BYTES_PER_TRANSACTION: Final = 4 * 1024 * 1024
"""How long the products of one transaction are together at most, or a single one."""

OBJECTS_MAX: Final = 100_000
"""How many objects that are no products one request may have."""

_NAMES: Final = (("market_ids", "markets"), ("shop_ids", "shops"))
"""What the fields of a target are called in a request."""

Documents = Sequence[object | Outcome]
"""Objects of a body; those that could not be decoded are outcomes already."""


# --- importing -------------------------------------------------------------------------------


def importing(kind: Kind) -> Handler:
    """Return what imports a kind."""
    if kind is PRODUCT:
        return _import_products
    return partial(_import_whole, kind)


async def _import_products(request: Request) -> Task:
    """Read a body of products of any length."""
    body = request.body
    scanned = await aside(body.size, partial(scan_products, body))
    listed = await aside(body.size, partial(PRODUCT.documents, scanned.members))
    target = _target(request, PRODUCT, listed)

    async def works() -> AsyncIterator[Work]:
        # The only product of a body, or none: markets and shops have to be there in any case.
        if listed.documents or not len(scanned):
            yield partial(_store, request=request, target=target, documents=listed.documents)
        spans = scanned.batches(
            count_max=DOCUMENTS_PER_TRANSACTION, bytes_max=BYTES_PER_TRANSACTION
        )
        for batch in spans:
            length = batch[-1].end - batch[0].start
            documents = await aside(length, partial(_decode, body, batch))
            yield partial(_store, request=request, target=target, documents=documents)

    return _task(request, target, works())


def _decode(body: Body, batch: Sequence[Span]) -> Documents:
    """Return the products of a part of a body; what is no good JSON is refused by itself."""
    first = batch[0].start
    text = body.read(first, batch[-1].end - first)
    return [_decode_one(body, span, text[span.start - first : span.end - first]) for span in batch]


def _decode_one(body: Body, span: Span, text: bytes) -> object | Outcome:
    try:
        product = decode(text)
        if not span.key_end:
            return product
        key = decode(body.read(span.key_start, span.key_end - span.key_start))
        assert isinstance(key, str), "the scanner has found a string"
        # What an object by id means is the rule of one place.
        return PRODUCT.documents({"products": {key: product}}).documents[0]
    except InvalidInput as error:
        return Outcome(fate=Fate.REFUSED, problems=error.problems)


async def _import_whole(kind: Kind, request: Request) -> Task:
    """Read a body of anything else."""
    value = await decoded(request)
    listed = await aside(request.body.size, partial(kind.documents, value))
    target = _target(request, kind, listed)
    documents = listed.documents
    if len(documents) > OBJECTS_MAX:
        message = f"expected at most {OBJECTS_MAX}, was {len(documents)}"
        raise invalid("", Reason.TOO_MANY, message)

    async def works() -> AsyncIterator[Work]:
        for start in range(0, max(len(documents), 1), DOCUMENTS_PER_TRANSACTION):
            some = documents[start : start + DOCUMENTS_PER_TRANSACTION]
            yield partial(_store, request=request, target=target, documents=some)

    return _task(request, target, works())


def _store(
    connection: Connection, *, request: Request, target: Target, documents: Documents
) -> Sequence[Item]:
    """Store objects in a transaction.

    Raises:
        InvalidInput: A market or a shop is not the account's.
    """
    good = [each for each in documents if not isinstance(each, Outcome)]
    try:
        stored = iter(
            import_documents(connection, good, target=target, now_ns=request.tools.clock())
        )
    except InvalidInput as error:
        raise renamed(error, _NAMES) from error
    return [item_of(each if isinstance(each, Outcome) else next(stored)) for each in documents]


def _target(request: Request, kind: Kind, listed: ImportBody | DeletionBody) -> Target:
    """Return where objects go: what a body says wins over the query."""
    query = request.query
    markets = listed.markets if isinstance(listed, ImportBody) else ()
    return Target(
        account_id=request.account_id,
        kind=kind,
        market_ids=markets or query.markets,
        shop_ids=listed.shops,
        mode=query.mode,
        ignored_keys=query.ignored_keys,
        parent_id=query.recommendation_id,
    )


def _task(request: Request, target: Target, works: AsyncIterator[Work]) -> Task:
    return Task(works, partial(request.tools.services.catalog.finish, target))


# --- deleting --------------------------------------------------------------------------------


def deleting(kind: Kind) -> Handler:
    """Return what deletes objects of a kind."""
    return partial(_delete, kind)


async def _delete(kind: Kind, request: Request) -> Task:
    if kind is FOLDER:
        if request.body.size:
            message = "expected none: all folders are removed at once"
            raise invalid("", Reason.NOT_ALLOWED, message)
        listed = DeletionBody(ids=(FOLDERS_ID,))
    else:
        listed = await _deleted(request)
    if listed.shops and kind is not PRODUCT:
        raise invalid("shops", Reason.NOT_ALLOWED, f"expected none for {kind.name}, was some")
    target = _target(request, kind, listed)
    ids = tuple(dict.fromkeys(listed.ids))

    async def works() -> AsyncIterator[Work]:
        for start in range(0, len(ids), DOCUMENTS_PER_TRANSACTION):
            some = ids[start : start + DOCUMENTS_PER_TRANSACTION]
            yield partial(_remove, request=request, target=target, ids=some)

    return _task(request, target, works())


async def _deleted(request: Request) -> DeletionBody:
    """Return what a request removes: its body says it, or its query.

    Raises:
        InvalidInput: Both say it, or neither does.
    """
    ids = request.query.ids
    if not request.body.size:
        if not ids:
            raise invalid("ids", Reason.REQUIRED, "expected ids in the body or the query, was none")
        return DeletionBody(ids=ids)
    if ids:
        message = "expected ids in the body or the query, was both"
        raise invalid("ids", Reason.NOT_ALLOWED, message)
    listed = deletion_body(await decoded(request))
    if not listed.ids:
        raise invalid("ids", Reason.REQUIRED, "expected at least one id, was none")
    if len(listed.ids) > IDS_MAX:
        message = f"expected at most {IDS_MAX}, was {len(listed.ids)}"
        raise invalid("ids", Reason.TOO_MANY, message)
    return listed


def _remove(
    connection: Connection, *, request: Request, target: Target, ids: Sequence[str]
) -> Sequence[Item]:
    """Remove objects in a transaction.

    Raises:
        InvalidInput: A market or a shop is not the account's.
    """
    try:
        found = remove_documents(connection, ids, target=target, now_ns=request.tools.clock())
    except InvalidInput as error:
        raise renamed(error, _NAMES) from error
    return [
        Item(id_, import_logs.DELETED if id_ in found else import_logs.UNCHANGED) for id_ in ids
    ]
