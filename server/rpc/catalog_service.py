"""Serve CatalogService: what is sold, and what names, groups and describes it."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import grpc
import msgspec
from google.protobuf.message import Message
from sqlalchemy import RowMapping

from engine.errors import NotFound, Reason, TillcoreError, invalid
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour, Calls, Messages
from engine.rpc.catalogues import INLINE_BYTES_MAX
from engine.rpc.convert.fields import Problems
from engine.rpc.status import located
from engine.strict_json import shown_text
from server.auth import current_principal
from server.catalog.imports import (
    DOCUMENTS_PER_TRANSACTION,
    MARKET_DEFAULT,
    Outcome,
    Target,
    delete_documents,
    import_documents,
)
from server.catalog.kinds import PRODUCT, Kind
from server.plans import Plans
from server.rpc.catalog_messages import (
    COLLECTIONS,
    ITEM_KINDS,
    Collection,
    Taken,
    Tally,
    body_of,
    entry_to_proto,
    ids_of,
    kind_of,
    message_class,
    mode_of,
    parent_of,
    typed_products,
)
from server.rpc.import_log_methods import ImportLogMethods
from server.rpc.pages import after_id, page_size, page_token
from server.storage import Connection, Store, catalogs
from server.storage.account_tables import market as market_table
from server.storage.catalogs import Key
from server.storage.resources import get_row
from tillcore.v1 import catalog_product_pb2, catalog_service_pb2

Clock = Callable[[], int]

SERVICE_NAME: Final = catalog_service_pb2.DESCRIPTOR.services_by_name["CatalogService"].full_name

_NS_PER_DAY: Final = 24 * 60 * 60 * 10**9


class CatalogService:
    """Import, delete and look up the catalogue of the caller's account."""

    def __init__(self, store: Store, plans: Plans, *, clock: Clock, history_days: int) -> None:
        """Serve a store.

        Args:
            store: Keeps everything.
            plans: Told of every change.
            clock: The moment of changes, in nanoseconds since 1970-01-01 UTC.
            history_days: How long past revisions are kept.
        """
        self._store = store
        self._plans = plans
        self._clock = clock
        self._history_ns = history_days * _NS_PER_DAY
        self._import_log = ImportLogMethods(store)

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Return the handler of the service, for `add_generic_rpc_handlers`."""
        methods: dict[str, Behaviour] = self._import_log.behaviours()
        for each in COLLECTIONS:
            if each.kind is not PRODUCT:
                methods[f"Import{each.camels}"] = partial(self.import_, each)
            methods[f"Delete{each.camels}"] = partial(self.delete, each)
            methods[f"Get{each.camel}"] = partial(self.get, each)
            methods[f"List{each.camels}"] = partial(self.list, each)
        handlers = {name: calls.unary(name, method) for name, method in methods.items()}
        handlers["ImportProducts"] = calls.collection("ImportProducts", self.import_products)
        return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)

    # --- importing and deleting ----------------------------------------------------------------

    async def import_products(self, messages: Messages) -> bytes:
        """Answer the ImportProductsRequests of a stream."""
        tally, target, index = Tally(), None, 0
        while (data := await messages.read()) is not None:
            path = f"requests[{index}]"
            try:
                request = parse(catalog_product_pb2.ImportProductsRequest, data)
                if target is None:
                    target = _products_target(request)
                else:
                    _check_continues(request)
                documents, here = await self._products(request, target)
                await self._store_all(here, documents, tally)
            except TillcoreError as error:
                raise located(error, path) from error
            index += 1
        if target is None:
            raise invalid("requests", Reason.REQUIRED, "expected at least one message, was none")
        await self.finish(target)
        response = catalog_product_pb2.ImportProductsResponse(result=tally.to_proto())
        return response.SerializeToString()

    async def _products(self, request: Any, target: Target) -> tuple[Taken, Target]:
        """Return the products of a message, and where they go: its body may say it itself."""
        if request.documents_json and request.products:
            expected = "expected either products or documents_json, was both"
            raise invalid("products", Reason.NOT_ALLOWED, expected)
        if not request.documents_json:
            return await self._aside(request.ByteSize(), partial(typed_products, request)), target
        data = request.documents_json
        body = await self._aside(len(data), partial(body_of, PRODUCT, data, "documents_json"))
        return body.documents, msgspec.structs.replace(
            target,
            market_ids=body.markets or target.market_ids,
            shop_ids=body.shops or target.shop_ids,
        )

    async def import_(self, collection: Collection, data: bytes) -> bytes:
        """Answer an Import request of anything but products."""
        request = parse(message_class(f"Import{collection.camels}Request"), data)
        problems = Problems()
        target = _target(collection, request, problems)
        if not request.documents_json:
            problems.required("documents_json", "the body of an import")
        problems.finish()
        taking = partial(body_of, target.kind, request.documents_json, "documents_json")
        body = await self._aside(len(request.documents_json), taking)
        tally = Tally()
        await self._store_all(target, body.documents, tally)
        await self.finish(target)
        kind = message_class(f"Import{collection.camels}Response")
        return _answer(kind, result=tally.to_proto())

    async def _store_all(self, target: Target, documents: Taken, tally: Tally) -> None:
        """Store objects in transactions of bounded size, and count what became of them."""
        # An import without objects still names markets and shops, which have to be there.
        for start in range(0, max(len(documents), 1), DOCUMENTS_PER_TRANSACTION):
            batch = documents[start : start + DOCUMENTS_PER_TRANSACTION]
            good = [each for each in batch if not isinstance(each, Outcome)]
            work = partial(import_documents, documents=good, target=target, now_ns=self._clock())
            stored = iter(await self._store.write(work))
            for each in batch:
                tally.add(each if isinstance(each, Outcome) else next(stored))

    async def delete(self, collection: Collection, data: bytes) -> bytes:
        """Answer a Delete request."""
        request = parse(message_class(f"Delete{collection.camels}Request"), data)
        problems = Problems()
        target = _target(collection, request, problems)
        ids = ids_of(request, "ids", problems)
        if not request.ids:
            problems.required("ids", "at least one id")
        problems.finish()
        count = 0
        for start in range(0, len(ids), DOCUMENTS_PER_TRANSACTION):
            some = ids[start : start + DOCUMENTS_PER_TRANSACTION]
            work = partial(delete_documents, ids=some, target=target, now_ns=self._clock())
            count += await self._store.write(work)
        await self.finish(target)
        return _answer(message_class(f"Delete{collection.camels}Response"), deleted_count=count)

    async def finish(self, target: Target) -> None:
        """Forget what is too old, and let the next evaluation be under what was changed."""
        if not target.kind.is_of_market:
            return
        account_id, before_ns = target.account_id, self._clock() - self._history_ns

        def prune(connection: Connection) -> None:
            for market_id in catalogs.heads(connection, [account_id])[account_id]:
                catalogs.prune(
                    connection, account_id=account_id, market_id=market_id, before_ns=before_ns
                )

        await self._store.write(prune)
        await self._plans.changed(account_id)

    async def _aside(self, size: int, call: Callable[[], Any]) -> Any:
        """Call in a thread what takes apart many bytes, so that others do not wait."""
        return call() if size <= INLINE_BYTES_MAX else await asyncio.to_thread(call)

    # --- looking up --------------------------------------------------------------------------

    async def get(self, collection: Collection, data: bytes) -> bytes:
        """Answer a Get request."""
        request = parse(message_class(f"Get{collection.camel}Request"), data)
        problems = Problems()
        kind = kind_of(collection, request, problems)
        parent_id = parent_of(kind, request, problems)
        name = f"{collection.noun}_id"
        entry_id: str = getattr(request, name)
        if not entry_id:
            problems.required(name, "an id")
        problems.finish()
        key = Key(
            kind.name,
            f"{parent_id}/{entry_id}" if kind.has_parent else entry_id,
            getattr(request, "shop_id", ""),
        )
        account_id = current_principal().account_id
        row = await self._store.read(
            lambda c: catalogs.find_entry(
                c, key, account_id=account_id, market_id=_market_id(kind, request)
            )
        )
        if row is None:
            noun = collection.noun.replace("_", " ")
            raise NotFound(f"expected the id of a {noun}, was {shown_text(entry_id)}")
        kind_of_answer = message_class(f"Get{collection.camel}Response")
        return _answer(kind_of_answer, **{collection.noun: entry_to_proto(row)})

    async def list(self, collection: Collection, data: bytes) -> bytes:
        """Answer a List request."""
        method = f"List{collection.camels}"
        request = parse(message_class(f"{method}Request"), data)
        kinds = _listed_kinds(collection, request)
        market_id = _market_id(kinds[0], request)
        count, account_id = page_size(request.page_size), current_principal().account_id
        conditions = {
            name: str(getattr(request, name))
            for name in ("market_id", "shop_id", "tag", "product_group", "kind")
            if getattr(request, name, None)
        }
        token = after_id(request.page_token, method=method, conditions=conditions)
        kind_name, _, entry_id = token.partition("/")

        def work(connection: Connection) -> Sequence[RowMapping]:
            if "market_id" in conditions:
                get_row(connection, market_table, account_id=account_id, row_id=market_id)
            return catalogs.list_entries(
                connection,
                account_id=account_id,
                market_id=market_id,
                kinds=[kind.name for kind in kinds],
                after=(kind_name, entry_id),
                count=count + 1,
                shop_id=conditions.get("shop_id", ""),
                tag=conditions.get("tag"),
                product_group=conditions.get("product_group"),
            )

        rows = await self._store.read(work)
        page, next_token = rows[:count], ""
        if len(rows) > count:
            last = f"{page[-1]['kind']}/{page[-1]['entry_id']}"
            next_token = page_token(last, method=method, conditions=conditions)
        listed = {collection.plural: [entry_to_proto(row) for row in page]}
        return _answer(message_class(f"{method}Response"), **listed, next_page_token=next_token)


def _answer(kind: type[Any], **fields: Any) -> bytes:
    answer: Message = kind(**fields)
    return answer.SerializeToString()


def _target(collection: Collection, request: Any, problems: Problems) -> Target:
    """Return where the objects of a request go, after adding what is wrong with that."""
    kind = kind_of(collection, request, problems)
    return Target(
        account_id=current_principal().account_id,
        kind=kind,
        market_ids=ids_of(request, "market_ids", problems),
        shop_ids=ids_of(request, "shop_ids", problems),
        parent_id=parent_of(kind, request, problems),
    )


def _products_target(request: Any) -> Target:
    """Return where the products of a stream go.

    Raises:
        InvalidInput: The first message does not state it well.
    """
    problems = Problems()
    target = _target(COLLECTIONS[0], request, problems)
    mode, ignored_keys = mode_of(request, problems)
    problems.finish()
    return msgspec.structs.replace(target, mode=mode, ignored_keys=ignored_keys)


def _check_continues(request: Any) -> None:
    """Refuse a later message of a stream that states what holds for all of it."""
    problems = Problems()
    for name in ("market_ids", "shop_ids", "mode", "ignored_keys"):
        if getattr(request, name):
            expected = "expected it in the first message of the stream only"
            problems.add(name, Reason.NOT_ALLOWED, expected)
    problems.finish()


def _listed_kinds(collection: Collection, request: Any) -> tuple[Kind, ...]:
    if collection.kind is None and not request.kind:
        return tuple(sorted(ITEM_KINDS.values(), key=lambda kind: kind.name))
    problems = Problems()
    kind = kind_of(collection, request, problems)
    problems.finish()
    return (kind,)


def _market_id(kind: Kind, request: Any) -> str:
    return (request.market_id or MARKET_DEFAULT) if kind.is_of_market else ""
