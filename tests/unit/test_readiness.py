"""Tell whether a server is ready: its database, its disk, its end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from engine.errors import StoreUnavailable
from server.observability.readiness import FRESH_SECONDS, Readiness
from server.storage import Store
from server.storage.monitoring import write_probe

SECOND = 10**9


class Asked:
    """A store that counts what it is asked, and answers or does not."""

    def __init__(self, store: Store) -> None:
        self.stats = store.stats
        self.asked: list[str] = []
        self.error: Exception | None = None
        self._store = store

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        """Count a read."""
        return await self._answer("read", self._store.read, work)

    async def write(self, work: Callable[[Connection], Any]) -> Any:
        """Count a write."""
        return await self._answer("write", self._store.write, work)

    async def _answer(self, name: str, ask: Any, work: Callable[[Connection], Any]) -> Any:
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        return await ask(work)


def readiness(store: Any, **changes: Any) -> Readiness:
    """Return the readiness of a server that lacks nothing but what is changed."""
    values: dict[str, Any] = {
        "is_draining": lambda: False,
        "free_bytes": lambda: 100,
        "free_bytes_min": 100,
    }
    return Readiness(store, **(values | changes))


async def test_problems_when_nothing_is_missing_then_none(store: Store) -> None:
    assert [] == await readiness(store).problems()
    assert [] == await readiness(store, free_bytes=None).problems()


async def test_problems_when_disk_is_low_and_draining_then_both(store: Store) -> None:
    low = readiness(store, free_bytes=lambda: 99, is_draining=lambda: True)

    assert ["draining", "expected 100 free bytes, was 99"] == await low.problems()


async def test_problems_when_the_database_does_not_answer_then_what_it_says(store: Store) -> None:
    asked = Asked(store)
    asked.error = StoreUnavailable("the database does not answer: SQLITE_FULL")

    assert ["the database does not answer: SQLITE_FULL"] == await readiness(asked).problems()


async def test_problems_when_asked_often_then_the_database_once_a_second(store: Store) -> None:
    asked, now_ns = Asked(store), 0
    ready = readiness(asked, monotonic_ns=lambda: now_ns)

    await asyncio.gather(*(ready.problems() for _ in range(5)))
    first = list(asked.asked)
    now_ns = FRESH_SECONDS * SECOND
    await ready.problems()

    # Nothing was written yet, so the first one writes; that commit is fresh for the second.
    assert (["write"], ["write", "read"]) == (first, asked.asked)


@pytest.mark.parametrize("times", [1, 2])
async def test_write_probe_when_run_then_a_commit_and_no_change(store: Store, times: int) -> None:
    for _ in range(times):
        await store.write(write_probe)

    assert times == store.stats.group_sizes.total
    assert [] == await readiness(store).problems()
