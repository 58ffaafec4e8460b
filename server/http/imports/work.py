"""What the handlers of imports make of a request: transactions, one after the other."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from sqlalchemy import Connection

from engine.strict_json import decode
from server.http.imports.query import Query
from server.http.imports.spooling import Body
from server.http.tools import HttpTools
from server.storage.import_logs import Item

T = TypeVar("T")

Work = Callable[[Connection], Sequence[Item]]
"""Stores or removes some items in a transaction, and returns what became of each."""

INLINE_BYTES_MAX: Final = 16 * 1024
"""A longer text is taken apart in a thread."""


class Request(NamedTuple):
    """A request that was let in.

    Attributes:
        tools: What the doors share with the rest of the server.
        account_id: Whose catalogue, stock or orders it is about.
        query: Its parameters.
        body: Its body.
        repetition_id: By which a repetition of the request is known; empty when it named none.
    """

    tools: HttpTools
    account_id: str
    query: Query
    body: Body
    repetition_id: str = ""


async def nothing() -> None:
    """Do nothing when all is stored."""


class Task(NamedTuple):
    """What is to be done, after everything in the request itself was found right.

    Attributes:
        works: The transactions, in their order.
        finish: What is done when the last of them is stored, or some and another failed.
    """

    works: AsyncIterable[Work]
    finish: Callable[[], Awaitable[None]] = nothing


Handler = Callable[[Request], Awaitable[Task]]
"""Reads a request. It raises InvalidInput when nothing of it can be stored."""


async def aside(size: int, call: Callable[[], T]) -> T:
    """Call in a thread what takes apart many bytes, so that others do not wait."""
    return call() if size <= INLINE_BYTES_MAX else await asyncio.to_thread(call)


async def decoded(request: Request) -> object:
    """Return the JSON of a body.

    Raises:
        InvalidInput: It is none.
    """
    body = request.body
    return await aside(body.size, lambda: decode(body.read(0, body.size)))
