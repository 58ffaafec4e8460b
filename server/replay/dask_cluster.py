"""Run the work on chunks on a Dask cluster, on any number of machines.

The scheduler knows how each answer is made. When a worker is lost, what it had under way is made
again elsewhere; an answer is counted once, however often it was computed.
"""

import logging
import uuid
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, Final

from engine.errors import StoreUnavailable
from server.replay.machines import AHEAD, Answers
from server.replay.work import Answer, Setup, Task, work_on

LOCAL: Final = "local"
"""The address that stands for a cluster of this machine, made for the purpose."""

CONNECT_SECONDS: Final = 10
"""How long a scheduler may take to answer."""


class DaskMissing(Exception):
    """Dask is not installed; the message says what to do."""


class DaskCluster:
    """Does the work on the workers of a scheduler."""

    def __init__(self, address: str, *, worker_count: int) -> None:
        """Name the cluster.

        Args:
            address: Where the scheduler answers, such as `tcp://host:8786`, or LOCAL.
            worker_count: How many processes a LOCAL cluster has.

        Raises:
            DaskMissing: The extra `replay` is not installed.
        """
        try:
            import distributed
        except ImportError as error:
            message = "expected Dask, was not installed: pip install 'tillcore[replay]'"
            raise DaskMissing(message) from error
        self._distributed: Any = distributed
        self._address = address
        self._worker_count = worker_count

    def __call__(self, setup: Setup, tasks: Iterable[Task]) -> Answers:
        """Yield the answers as they come.

        Raises:
            StoreUnavailable: The scheduler does not answer, or too many workers were lost.
        """
        with ExitStack() as stack:
            client = self._client(stack)
            yield from self._answers(client, setup, iter(tasks))

    def _client(self, stack: ExitStack) -> Any:
        distributed = self._distributed
        address = self._address
        # What becomes of workers is told by the answers; its log is for those who run the cluster.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        # The history goes to the scheduler once, however large it is.
        warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
        if address == LOCAL:
            address = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=self._worker_count,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                    host="127.0.0.1",
                )
            )
        try:
            return stack.enter_context(distributed.Client(address, timeout=CONNECT_SECONDS))
        except (OSError, ValueError) as error:
            message = f"expected a Dask scheduler at {self._address}, was none that answers"
            raise StoreUnavailable(message) from error

    def _answers(self, client: Any, setup: Setup, tasks: Iterator[Task]) -> Answers:
        # The result of a task and not scattered data: the scheduler can have it made again.
        name = f"replay-{uuid.uuid4()}"
        shared = client.submit(_identity, setup, key=f"{name}-setup")

        def submit(task: Task) -> Any:
            return client.submit(work_on, shared, task, key=f"{name}-{task.number}")

        ahead = AHEAD * max(len(client.scheduler_info()["workers"]), 1)
        done = self._distributed.as_completed([submit(each) for each in islice(tasks, ahead)])
        for future in done:
            try:
                answer: Answer = future.result()
            except self._distributed.KilledWorker as error:
                message = f"expected workers that finish a chunk, were lost with it: {error}"
                raise StoreUnavailable(message) from error
            for task in islice(tasks, 1):
                done.add(submit(task))
            yield answer


def _identity(setup: Setup) -> Setup:
    return setup
