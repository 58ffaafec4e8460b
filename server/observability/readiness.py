"""Tell whether calls should be sent here: the database writes, the disk has room, no drain."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from engine.errors import TillcoreError
from server.storage import Store
from server.storage.monitoring import read_probe, write_probe

PROBE_SECONDS_MAX: Final = 2
"""The database has so long to answer."""

FRESH_SECONDS: Final = 1
"""A commit, and an answer of this module, count for so long."""

_NS_PER_SECOND: Final = 10**9


class Readiness:
    """Whether this process is ready, and why not."""

    def __init__(
        self,
        store: Store,
        *,
        is_draining: Callable[[], bool],
        free_bytes: Callable[[], int] | None,
        free_bytes_min: int,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Ask a store that is open.

        Args:
            store: The database.
            is_draining: Whether the process was told to stop.
            free_bytes: Room on the disk of the embedded database; None for PostgreSQL.
            free_bytes_min: What the disk has to have.
            monotonic_ns: Nanoseconds that never go back.
        """
        self._store = store
        self._is_draining = is_draining
        self._free_bytes = free_bytes
        self._free_bytes_min = free_bytes_min
        self._monotonic_ns = monotonic_ns
        self._asking = asyncio.Lock()
        self._trouble = ""
        self._asked_ns: int | None = None

    async def problems(self) -> list[str]:
        """Return what is missing; nothing when calls should come."""
        found: list[str] = []
        if self._is_draining():
            found.append("draining")
        if self._free_bytes is not None and (free := self._free_bytes()) < self._free_bytes_min:
            found.append(f"expected {self._free_bytes_min} free bytes, was {free}")
        if trouble := await self._store_trouble():
            found.append(trouble)
        return found

    async def _store_trouble(self) -> str:
        """Return what is wrong with the database; it is asked once a second, whoever asks."""
        async with self._asking:
            now_ns = self._monotonic_ns()
            fresh_ns = FRESH_SECONDS * _NS_PER_SECOND
            if self._asked_ns is None or now_ns - self._asked_ns >= fresh_ns:
                self._trouble = await self._ask()
                self._asked_ns = now_ns
            return self._trouble

    async def _ask(self) -> str:
        idle_ns = self._store.stats.idle_ns()
        try:
            async with asyncio.timeout(PROBE_SECONDS_MAX):
                if idle_ns is None or idle_ns > FRESH_SECONDS * _NS_PER_SECOND:
                    await self._store.write(_probe)
                else:
                    await self._store.read(read_probe)
        except TillcoreError as error:
            return error.message
        except TimeoutError:
            return f"expected an answer of the database in {PROBE_SECONDS_MAX} s, was none"
        return ""


def _probe(connection: Connection) -> None:
    read_probe(connection)
    write_probe(connection)
