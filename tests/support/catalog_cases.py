"""What every RPC of CatalogService is sent to see that another account's ids are not found."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import grpc.aio

from tests.support.catalog_calls import SORTS, Sort
from tests.support.server import Caller

THEIR_ENTRY: Final = "their-entry"
"""The id of everything in the catalogue of the account THEIRS, in its market and its shop."""


async def populate_catalog(owner: Caller, *, market_id: str, shop_id: str) -> None:
    """Make one of everything in the catalogue of an account."""
    for sort in SORTS:
        fields = {"market_ids": [market_id]} if sort.by_market else {}
        await sort.import_(owner, sort.body(THEIR_ENTRY), **fields)
        if sort.noun == "product":
            await sort.import_(owner, sort.body(THEIR_ENTRY), **fields, shop_ids=[shop_id])


def _code(call: Callable[[Caller], Awaitable[Any]]) -> Callable[[Caller, Any], Awaitable[int]]:
    async def send(caller: Caller, _: Any) -> int:
        try:
            await call(caller)
        except grpc.aio.AioRpcError as error:
            return int(error.code().value[0])
        return int(grpc.StatusCode.OK.value[0])

    return send


Sends = tuple[Callable[[Caller, Any], Awaitable[int]], ...]


def catalog_sends(market_id: str, shop_id: str) -> Mapping[str, tuple[Sends, bool]]:
    """Return the calls with foreign ids by method, and whether they look up what is not found.

    An import or a deletion that names a foreign market or shop is INVALID_ARGUMENT.
    """
    found: dict[str, tuple[Sends, bool]] = {}
    for sort in SORTS:
        if sort.by_market:
            found |= _of_market(sort, market_id, shop_id)
        name = f"Get{sort.camel(sort.noun)}"
        sends, _ = found.get(name, ((), True))
        own: dict[str, Any] = {"market_id": market_id} if sort.by_market else {}
        found[name] = (
            (*sends, _code(partial(sort.get, id_=THEIR_ENTRY, **own))),
            True,
        )
    return found


def _deleting(sort: Sort, at: dict[str, Any]) -> Callable[[Caller], Awaitable[int]]:
    return lambda caller: sort.delete(caller, THEIR_ENTRY, **at)


def _of_market(sort: Sort, market_id: str, shop_id: str) -> dict[str, tuple[Sends, bool]]:
    camels = sort.camel(sort.plural)
    places: list[dict[str, Any]] = [{"market_ids": [market_id]}]
    if sort.noun == "product":
        places.append({"market_ids": [market_id], "shop_ids": [shop_id]})
    return {
        f"Import{camels}": (
            tuple(_code(partial(sort.import_, body=sort.body("x"), **at)) for at in places),
            False,
        ),
        f"Delete{camels}": (
            tuple(_code(_deleting(sort, at)) for at in places),
            False,
        ),
        f"List{camels}": ((_code(lambda c: sort.list(c, market_id=market_id)),), True),
    }
