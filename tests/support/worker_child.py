"""Be a worker of `tests/unit/test_supervisor.py`: start, end and fail as its settings say."""

import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from engine.rpc.worker import STATUS_USELESS, Line, Step, Worker

STATUS_CRASHED = 7


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker does.

    Attributes:
        directory: Where it writes what it was started with.
        at_start: `ready` answers calls, `useless` says that it cannot, `crash` ends.
        at_stop: `end` ends, `wait` ends at the second signal, `stay` does not end.
        crashing: The places whose workers crash, and no others.
    """

    directory: str
    at_start: str = "ready"
    at_stop: str = "end"
    crashing: tuple[int, ...] = (0, 1)


def note(directory: Path, worker: Worker) -> None:
    """Write what a worker was started with."""
    draft = directory / f"{worker.id}.draft"
    draft.write_bytes(msgspec.json.encode(worker))
    draft.rename(directory / f"{worker.start_count}-{worker.index}")


def main() -> int:
    """Follow the orders and return the exit status."""
    line = Line.open(int(sys.argv[1]))
    orders = line.settings(Orders)
    signals = threading.Semaphore(0)
    signal.signal(signal.SIGTERM, lambda *_: signals.release())
    signal.signal(signal.SIGUSR1, lambda *_: os._exit(STATUS_USELESS))
    note(Path(orders.directory), line.worker)
    line.tell(Step.PREPARED)
    if line.worker.index in orders.crashing:
        if orders.at_start == "useless":
            return STATUS_USELESS
        if orders.at_start == "crash":
            return STATUS_CRASHED
    line.tell(Step.READY)
    for _ in range({"end": 1, "wait": 2, "stay": sys.maxsize}[orders.at_stop]):
        signals.acquire()
    return 0


if __name__ == "__main__":
    sys.exit(main())
