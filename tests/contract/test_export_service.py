"""Hold ExportService to its promises about queues on both databases.

The methods are called under their names: CreateExportQueue, GetExportQueue, ListExportQueues,
UpdateExportQueue, DeleteExportQueue, PauseExportQueue, ResumeExportQueue, RunExportQueue.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc.aio
import pytest
from sqlalchemy import select, update

from server.auth import Scope
from server.exports.outcome import Failure
from server.storage import Connection, Store
from server.storage.export_tables import (
    export_entry,
    export_lane,
    export_log,
    export_queue,
    export_run,
)
from server.storage.exports import ExportKind, QueueName
from tests.support.account_things import request
from tests.support.checkouts import rows_of
from tests.support.export_calls import (
    BAD,
    DELIVERIES,
    OTHER_SECRET,
    TRANSFORMS,
    WRONG,
    change,
    code_of,
    create,
    cron,
    get,
    lane_of,
    refusal,
)
from tests.support.export_queues import (
    SIGNING_SECRET,
    a_result,
    hook,
    insert_queue,
    place_sales,
    queue,
    record_results,
)
from tests.support.server import OURS, THEIRS, Served, running_server
from tillcore.v1 import (
    export_delivery_pb2,
    export_queue_pb2,
    export_transform_pb2,
    stock_pb2,
)

NAME = QueueName(OURS, "erp")
WAIT_SECONDS = 30


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    async with running_server(store) as running:
        yield running


# --- creating --------------------------------------------------------------------------------


async def test_create_when_little_is_stated_then_the_rest_has_its_defaults(served: Served) -> None:
    made = await create(served)

    expected = queue(
        trigger=export_queue_pb2.ExportTrigger(real_time=export_queue_pb2.ExportRealTime()),
        transform=export_transform_pb2.ExportTransform(
            identity=export_transform_pb2.ExportIdentity()
        ),
        retry=export_queue_pb2.EXPORT_RETRY_PRESET_REFERENCE,
        order=export_queue_pb2.EXPORT_ORDER_NONE,
        concurrency=8,
        state=export_queue_pb2.EXPORT_QUEUE_STATE_ACTIVE,
        revision=1,
    )
    expected.delivery.web_hook.method = "POST"
    expected.delivery.web_hook.body = export_delivery_pb2.EXPORT_BODY_ENCODING_RAW
    expected.delivery.web_hook.timeout.FromSeconds(15)
    expected.create_time.FromNanoseconds(served.clock.now_ns)
    expected.update_time.FromNanoseconds(served.clock.now_ns)
    assert expected == made
    assert expected == (await get(served)).queue
    lane = await lane_of(served)
    assert (None, "", 0, 0) == (
        lane["due_ns"],
        lane["owner"],
        lane["failure_count"],
        lane["closed_until_ns"],
    )


async def test_create_when_everything_is_stated_then_returned_as_it_was_sent(
    served: Served,
) -> None:
    cron = export_queue_pb2.ExportTrigger(
        cron=export_queue_pb2.ExportCron(expression="30 2 * * *", timezone="Europe/Copenhagen")
    )
    pairs = zip(TRANSFORMS.items(), DELIVERIES.items(), strict=True)
    for (transform, transform_message), (delivery, delivery_message) in pairs:
        sent = queue(
            f"{transform}-{delivery}",
            trigger=cron,
            transform=transform_message,
            delivery=delivery_message,
            retry=export_queue_pb2.EXPORT_RETRY_PRESET_STANDARD_WEBHOOKS,
            order=export_queue_pb2.EXPORT_ORDER_STRICT,
            rate_per_second=5,
        )
        made = await create(served, sent)

        assert sent.trigger == made.trigger
        assert 1 == made.concurrency
        if delivery == "web_hook":
            made.delivery.web_hook.ClearField("timeout")
        assert sent.delivery == made.delivery
        for column in made.transform.csv.columns:
            column.timezone = column.timezone if column.date else ""
        for row in made.transform.csv.rows:
            row.ClearField("total_type")
        assert sent.transform == made.transform
        assert (sent.retry, sent.order, 5) == (made.retry, made.order, made.rate_per_second)


async def test_create_when_repeated_then_replayed_and_otherwise_refused(served: Served) -> None:
    sent = queue(secrets={"signing_secret": SIGNING_SECRET})
    first = await served.owner.call(request("CreateExportQueue", queue=sent))
    again = await served.owner.call(request("CreateExportQueue", queue=sent))

    assert (False, True) == (first.replayed, again.replayed)
    assert first.queue == again.queue
    for other in (
        queue(name="Other", secrets=dict(sent.secrets)),
        queue(secrets={"signing_secret": OTHER_SECRET}),
        queue(),
    ):
        call = served.owner.call(request("CreateExportQueue", queue=other))
        assert grpc.StatusCode.ALREADY_EXISTS is await code_of(call)


async def test_create_when_fields_are_bad_then_each_is_named_and_nothing_stored(
    served: Served,
) -> None:
    unreadable = await refusal(served.owner.call(request("CreateExportQueue", queue=BAD)))
    wrong = await refusal(served.owner.call(request("CreateExportQueue", queue=WRONG)))
    absent = await refusal(served.owner.call(request("CreateExportQueue")))

    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert (invalid, {"queue.kind", "queue.retry", "queue.delivery", "queue.id"}) == (
        unreadable[0],
        set(unreadable[1]),
    )
    assert (invalid, ["queue"]) == absent
    assert {
        "queue.name",
        "queue.trigger.cron.expression",
        "queue.trigger.cron.timezone",
        "queue.transform.csv.columns",
        "queue.transform.csv.rows",
        "queue.transform.csv.separator",
        "queue.delivery.web_hook.url",
        "queue.delivery.web_hook.method",
        "queue.delivery.web_hook.headers.Host",
        "queue.concurrency",
        "queue.rate_per_second",
        "queue.ignored_stock_event_types",
        "queue.secrets.password",
        "queue.secrets.signing_secret",
    } == set(wrong[1])
    assert [] == await served.store.read(partial(rows_of, table=export_queue))
    assert [] == await served.store.read(partial(rows_of, table=export_lane))


async def test_create_when_events_follow_then_placed_but_for_ignored_types(served: Served) -> None:
    await create(
        served,
        queue(
            kind=export_queue_pb2.EXPORT_KIND_STOCK_EVENT,
            ignored_stock_event_types=[stock_pb2.STOCK_EVENT_TYPE_SALE],
        ),
    )
    (row,) = await served.store.read(partial(rows_of, table=export_queue))

    assert ("stock_events", "sale") == (row["kind"], row["ignored_types"])


# --- changing --------------------------------------------------------------------------------


async def test_update_when_something_is_another_then_the_whole_queue_is_replaced(
    served: Served,
) -> None:
    made = await create(
        served,
        queue(rate_per_second=5, transform=TRANSFORMS["mustache"], delivery=DELIVERIES["folder"]),
    )
    served.clock.now_ns += 1
    same = await change(served, made)
    changed = await change(served, queue(name="New", revision=1))

    assert (made, 1) == (same, same.revision)
    assert ("New", 2, 0) == (changed.name, changed.revision, changed.rate_per_second)
    assert "identity" == changed.transform.WhichOneof("kind")
    assert served.clock.now_ns == changed.update_time.ToNanoseconds()
    call = served.owner.call(request("UpdateExportQueue", queue=queue(revision=1)))
    assert grpc.StatusCode.ABORTED is await code_of(call)
    kind = queue(kind=export_queue_pb2.EXPORT_KIND_CHECKOUT)
    refused = await refusal(served.owner.call(request("UpdateExportQueue", queue=kind)))
    assert (grpc.StatusCode.INVALID_ARGUMENT, ["queue.kind"]) == refused
    wrong = await refusal(served.owner.call(request("UpdateExportQueue", queue=WRONG)))
    assert grpc.StatusCode.INVALID_ARGUMENT is wrong[0]
    assert changed == (await get(served)).queue


async def test_update_when_trigger_or_delivery_change_then_lane_begins_anew(
    served: Served,
) -> None:
    await create(served, queue(trigger=cron("0 * * * *")))
    known = {"due_ns": 5, "failure_count": 3, "opened_count": 2, "closed_until_ns": 9}

    async def lane_after(message: Any) -> tuple[Any, ...]:
        await served.store.write(lambda c: c.execute(update(export_lane).values(**known)))
        await change(served, message)
        lane = await lane_of(served)
        return tuple(lane[name] for name in known)

    assert (5, 3, 2, 9) == await lane_after(queue(name="New", trigger=cron("0 * * * *")))
    assert (None, 3, 2, 9) == await lane_after(queue(name="New", trigger=cron("1 * * * *")))
    assert (5, 0, 0, 0) == await lane_after(
        queue(trigger=cron("1 * * * *"), delivery=hook("https://b.example"))
    )
    with_secret = queue(
        trigger=cron("1 * * * *"), delivery=hook("https://b.example"), secrets={"header:A": "a"}
    )
    assert (5, 0, 0, 0) == await lane_after(with_secret)


async def test_update_when_no_longer_cron_then_what_waits_leaves_its_batches(
    served: Served,
) -> None:
    await create(served, queue(trigger=cron("0 * * * *")))
    await served.store.write(partial(place_sales, account_id=OURS, keys=("a", "b")))
    run = {
        **NAME._asdict(),
        "due_ns": 7,
        "part_number": 1,
        "state": "waiting",
        "entry_count": 2,
        "attempt_count": 1,
        "not_before_ns": 8,
        "fired_ns": 7,
    }
    await served.store.write(lambda c: c.execute(export_run.insert().values(**run)))
    await served.store.write(lambda c: c.execute(update(export_entry).values(run_due_ns=7)))

    await change(served, queue())

    entries = await served.store.read(partial(rows_of, table=export_entry))
    assert [None, None] == [entry["run_due_ns"] for entry in entries]
    assert [] == await served.store.read(partial(rows_of, table=export_run))


async def test_pause_and_resume_when_disabled_and_closed_then_dispatched_again(
    served: Served,
) -> None:
    await create(served)
    paused = await served.owner.call(request("PauseExportQueue", queue_id="erp"))
    disabled = {"state": "disabled", "state_reason": "the endpoint is gone"}
    await served.store.write(lambda c: c.execute(update(export_queue).values(**disabled)))
    later_ns = served.clock.now_ns + 1
    closed = {"failure_count": 20, "opened_count": 1, "closed_until_ns": later_ns}
    await served.store.write(lambda c: c.execute(update(export_lane).values(**closed)))
    got = await get(served)
    resumed = await served.owner.call(request("ResumeExportQueue", queue_id="erp"))

    assert export_queue_pb2.EXPORT_QUEUE_STATE_PAUSED == paused.queue.state
    assert (export_queue_pb2.EXPORT_QUEUE_STATE_DISABLED, "the endpoint is gone") == (
        got.queue.state,
        got.queue.state_reason,
    )
    assert later_ns == got.status.closed_until_time.ToNanoseconds()
    assert (export_queue_pb2.EXPORT_QUEUE_STATE_ACTIVE, "") == (
        resumed.queue.state,
        resumed.queue.state_reason,
    )
    lane = await lane_of(served)
    assert dict.fromkeys(closed, 0) == {name: lane[name] for name in closed}
    assert not (await get(served)).status.HasField("closed_until_time")


async def test_run_when_cron_then_due_now_and_dispatcher_is_woken(served: Served) -> None:
    await create(served, queue(trigger=cron("0 0 1 1 *")))
    woken: list[frozenset[QueueName]] = []
    with served.store.announcements.listening(woken.append):
        await served.owner.call(request("RunExportQueue", queue_id="erp"))
        first = await lane_of(served)
        served.clock.now_ns += 5
        await served.owner.call(request("RunExportQueue", queue_id="erp"))
        again = await lane_of(served)

    # A firing that is due already stays the one it is.
    assert served.clock.now_ns - 5 == first["due_ns"] == again["due_ns"]
    assert [frozenset({NAME})] * 2 == woken
    assert first["due_ns"] == (await get(served)).status.next_run_time.ToNanoseconds()
    await served.owner.call(request("PauseExportQueue", queue_id="erp"))
    call = served.owner.call(request("RunExportQueue", queue_id="erp"))
    assert grpc.StatusCode.FAILED_PRECONDITION is await code_of(call)
    await create(served, queue("other"))
    call = served.owner.call(request("RunExportQueue", queue_id="other"))
    assert grpc.StatusCode.FAILED_PRECONDITION is await code_of(call)


async def test_status_when_entries_wait_and_have_failed_then_counted(served: Served) -> None:
    await create(served)
    empty = (await get(served)).status
    for moment_ns, keys in ((10, ("a", "b")), (20, ("c", "d"))):
        await served.store.write(partial(place_sales, account_id=OURS, keys=keys, now_ns=moment_ns))
    results = (a_result(NAME, 1, "a"), a_result(NAME, 2, "b", Failure.STATUS))
    await served.store.write(lambda c: record_results(c, *results))
    status = (await get(served)).status

    assert export_queue_pb2.ExportQueueStatus() == empty
    assert (2, 1) == (status.waiting_count, status.failed_count)
    assert 20 == status.oldest_waiting_time.ToNanoseconds()


# --- removing --------------------------------------------------------------------------------


async def test_delete_when_entries_wait_then_only_by_dropping_them(served: Served) -> None:
    await create(served)
    await served.store.write(partial(place_sales, account_id=OURS, keys=("a", "b")))
    await served.store.write(lambda c: record_results(c, a_result(NAME, 1, "a")))

    async def delete(**fields: Any) -> Any:
        return await served.owner.call(request("DeleteExportQueue", queue_id="erp", **fields))

    assert grpc.StatusCode.FAILED_PRECONDITION is await code_of(delete())
    assert grpc.StatusCode.ABORTED is await code_of(delete(revision=2, drop_waiting=True))
    await delete(revision=1, drop_waiting=True)

    assert grpc.StatusCode.NOT_FOUND is await code_of(get(served))
    for table in (export_queue, export_lane, export_entry, export_log):
        assert [] == await served.store.read(partial(rows_of, table=table))
    # A delivery id is never given twice: the numbers go on.
    await create(served)
    await served.store.write(partial(place_sales, account_id=OURS, keys=("c",)))
    numbers = select(export_entry.c.entry_number)
    assert [3] == await served.store.read(lambda c: list(c.execute(numbers).scalars()))


async def test_delete_when_an_entry_is_just_being_placed_then_waits_and_is_refused(
    served: Served,
) -> None:
    await create(served)
    placed, committing = threading.Event(), threading.Event()

    def place(connection: Connection) -> None:
        place_sales(connection, account_id=OURS, keys=("a",))
        placed.set()
        assert committing.wait(WAIT_SECONDS)

    placing = asyncio.create_task(served.store.write(place))
    assert await asyncio.to_thread(placed.wait, WAIT_SECONDS)
    deleting = asyncio.create_task(served.owner.call(request("DeleteExportQueue", queue_id="erp")))
    # Long enough for a deletion that does not wait to be found out; a slow one is let pass.
    await asyncio.wait({deleting}, timeout=0.3)
    committing.set()
    await placing

    assert grpc.StatusCode.FAILED_PRECONDITION is await code_of(deleting)
    assert 1 == (await get(served)).status.waiting_count


# --- lists, scopes, accounts -----------------------------------------------------------------


async def test_list_when_pages_and_kinds_then_in_order_of_ids(served: Served) -> None:
    kinds = {"a": ExportKind.SALE, "b": ExportKind.CHECKOUT, "c": ExportKind.SALE}
    for queue_id, kind in kinds.items():
        await served.store.write(
            partial(insert_queue, account_id=OURS, queue_id=queue_id, kind=kind)
        )
    sale = export_queue_pb2.EXPORT_KIND_SALE
    first = await served.owner.call(request("ListExportQueues", page_size=2))
    token = first.next_page_token
    second = await served.owner.call(request("ListExportQueues", page_size=2, page_token=token))
    sales = await served.owner.call(request("ListExportQueues", kind=sale))
    call = served.owner.call(request("ListExportQueues", page_token=token, kind=sale))
    unknown = served.owner.call(request("ListExportQueues", kind=99))

    assert ["a", "b"] == [each.id for each in first.queues]
    assert (["c"], "") == ([each.id for each in second.queues], second.next_page_token)
    assert ["a", "c"] == [each.id for each in sales.queues]
    assert (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"]) == await refusal(call)
    assert (grpc.StatusCode.INVALID_ARGUMENT, ["kind"]) == await refusal(unknown)


async def test_methods_when_scope_is_another_then_denied(served: Served) -> None:
    await create(served)
    admin = await served.caller(Scope.EXPORT_ADMIN)
    others = await served.caller(Scope.READ, Scope.REGISTER, Scope.IMPORT)

    assert "ERP" == (await admin.call(request("GetExportQueue", queue_id="erp"))).queue.name
    for name in ("GetExportQueue", "ListExportQueues", "ListExportLog", "PreviewExport"):
        call = others.call(request(name))
        assert grpc.StatusCode.PERMISSION_DENIED is await code_of(call)


async def test_create_when_another_account_has_the_id_then_both_have_a_queue(
    served: Served,
) -> None:
    await create(served, queue(secrets={"header:A": "ours"}))
    theirs = await served.caller(Scope.OWNER, account_id=THEIRS)
    await theirs.call(request("CreateExportQueue", queue=queue(name="Theirs")))

    assert "ERP" == (await get(served)).queue.name
    got = await theirs.call(request("GetExportQueue", queue_id="erp"))
    assert ("Theirs", []) == (got.queue.name, list(got.queue.secret_names))
