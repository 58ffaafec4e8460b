"""Transactions on their way: an asyncio future that another thread settles, and a bound on them."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from engine.errors import Overloaded
from server.storage.store import WAITING_MAX, Work

T = TypeVar("T")


class Turn(Generic[T]):
    """One work that waits for its transaction, with the future of its caller."""

    __slots__ = ("error", "future", "loop", "result", "work")

    def __init__(self, work: Work[T]) -> None:
        """Wait in the running event loop."""
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.result: T | None = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Answer the caller, in its event loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]  # T may be None itself


def settle_all(turns: Iterable[Turn[Any]]) -> None:
    """Answer the callers of many turns: one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Turn[Any]]] = {}
    for turn in turns:
        by_loop.setdefault(turn.loop, []).append(turn)
    for loop, own in by_loop.items():
        # A loop that is closed, which is a RuntimeError, has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, own)


def _settle(turns: list[Turn[Any]]) -> None:
    for turn in turns:
        turn.settle()


class Waiting:
    """Counts those who wait, and refuses beyond `WAITING_MAX`."""

    def __init__(self) -> None:
        self._count = 0

    def __enter__(self) -> None:
        if self._count >= WAITING_MAX:
            raise Overloaded(f"expected at most {WAITING_MAX} transactions waiting, was more")
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1
