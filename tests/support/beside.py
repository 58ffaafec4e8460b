"""Run a server of the tests in a thread of its own, beside a browser that blocks this one."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from queue import Empty, Queue
from typing import Any, Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")

SECONDS_MAX = 60


class Beside(Generic[S]):
    """What runs in an event loop of another thread.

    Attributes:
        server: What runs.
    """

    def __init__(self, opening: Callable[[], AbstractAsyncContextManager[S]]) -> None:
        """Start it, and wait until it is there.

        Args:
            opening: Opens it; called in the other thread.
        """
        self._opening = opening
        self._ready: Queue[tuple[S, asyncio.AbstractEventLoop, asyncio.Event]] = Queue()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        try:
            self.server, self._loop, self._stop = self._ready.get(timeout=SECONDS_MAX)
        except Empty:
            self._ended.result(timeout=0)
            raise

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something where the server runs, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=SECONDS_MAX)

    def close(self) -> None:
        """Stop, and raise what went wrong."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=SECONDS_MAX)
        self._ended.result(timeout=0)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        async with self._opening() as server:
            stop = asyncio.Event()
            self._ready.put((server, asyncio.get_running_loop(), stop))
            await stop.wait()


@contextmanager
def beside(opening: Callable[[], AbstractAsyncContextManager[S]]) -> Iterator[Beside[S]]:
    """Yield a server that runs beside the browser."""
    running = Beside(opening)
    try:
        yield running
    finally:
        running.close()
