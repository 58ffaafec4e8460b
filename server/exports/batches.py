"""Fire the cron trigger of a queue and deliver its batches."""

from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from server.exports.attempts import Attempted, results_of
from server.exports.cron import next_due_ns
from server.exports.delivery_id import batch_id
from server.exports.loaded_queues import LoadedQueue, Unusable
from server.exports.queue import Cron
from server.exports.tools import Tools
from server.storage.export_runs import (
    Run,
    end_empty,
    entries_of,
    fire,
    record_run,
    set_due,
    waiting_runs,
)


class Step(NamedTuple):
    """What came of looking at a queue with a cron trigger.

    Attributes:
        attempted: The attempt that was made at a batch; None when none was due.
        is_more: Whether there may be more to do at once.
        rest_until_ns: Before which moment there is nothing to do, 0 when nothing waits but the
            next firing.
    """

    attempted: Attempted | None = None
    is_more: bool = False
    rest_until_ns: int = 0


async def fire_and_deliver(tools: Tools, queue: LoadedQueue, due_ns: int | None) -> Step:
    """Do what a queue with a cron trigger has to do now: fire, and make one attempt at a batch.

    Whatever the number of firings that were missed, what waits is delivered once, and the next
    firing is in the future. A batch of an earlier firing comes before one of a later firing.

    Args:
        tools: What all lanes share.
        queue: The queue.
        due_ns: Its next firing, None when it is not known yet.

    Raises:
        Unusable: The trigger never fires.
    """
    now_ns = tools.clock()
    next_ns = due_ns if due_ns is not None and due_ns > now_ns else _next(queue, now_ns)
    if due_ns is None:
        # What was put into batches before the trigger was another is delivered below.
        await tools.store.write(partial(set_due, name=queue.name, known_ns=None, due_ns=next_ns))
    elif due_ns <= now_ns:
        await tools.store.write(
            partial(fire, name=queue.name, due_ns=due_ns, next_due_ns=next_ns, now_ns=now_ns)
        )
    runs = await tools.store.read(partial(waiting_runs, name=queue.name))
    if not runs:
        return Step()
    if runs[0].not_before_ns > now_ns:
        # The batches of a queue keep their order.
        return Step(rest_until_ns=min(runs[0].not_before_ns, next_ns))
    attempted = await _attempted(tools, queue, runs[0])
    return Step(attempted, is_more=True)


def _next(queue: LoadedQueue, now_ns: int) -> int:
    trigger = queue.configuration.trigger
    assert isinstance(trigger, Cron)
    try:
        found = next_due_ns(trigger, after_ns=now_ns)
    except ValueError as error:
        raise Unusable(f"trigger: {error}") from error
    if found is None:
        raise Unusable(f"trigger: expected an expression that fires, was {trigger.expression!r}")
    return found


async def _attempted(tools: Tools, queue: LoadedQueue, run: Run) -> Attempted | None:
    """Make one attempt at a batch; None when nothing in it waits any more."""
    entries = await tools.store.read(partial(entries_of, name=queue.name, run=run))
    if not entries:
        now_ns = tools.clock()
        await tools.store.write(partial(end_empty, name=queue.name, run=run, now_ns=now_ns))
        return None
    attempted = await tools.attempts.make(
        queue,
        entries,
        delivery_id=batch_id(*queue.name, run.due_ns, run.part_number),
        attempt_number=run.attempt_count + 1,
    )
    results = results_of(queue, entries, attempted)

    def write(connection: Connection) -> None:
        record_run(
            connection,
            queue.name,
            run=run,
            state=attempted.state,
            not_before_ns=attempted.ended_ns + (attempted.wait_ns or 0),
            ended_ns=attempted.ended_ns,
            results=results,
        )

    await tools.recorder.keep(results, write)
    return attempted
