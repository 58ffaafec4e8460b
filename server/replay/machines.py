"""Run the work on chunks: here, in processes of this machine, or on a Dask cluster.

Every way yields one answer for each task, in the order in which they are done. No more tasks are
read ahead than keep everybody busy, so that memory does not grow with the period.
"""

import multiprocessing
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from engine.errors import StoreUnavailable
from server.replay.work import Answer, Setup, Task, work_on

Answers = Generator[Answer, None, None]

Run = Callable[[Setup, Iterable[Task]], Answers]
"""Does the work on chunks; closing the iterator ends what is still under way."""

AHEAD = 2
"""Tasks of each process, so that none waits for the next."""


def run_here(setup: Setup, tasks: Iterable[Task]) -> Answers:
    """Do the work in this process."""
    for task in tasks:
        yield work_on(setup, task)


class Processes:
    """Does the work in processes of this machine."""

    def __init__(self, count: int) -> None:
        """Take so many processes."""
        self._count = count

    def __call__(self, setup: Setup, tasks: Iterable[Task]) -> Answers:
        """Yield the answers as they come.

        Raises:
            StoreUnavailable: A process was lost.
        """
        every = iter(tasks)
        # A forked child would have this process's threads as they happened to stand.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(
            self._count, mp_context=context, initializer=_prepare, initargs=(setup,)
        )
        try:
            pending: set[Future[Answer]] = {
                pool.submit(_work, task) for task in islice(every, AHEAD * self._count)
            }
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                pending |= {pool.submit(_work, task) for task in islice(every, len(done))}
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            message = "expected processes that finish their chunks, was one that ended before"
            raise StoreUnavailable(message) from error
        finally:
            pool.shutdown(cancel_futures=True)


_setup: list[Setup] = []


def _prepare(setup: Setup) -> None:
    """Keep what all chunks share: it reaches a process once, not with each of them."""
    _setup[:] = [setup]


def _work(task: Task) -> Answer:
    return work_on(_setup[0], task)
