"""Hold ExportService to its promises about entries and logs, on both databases.

The methods are called under their names: ListExportLog, ListExportEntries, GetExportEntry,
RetryExports, WatchExports.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc.aio
import pytest
from sqlalchemy import Connection, delete, update

from server.exports.delivery_id import delivery_id
from server.exports.outcome import Failure
from server.storage import Store
from server.storage.export_logs import EntryFilter, retry_filtered
from server.storage.export_tables import export_entry
from server.storage.exports import ExportKind, QueueName
from tests.support.account_things import request
from tests.support.checkouts import rows_of
from tests.support.export_calls import code_of, refusal
from tests.support.export_queues import a_result, insert_queue, place_sales, record_results
from tests.support.server import OURS, Served, running_server
from tillcore.v1 import export_log_pb2 as pb

NAME = QueueName(OURS, "erp")
KEYS = ("a", "b", "c", "d", "a")
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    """Yield a server with a queue of five entries: two delivered, two failed, one that waits."""
    async with running_server(store) as running:
        await running.store.write(
            partial(insert_queue, account_id=OURS, queue_id="erp", kind=ExportKind.SALE)
        )
        for moment_ns, key in enumerate(KEYS, 1):
            await running.store.write(
                partial(place_sales, account_id=OURS, keys=(key,), now_ns=moment_ns)
            )
        await log(
            running,
            a_result(NAME, 1, "a", Failure.STATUS, is_last=False, ended_ns=10),
            a_result(NAME, 1, "a", attempt_number=2, ended_ns=20),
            a_result(NAME, 2, "b", Failure.STATUS, ended_ns=30),
            a_result(NAME, 3, "c", Failure.TIMEOUT, ended_ns=40),
            a_result(NAME, 5, "a", ended_ns=50),
        )
        yield running


async def log(served: Served, *results: Any) -> None:
    """Write what became of attempts."""
    await served.store.write(lambda connection: record_results(connection, *results))


async def list_log(served: Served, **fields: Any) -> Any:
    """Return a page of the log."""
    return await served.owner.call(request("ListExportLog", queue_id="erp", **fields))


async def numbers_of(served: Served, **fields: Any) -> list[int]:
    """Return the numbers of the rows of a page of the log."""
    return [each.log_number for each in (await list_log(served, **fields)).attempts]


async def states(served: Served) -> str:
    """Return the first letter of each entry's state, in their order."""
    rows = await served.store.read(partial(rows_of, table=export_entry))
    return "".join(row["state"][0] for row in rows)


async def retry(served: Served, **fields: Any) -> Any:
    """Have entries sent again; return the answer."""
    return await served.owner.call(request("RetryExports", queue_id="erp", **fields))


def moment(moment_ns: int) -> Any:
    """Return the members of a moment."""
    return {"nanos": moment_ns}


# --- reading ---------------------------------------------------------------------------------


async def test_list_log_when_filtered_then_only_those_newest_first(served: Served) -> None:
    assert [5, 4, 3, 2, 1] == await numbers_of(served)
    assert [5, 2] == await numbers_of(served, outcome=pb.EXPORT_OUTCOME_DELIVERED)
    assert [4, 3] == await numbers_of(served, outcome=pb.EXPORT_OUTCOME_FAILED)
    assert [1] == await numbers_of(served, outcome=pb.EXPORT_OUTCOME_RETRIED)
    assert [5, 2, 1] == await numbers_of(served, element_key="a")
    assert [4, 3] == await numbers_of(served, from_time=moment(30), until_time=moment(50))
    assert [] == await numbers_of(served, element_key="b", outcome=pb.EXPORT_OUTCOME_DELIVERED)


async def test_list_log_when_paged_then_rows_added_meanwhile_do_not_shift_it(
    served: Served,
) -> None:
    first = await list_log(served, page_size=2)
    await log(served, a_result(NAME, 4, "d", ended_ns=60))
    second = await list_log(served, page_size=2, page_token=first.next_page_token)
    third = await list_log(served, page_size=2, page_token=second.next_page_token)

    pages = [[each.log_number for each in page.attempts] for page in (first, second, third)]
    assert ([[5, 4], [3, 2], [1]], "") == (pages, third.next_page_token)
    other = list_log(served, page_token=first.next_page_token, element_key="a")
    assert (INVALID_ARGUMENT, ["page_token"]) == await refusal(other)


async def test_list_log_when_read_then_says_what_became_of_the_attempt(served: Served) -> None:
    failed = (await list_log(served)).attempts[2]

    expected = pb.ExportAttempt(
        queue_id="erp",
        log_number=3,
        entry_number=2,
        element_key="b",
        outcome=pb.EXPORT_OUTCOME_FAILED,
        attempt_number=1,
        status=503,
        failure=pb.EXPORT_FAILURE_STATUS,
        error="it did not work",
        delivery_id=delivery_id(*NAME, 2),
    )
    expected.elapsed.FromNanoseconds(1_500_000_000)
    expected.end_time.FromNanoseconds(30)
    assert expected == failed


async def test_list_log_when_failed_for_any_reason_then_the_message_has_it(
    served: Served,
) -> None:
    await log(served, *(a_result(NAME, 4, "d", each, is_last=False) for each in Failure))

    attempts = (await list_log(served, page_size=len(Failure))).attempts
    names = [pb.ExportFailure.Name(each.failure) for each in reversed(attempts)]
    assert [f"EXPORT_FAILURE_{each.name}" for each in Failure] == names


async def test_list_entries_when_filtered_and_paged_then_newest_first(served: Served) -> None:
    async def entries(**fields: Any) -> Any:
        return await served.owner.call(request("ListExportEntries", queue_id="erp", **fields))

    async def numbers(**fields: Any) -> list[int]:
        return [each.entry_number for each in (await entries(**fields)).entries]

    assert [5, 4, 3, 2, 1] == await numbers()
    assert [4] == await numbers(state=pb.EXPORT_ENTRY_STATE_WAITING)
    assert [3, 2] == await numbers(state=pb.EXPORT_ENTRY_STATE_FAILED)
    assert [5, 1] == await numbers(element_key="a", state=pb.EXPORT_ENTRY_STATE_DELIVERED)
    first = await entries(page_size=3)
    assert [2, 1] == await numbers(page_size=3, page_token=first.next_page_token)


async def test_get_entry_when_tried_twice_then_with_payload_and_attempts(served: Served) -> None:
    got = await served.owner.call(request("GetExportEntry", queue_id="erp", entry_number=1))
    waiting = await served.owner.call(request("GetExportEntry", queue_id="erp", entry_number=4))

    assert ("{}", [2, 1]) == (got.payload_json, [each.log_number for each in got.attempts])
    expected = pb.ExportEntry(
        queue_id="erp",
        entry_number=1,
        element_key="a",
        state=pb.EXPORT_ENTRY_STATE_DELIVERED,
        attempt_count=2,
        delivery_id=delivery_id(*NAME, 1),
    )
    expected.create_time.FromNanoseconds(1)
    expected.end_time.FromNanoseconds(20)
    assert expected == got.entry
    assert (pb.EXPORT_ENTRY_STATE_WAITING, []) == (waiting.entry.state, list(waiting.attempts))
    call = served.owner.call(request("GetExportEntry", queue_id="erp", entry_number=6))
    assert grpc.StatusCode.NOT_FOUND is await code_of(call)


async def test_reading_when_fields_are_bad_then_each_is_named(served: Served) -> None:
    calls = {
        ("queue_id",): request("ListExportLog"),
        ("outcome", "element_key", "from_time.nanos"): request(
            "ListExportLog",
            queue_id="erp",
            outcome=9,
            element_key="\0",
            from_time={"nanos": -1},
        ),
        ("state",): request("ListExportEntries", queue_id="erp", state=9),
        ("entry_number",): request("GetExportEntry", queue_id="erp"),
        ("filter",): request("RetryExports", queue_id="erp"),
        ("numbers.entry_numbers",): request("RetryExports", queue_id="erp", numbers={}),
        ("numbers.entry_numbers[0]",): request(
            "RetryExports", queue_id="erp", numbers={"entry_numbers": [0]}
        ),
        ("filter.state", "filter.failure"): request(
            "RetryExports",
            queue_id="erp",
            filter={"state": pb.EXPORT_ENTRY_STATE_WAITING, "failure": pb.EXPORT_FAILURE_TLS},
        ),
    }
    for fields, message in calls.items():
        assert (INVALID_ARGUMENT, list(fields)) == await refusal(served.owner.call(message))


# --- sending again ---------------------------------------------------------------------------


async def test_retry_when_by_numbers_then_those_that_ended_wait_again(served: Served) -> None:
    values = {"run_due_ns": 7, "published_until_ns": 7}
    await served.store.write(lambda c: c.execute(update(export_entry).values(**values)))
    woken: list[frozenset[QueueName]] = []
    with served.store.announcements.listening(woken.append):
        answer = await retry(served, numbers={"entry_numbers": [2, 1, 2, 4]})
        again = await retry(served, numbers={"entry_numbers": [1, 2, 4]})

    assert ((2, False), (0, False)) == (
        (answer.retried_count, answer.more),
        (again.retried_count, again.more),
    )
    assert "wwfwd" == await states(served)
    assert [frozenset({NAME})] == woken
    first, *_, fourth, _ = await served.store.read(partial(rows_of, table=export_entry))
    expected = {
        "generation": 1,
        "attempt_count": 0,
        "not_before_ns": 0,
        "published_until_ns": 0,
        "run_due_ns": None,
        "last_error": "",
        "ended_ns": None,
    }
    assert expected == {name: first[name] for name in expected}
    assert (0, 7) == (fourth["generation"], fourth["run_due_ns"])


async def test_retry_when_a_number_is_unknown_then_none_is_sent_again(served: Served) -> None:
    call = retry(served, numbers={"entry_numbers": [1, 2, 6]})

    assert grpc.StatusCode.NOT_FOUND is await code_of(call)
    assert "dffwd" == await states(served)


FILTERS: list[tuple[dict[str, Any], str]] = [
    ({}, "dwwwd"),
    ({"state": pb.EXPORT_ENTRY_STATE_DELIVERED}, "wffww"),
    ({"element_key": "b"}, "dwfwd"),
    ({"element_key": "a", "state": pb.EXPORT_ENTRY_STATE_DELIVERED}, "wffww"),
    ({"failure": pb.EXPORT_FAILURE_TIMEOUT}, "dfwwd"),
    ({"failure": pb.EXPORT_FAILURE_TLS}, "dffwd"),
    ({"created_from_time": moment(3)}, "dfwwd"),
    ({"created_until_time": moment(3)}, "dwfwd"),
]
"""Filters, and the states of the entries after them."""


async def test_retry_when_filtered_then_only_those(served: Served) -> None:
    rows = [dict(row) for row in await served.store.read(partial(rows_of, table=export_entry))]

    def begin_anew(connection: Connection) -> None:
        connection.execute(delete(export_entry))
        connection.execute(export_entry.insert(), rows)

    found = []
    for wanted, _ in FILTERS:
        answer = await retry(served, filter=wanted)
        after = await states(served)
        changed_count = sum(old != new for old, new in zip("dffwd", after, strict=True))
        found.append((wanted, after, answer.retried_count == changed_count))
        await served.store.write(begin_anew)

    assert [(*each, True) for each in FILTERS] == found


async def test_retry_when_failure_was_of_an_earlier_generation_then_not_meant(
    served: Served,
) -> None:
    await retry(served, numbers={"entry_numbers": [3]})
    await log(served, a_result(NAME, 3, "c", Failure.TLS, generation=1, ended_ns=60))

    answer = await retry(served, filter={"failure": pb.EXPORT_FAILURE_TIMEOUT})
    assert (0, "dffwd") == (answer.retried_count, await states(served))


async def test_retry_when_more_than_one_call_takes_then_the_first_ones_and_told(
    served: Served,
) -> None:
    some = partial(retry_filtered, name=NAME, wanted=EntryFilter(), count_max=1)

    assert (1, True) == await served.store.write(some)
    assert "dwfwd" == await states(served)
    assert (1, False) == await served.store.write(some)


# --- watching --------------------------------------------------------------------------------


async def test_watch_when_rows_are_written_then_sent_from_then_on(served: Served) -> None:
    call = served.owner.answers(request("WatchExports"))
    known = served.owner.answers(request("WatchExports", queue_id="erp", after_log_number=3))
    assert [4, 5] == [each.log_number for each in (await known.read()).attempts]
    async with asyncio.TaskGroup() as tasks:
        news = tasks.create_task(call.read())
        # The call has begun when it is seen to wait: a row before that is none of its news.
        for number in itertools.count(1):
            if news.done():
                break
            await log(
                served, a_result(NAME, 4, "d", Failure.STATUS, is_last=False, ended_ns=number)
            )
            served.bell.ring()
            await asyncio.wait({news}, timeout=0.2)

    first, *_ = news.result().attempts
    assert ("erp", "d") == (first.queue_id, first.element_key)
    assert 5 < first.log_number
    assert 6 == (await known.read()).attempts[0].log_number
    for each in (call, known):
        each.cancel()
    await served.calls.idle()


async def test_watch_when_nobody_rings_then_found_all_the_same(served: Served) -> None:
    call = served.owner.answers(request("WatchExports", queue_id="erp", after_log_number=5))
    await log(served, a_result(NAME, 4, "d", ended_ns=60))

    assert [6] == [each.log_number for each in (await call.read()).attempts]
    call.cancel()


async def test_watch_when_server_drains_then_unavailable(served: Served) -> None:
    call = served.owner.answers(request("WatchExports", queue_id="erp", after_log_number=4))
    await call.read()
    served.calls.drain()

    assert grpc.StatusCode.UNAVAILABLE is await code_of(call.read())
    await served.calls.idle()


async def test_watch_when_queue_is_unknown_or_fields_are_bad_then_refused(served: Served) -> None:
    unknown = served.owner.answers(request("WatchExports", queue_id="other"))
    alone = served.owner.answers(request("WatchExports", after_log_number=1))

    assert grpc.StatusCode.NOT_FOUND is await code_of(unknown.read())
    assert (INVALID_ARGUMENT, ["after_log_number"]) == await refusal(alone.read())
