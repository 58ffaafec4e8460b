"""Tell the other workers which export queues a transaction has placed entries in.

Without it a queue that another worker has leased would wait for that worker's next look. What is
told is a hint: one that is lost (a worker that starts, or has too much to read) costs that wait.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from engine.rpc.worker import Worker
from server.storage.announcements import Announcements
from server.storage.exports import QueueName

NAMES_MAX: Final = 500
"""More queues are not told of at once; those with so many are looked at all the time anyway."""

_DECODER: Final = msgspec.msgpack.Decoder(list[QueueName])


class _Hearing(asyncio.DatagramProtocol):
    """Hands on what other workers tell."""

    def __init__(self, announcements: Announcements) -> None:
        self._announcements = announcements

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Hand the names of queues on."""
        del addr
        self._announcements.heard(frozenset(_DECODER.decode(data)))


@asynccontextmanager
async def relaying(
    announcements: Announcements, worker: Worker, folder: Path
) -> AsyncGenerator[None, None]:
    """Tell other workers what this one has placed, and hear of theirs, until the end of the block.

    Args:
        announcements: Of this worker's store.
        worker: Which it is.
        folder: Where workers reach each other.
    """
    own = _path(folder, worker.index)
    own.unlink(missing_ok=True)
    others = [str(_path(folder, index)) for index in range(worker.count) if index != worker.index]
    hearing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    hearing.setblocking(False)  # noqa: FBT003 - it takes no keyword
    hearing.bind(str(own))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Hearing(announcements), sock=hearing
    )

    def tell(names: frozenset[QueueName]) -> None:
        message = msgspec.msgpack.encode(sorted(names)[:NAMES_MAX])
        for other in others:
            with suppress(OSError):
                telling.sendto(message, other)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
        telling.setblocking(False)  # noqa: FBT003 - it takes no keyword
        try:
            with announcements.listening(tell, is_relay=True):
                yield
        finally:
            transport.close()


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index}.placed"
