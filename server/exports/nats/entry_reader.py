"""Read entries for all consumers of a process: one transaction for all who ask meanwhile."""

import asyncio
from collections.abc import Collection
from functools import partial
from typing import NamedTuple

from server.exports.nats.due_rows import Lookup, read_lookups
from server.storage import Store
from server.storage.export_lanes import Entry
from server.storage.exports import QueueName


class _Asked(NamedTuple):
    """Entries that somebody waits for."""

    lookup: Lookup
    future: "asyncio.Future[list[Entry]]"


class EntryReader:
    """Reads the entries that messages name, as the database has them now."""

    def __init__(self, store: Store) -> None:
        """Read from a store."""
        self._store = store
        self._asked: list[_Asked] = []
        self._reading: asyncio.Task[None] | None = None

    async def find(self, name: QueueName, entry_numbers: Collection[int]) -> dict[int, Entry]:
        """Return those of some entries of a queue that wait, by their numbers.

        Raises:
            Exception: What the store raised.
        """
        found = await self._read(Lookup(name, tuple(entry_numbers)))
        return {each.entry_number: each for each in found}

    async def first(self, name: QueueName, *, up_to: int, count: int) -> list[Entry]:
        """Return the first entries of a queue that wait, whenever they may be tried.

        Args:
            name: Of the queue.
            up_to: The last entry that is of interest.
            count: How many are returned at most.

        Raises:
            Exception: What the store raised.
        """
        return await self._read(Lookup(name, up_to=up_to, first_count=count))

    async def _read(self, lookup: Lookup) -> list[Entry]:
        future: asyncio.Future[list[Entry]] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(lookup, future))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        return await future

    async def _read_all(self) -> None:
        """Read until nobody waits."""
        while self._asked:
            group, self._asked = self._asked, []
            work = partial(read_lookups, lookups=[each.lookup for each in group])
            try:
                found = await self._store.read(work)
            except Exception as error:
                for each in group:
                    if not each.future.done():
                        each.future.set_exception(error)
            else:
                for each, entries in zip(group, found, strict=True):
                    if not each.future.done():
                        each.future.set_result(entries)
        self._reading = None
