"""What all lanes of a process share."""

from collections.abc import Callable
from typing import NamedTuple

from structlog.typing import FilteringBoundLogger

from server.exports.attempts import Attempts
from server.exports.loaded_queues import LoadedQueues
from server.exports.pace import Pace
from server.exports.recorder import Recorder
from server.storage import Store


class Tools(NamedTuple):
    """What all lanes of a process share.

    Attributes:
        store: Where everything is.
        queues: Keeps queues ready.
        attempts: Makes attempts.
        recorder: Writes what became of them.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        log: Takes what somebody has to know.
        pace: How often lanes look, and how long they wait.
    """

    store: Store
    queues: LoadedQueues
    attempts: Attempts
    recorder: Recorder
    clock: Callable[[], int]
    log: FilteringBoundLogger
    pace: Pace = Pace()
