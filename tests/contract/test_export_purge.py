"""Remove what was exported long ago: step by step, and nothing that waits."""

from functools import partial

import pytest

from server.exports.deliverers import new_deliverer
from server.exports.deliveries.web_hook import web_hook_session
from server.exports.outcome import Failure
from server.exports.purging import purge_all, purging
from server.exports.queue import (
    Delivery,
    Email,
    Folder,
    Ftp,
    ObjectStorage,
    Provider,
    Sftp,
    WebHook,
)
from server.storage import Store, export_purge
from server.storage.export_purge import purge
from server.storage.export_runs import fire, record_run, waiting_runs
from server.storage.export_tables import export_entry, export_lane, export_log, export_run
from server.storage.exports import DELIVERED, QueueName
from tests.support.export_queues import TO_FOLDER, a_result, record_results
from tests.support.exports import (
    ACCOUNT,
    NOW_NS,
    SECOND,
    Log,
    add_queues,
    change,
    keys,
    place,
    rows,
    states,
    until,
)
from tests.support.web_hook_sink import LOOPBACK_RULES

NAME = QueueName(ACCOUNT, "q")
DAY_NS = 24 * 3_600 * SECOND


async def end(store: Store, count: int, *, ended_ns: int, failure: Failure | None = None) -> None:
    """Place entries that end at a moment."""
    first = len(await rows(store, export_entry)) + 1
    await place(store, *keys(count, first))
    results = [
        a_result(NAME, number, key, failure, ended_ns=ended_ns)
        for number, key in enumerate(keys(count, first), first)
    ]
    await store.write(lambda connection: record_results(connection, *results))


async def test_purge_when_old_then_what_has_ended_goes_and_what_waits_stays(
    store: Store,
) -> None:
    await add_queues(store, {"q": TO_FOLDER})
    await end(store, 2, ended_ns=NOW_NS - 1)
    await end(store, 2, ended_ns=NOW_NS - 1, failure=Failure.STATUS)
    await place(store, *keys(2, 5))
    await end(store, 1, ended_ns=NOW_NS)

    await purge_all(store, before_ns=NOW_NS)

    assert dict(zip(keys(3, 5), ["waiting", "waiting", "delivered"], strict=True)) == await states(
        store
    )
    assert [NOW_NS] == [row["ended_ns"] for row in await rows(store, export_log)]


async def test_purge_when_much_is_old_then_in_steps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_purge, "ROWS_MAX", 10)
    await add_queues(store, {"q": TO_FOLDER})
    await end(store, 25, ended_ns=NOW_NS - 1)

    left = []
    while await store.write(partial(purge, name=NAME, before_ns=NOW_NS)):
        left.append(len(await rows(store, export_entry)))

    assert [15, 5] == left
    assert [] == [*await rows(store, export_entry), *await rows(store, export_log)]


async def test_purge_when_the_first_were_sent_again_lately_then_the_others_later(
    store: Store,
) -> None:
    await add_queues(store, {"q": TO_FOLDER})
    await end(store, 1, ended_ns=NOW_NS)
    await end(store, 3, ended_ns=NOW_NS - 1)

    await purge_all(store, before_ns=NOW_NS)

    assert {keys(1)[0]: "delivered"} == await states(store)


async def test_purge_when_batches_are_old_then_those_that_have_ended_go(store: Store) -> None:
    await add_queues(store, {"q": TO_FOLDER})
    for number in (1, 2):
        await place(store, *keys(1, number))
        await change(store, export_lane, "q", due_ns=number)
        await store.write(partial(fire, name=NAME, due_ns=number, next_due_ns=None, now_ns=number))
    first, _ = await store.read(partial(waiting_runs, name=NAME))
    await store.write(
        partial(
            record_run,
            name=NAME,
            run=first,
            state=DELIVERED,
            not_before_ns=0,
            ended_ns=NOW_NS - 1,
            results=(),
        )
    )

    await purge_all(store, before_ns=NOW_NS)

    assert [2] == [row["due_ns"] for row in await rows(store, export_run)]


async def test_purging_when_time_passes_then_what_is_older_than_so_many_days_goes(
    store: Store,
) -> None:
    await add_queues(store, {"q": TO_FOLDER})
    await end(store, 1, ended_ns=NOW_NS - 3 * DAY_NS - 1)
    await end(store, 1, ended_ns=NOW_NS - 3 * DAY_NS + 1)

    async def is_one_left() -> bool:
        return len(await rows(store, export_entry)) == 1

    async with purging(
        store,
        clock=lambda: NOW_NS,
        log=Log(),  # type: ignore[arg-type]  # takes what this module logs
        keep_days=3,
        period_seconds=0.01,
    ):
        await until(is_one_left)

    assert [keys(1, 2)[0]] == list(await states(store))


DELIVERIES: tuple[Delivery, ...] = (
    WebHook(url="https://example.com/hook"),
    Email(recipients=("a@example.com",)),
    Ftp(host="ftp.example.com"),
    Sftp(host="sftp.example.com", username="a", host_key="ssh-ed25519 AAAA"),
    ObjectStorage(provider=Provider.S3, bucket="b"),
    Folder(),
)


@pytest.mark.parametrize("delivery", DELIVERIES, ids=lambda each: type(each).__name__)
async def test_deliverer_when_set_up_then_the_one_of_its_delivery(delivery: Delivery) -> None:
    async with web_hook_session(LOOPBACK_RULES) as session:
        deliverer = new_deliverer(
            delivery,
            session=session,
            rules=LOOPBACK_RULES,
            mail_server=None,
            folder_root=None,
        )

    assert f"{type(delivery).__name__}Deliverer" == type(deliverer).__name__
