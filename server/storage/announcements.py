"""Tell the process which export queues its committed transactions have placed entries in."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection

from server.storage.exports import PLACED, QueueName

Listener = Callable[[frozenset[QueueName]], None]


class Announcements:
    """Carries the names of queues from the threads of transactions to event loops that listen."""

    def __init__(self) -> None:
        """Begin without listeners."""
        self._listeners: dict[Listener, asyncio.AbstractEventLoop] = {}
        self._relays: dict[Listener, asyncio.AbstractEventLoop] = {}

    @contextmanager
    def listening(self, listener: Listener, *, is_relay: bool = False) -> Iterator[None]:
        """Have a function called in the running event loop until the end of the block.

        Args:
            listener: The function.
            is_relay: Whether it tells other processes, and so is not told what those have placed.
        """
        listeners = self._relays if is_relay else self._listeners
        listeners[listener] = asyncio.get_running_loop()
        try:
            yield
        finally:
            del listeners[listener]

    def heard(self, names: frozenset[QueueName]) -> None:
        """Tell the listeners what another process has placed; call in their event loop."""
        for listener in tuple(self._listeners):
            listener(names)

    def committed(self, connection: Connection) -> None:
        """Tell the listeners what a transaction has placed; call after its COMMIT."""
        placed = connection.info.pop(PLACED, None)
        if not placed:
            return
        names = frozenset(placed)
        for listener, loop in (*self._listeners.items(), *self._relays.items()):
            # A loop that is closed has nobody left who listens.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(listener, names)

    def placed(self, connection: Connection) -> frozenset[QueueName]:
        """Return what a transaction has placed so far, for `rolled_back`."""
        return frozenset(connection.info.get(PLACED, ()))

    def rolled_back(self, connection: Connection, to: frozenset[QueueName] = frozenset()) -> None:
        """Forget what a transaction would have placed; call before its ROLLBACK.

        Args:
            connection: Of the transaction.
            to: What it had placed at the savepoint that it goes back to.
        """
        if connection.invalidated:
            return
        connection.info.pop(PLACED, None)
        if to:
            connection.info[PLACED] = set(to)
