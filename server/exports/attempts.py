"""Make one attempt: transform, deliver, and say what is to become of the entries."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from structlog.typing import FilteringBoundLogger

from server.exports.breaker import Breaker
from server.exports.loaded_queues import LoadedQueue
from server.exports.outcome import ERROR_LENGTH_MAX, RESPONSE_BYTES_MAX, Failure, Outcome, Parcel
from server.exports.retry import ENDPOINT_FAILURES, SCHEDULE, Schedule, is_gone, wait_ns
from server.exports.sandbox import SandboxUnavailable
from server.exports.transforms.job import Element, Job, Made, TransformError
from server.observability.export_counts import ExportCounts
from server.storage import failpoints
from server.storage.export_lanes import Entry
from server.storage.export_results import RETRIED, Result
from server.storage.exports import DELIVERED, FAILED

_GONE: Final = "the endpoint answered 410 Gone"


class Transformer(Protocol):
    """Makes of elements what is delivered; `server.exports.sandbox.Sandbox` does."""

    async def transform(self, job: Job) -> Made:
        """Transform.

        Raises:
            TransformError: It cannot be done, and would fail again.
            SandboxUnavailable: It cannot be done now.
        """
        ...


class Attempted(NamedTuple):
    """An attempt that was made.

    Attributes:
        outcome: What became of it.
        attempt_number: In its generation, from 1.
        delivery_id: What the receiver knows it by.
        wait_ns: How long until the next one, None when there is none.
        elapsed_ns: How long it took.
        ended_ns: When it ended, in nanoseconds since 1970-01-01 UTC.
    """

    outcome: Outcome
    attempt_number: int
    delivery_id: str
    wait_ns: int | None
    elapsed_ns: int
    ended_ns: int

    @property
    def state(self) -> str:
        """What becomes of the entries: `DELIVERED`, `FAILED` or `RETRIED`."""
        if self.outcome.failure is None:
            return DELIVERED
        return FAILED if self.wait_ns is None else RETRIED

    def advance(self, breaker: Breaker) -> Breaker:
        """Return the breaker of the queue after this attempt."""
        if self.outcome.is_skipped:
            return breaker
        if self.outcome.failure is None:
            return breaker.succeeded()
        if self.outcome.failure in ENDPOINT_FAILURES:
            return breaker.failed(self.ended_ns)
        return breaker


class Attempts:
    """Makes attempts for all queues of a process."""

    def __init__(
        self,
        transformer: Transformer,
        *,
        clock: Callable[[], int],
        monotonic_ns: Callable[[], int],
        random: Callable[[], float],
        log: FilteringBoundLogger,
        counts: ExportCounts,
        schedule: Schedule = SCHEDULE,
    ) -> None:
        """Make none yet.

        Args:
            transformer: Transforms.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
            monotonic_ns: Nanoseconds that never go back.
            random: A number from 0 up to 1, for the jitter of waits.
            log: Takes what is a mistake of ours.
            counts: Counts the attempts.
            schedule: How long to wait between attempts.
        """
        self._transformer = transformer
        self._clock = clock
        self._monotonic_ns = monotonic_ns
        self._random = random
        self._log = log
        self._counts = counts
        self._schedule = schedule

    async def make(
        self,
        queue: LoadedQueue,
        entries: Sequence[Entry],
        *,
        delivery_id: str,
        attempt_number: int,
    ) -> Attempted:
        """Make one attempt at entries that are delivered together.

        Args:
            queue: Where they are.
            entries: In their order, at least one.
            delivery_id: The same at every attempt.
            attempt_number: From 1.

        Raises:
            SandboxUnavailable: Nothing can be transformed now, so that no attempt was made.
        """
        begin_ns = self._monotonic_ns()
        try:
            outcome = await self._outcome(queue, entries, delivery_id)
        except (asyncio.CancelledError, SandboxUnavailable):
            raise
        except Exception as error:
            self._log.exception(
                "export_defect",
                account=queue.name.account_id,
                queue=queue.name.queue_id,
                delivery_id=delivery_id,
            )
            outcome = Outcome(Failure.DEFECT, f"the server made a mistake: {type(error).__name__}")
        failpoints.reach("after_delivery")
        elapsed_ns = self._monotonic_ns() - begin_ns
        wait = None
        if outcome.failure is not None:
            wait = wait_ns(
                queue.configuration,
                outcome,
                attempt_number=attempt_number,
                random=self._random,
                schedule=self._schedule,
            )
        attempted = Attempted(outcome, attempt_number, delivery_id, wait, elapsed_ns, self._clock())
        self._counts.attempted(
            type(queue.configuration.delivery), attempted.state, elapsed_ns=elapsed_ns
        )
        return attempted

    async def _outcome(
        self, queue: LoadedQueue, entries: Sequence[Entry], delivery_id: str
    ) -> Outcome:
        elements = tuple(Element(each.element_key, each.payload) for each in entries)
        job = Job(kind=queue.kind, transform=queue.configuration.transform, elements=elements)
        try:
            made = await self._transformer.transform(job)
        except TransformError as error:
            return Outcome(Failure.TRANSFORM, str(error))
        if made.body is None:
            return Outcome(is_skipped=True)
        failpoints.reach("before_delivery")
        parcel = Parcel(
            delivery_id=delivery_id,
            queue_id=queue.name.queue_id,
            queue_name=queue.title,
            element_keys=tuple(each.element_key for each in entries),
            moment_ns=self._clock(),
            placed_ns=entries[0].created_ns,
            body=made.body,
            content_type=made.content_type,
            extension=made.extension,
        )
        return await queue.deliverer.deliver(parcel, queue.secrets)


def results_of(queue: LoadedQueue, entries: Sequence[Entry], attempted: Attempted) -> list[Result]:
    """Return what an attempt means for each of its entries."""
    outcome = attempted.outcome
    return [
        Result(
            name=queue.name,
            entry_number=each.entry_number,
            element_key=each.element_key,
            generation=each.generation,
            attempt_number=attempted.attempt_number,
            outcome=attempted.state,
            not_before_ns=attempted.ended_ns + (attempted.wait_ns or 0),
            is_counted=index == 0 and not outcome.is_skipped,
            is_endpoint_failure=outcome.failure in ENDPOINT_FAILURES,
            disables=_GONE if is_gone(outcome) else "",
            status=outcome.status,
            failure="" if outcome.failure is None else outcome.failure.value,
            error=_stored(outcome.error, ERROR_LENGTH_MAX),
            response=_stored(outcome.response, RESPONSE_BYTES_MAX),
            delivery_id=attempted.delivery_id,
            elapsed_ns=attempted.elapsed_ns,
            ended_ns=attempted.ended_ns,
        )
        for index, each in enumerate(entries)
    ]


def _stored(text: str, length_max: int) -> str:
    """Return a text of somebody else's as both databases can store it."""
    # PostgreSQL takes neither NUL nor what UTF-8 cannot write.
    return text[:length_max].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
