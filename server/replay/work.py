"""Do the work on one chunk in whichever process it reaches: what is sent, and what comes back."""

import hashlib
from typing import Final, NamedTuple

import msgspec

from engine.errors import TillcoreError
from server.replay.change import UNCHANGED, Change
from server.replay.columns import columns_from_bytes, columns_to_bytes
from server.replay.gathering import Gatherer, StoredChunk
from server.replay.history import Catalogue, History
from server.replay.plan_shelf import PlanShelf
from server.replay.replaying import replay
from server.replay.tally import Tally

_HISTORY: Final = msgspec.msgpack.Decoder(History)
_CHUNK: Final = msgspec.msgpack.Decoder(StoredChunk)


class Setup(NamedTuple):
    """What all chunks of a replay share; it is sent to every process once.

    Attributes:
        token: Tells one replay from another.
        history: The catalogues of the period, as MessagePack.
        change: What is changed of them.
        is_gathering: Whether the columns of stored chunks come back with the sums.
    """

    token: str
    history: bytes
    change: Change
    is_gathering: bool


class Task(NamedTuple):
    """A chunk: stored checkouts that are to become columns first, or columns."""

    number: int
    basket_count: int
    data: bytes
    is_columns: bool


class Answer(NamedTuple):
    """What became of a chunk.

    Attributes:
        number: The number of the task.
        basket_count: How many baskets it has.
        tally: Their sums.
        columns: Its columns if they are wanted.
        trouble: Why there are no sums; an error of ours does not survive the way between processes.
    """

    number: int
    basket_count: int
    tally: Tally
    columns: bytes | None = None
    trouble: str | None = None


def new_setup(history: History, change: Change, *, is_gathering: bool = False) -> Setup:
    """Return what the chunks of a replay share."""
    data = msgspec.msgpack.encode(history)
    token = hashlib.sha256(data + repr(change).encode()).hexdigest()
    return Setup(token, data, change, is_gathering)


def history_of(setup: Setup) -> History:
    """Return the catalogues of a replay."""
    return _HISTORY.decode(setup.history)


class _Worker:
    """What a process keeps of a replay between two chunks."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.catalogue = Catalogue(history_of(setup))
        self._gatherer = Gatherer(self.catalogue, PlanShelf(self.catalogue, UNCHANGED))
        self._shelf = PlanShelf(self.catalogue, setup.change)

    def answer(self, task: Task) -> Answer:
        """Do the work on a chunk.

        Raises:
            InvalidInput: The changed catalogue breaks a rule, or the chunk cannot be read.
        """
        kept: bytes | None = None
        if task.is_columns:
            columns = columns_from_bytes(task.data)
        else:
            columns = self._gatherer.columns(_CHUNK.decode(task.data))
            kept = columns_to_bytes(columns) if self.setup.is_gathering else None
        tally = replay(columns, self.catalogue, self._shelf)
        return Answer(task.number, task.basket_count, tally, kept)


_workers: dict[str, _Worker] = {}
"""The replay that this process works on; a later one takes its place."""


def work_on(setup: Setup, task: Task) -> Answer:
    """Return what becomes of a chunk; the process keeps what the next one needs too."""
    worker = _workers.get(setup.token)
    if worker is None or worker.setup.is_gathering != setup.is_gathering:
        _workers.clear()
        worker = _workers[setup.token] = _Worker(setup)
    try:
        return worker.answer(task)
    except TillcoreError as error:
        return Answer(task.number, task.basket_count, Tally(), trouble=str(error))
