"""Look at imports over HTTP with ListImports and ListImportLog: who, when, what became of each."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from sqlalchemy import Connection

from engine.errors import StoreUnavailable
from server.auth import Scope
from server.http.imports.log import Log
from server.storage import Store, import_logs
from server.storage.import_logs import Access, Item, purge
from tests.support.catalog_calls import make_market, product
from tests.support.http_server import http_tools
from tests.support.imports import FAILED, SUCCEEDED, Importer, importing
from tests.support.server import OURS, THEIRS, running_server
from tillcore.v1 import import_log_pb2

pb = import_log_pb2
DAY_NS = 24 * 3_600 * 10**9


@pytest.fixture
async def importer(store: Store) -> AsyncIterator[Importer]:
    """Yield an integration of an account with the market m."""
    async with running_server(store) as served:
        await make_market(served.owner)
        async with importing(served) as running:
            yield running


async def test_request_when_done_then_who_sent_it_and_what_became_of_it_is_logged(
    importer: Importer,
) -> None:
    body = {"products": [product("a"), product("b", -1)]}
    path = f"products?markets=m&partial=true&account={OURS}&integration=erp"

    answer = await importer.post(f"{path}&apikey={importer.caller.key}", body, key="")

    now = importer.served.clock()
    (run,) = await importer.runs()
    assert answer.json["import_number"] == run.import_number == 1
    assert ("erp", "products", "POST", "markets=m&partial=true") == (
        run.integration,
        run.type,
        run.method,
        run.parameters,
    )
    assert ("127.0.0.1", importer.caller.key.split("_")[1][:12]) == (run.address, run.api_key_id)
    assert (pb.IMPORT_STATUS_DONE, 1, 1) == (run.status, run.created_count, run.refused_count)
    assert (now, now) == (run.receive_time.ToNanoseconds(), run.finish_time.ToNanoseconds())
    stored, failed = await importer.log()
    assert ([("a", pb.IMPORT_FATE_CREATED)], SUCCEEDED) == (
        [(each.id, each.fate) for each in stored.items],
        stored.outcome,
    )
    assert ([("b", pb.IMPORT_FATE_REFUSED)], FAILED) == (
        [(each.id, each.fate) for each in failed.items],
        failed.outcome,
    )
    assert [("retail_price", "OUT_OF_BOUNDS")] == [
        (each.field, each.reason) for each in failed.problems
    ]


async def test_log_when_filtered_then_only_what_was_asked_for(importer: Importer) -> None:
    path = "products?markets=m&integration="
    await importer.post(f"{path}erp", {"products": [product("a"), product("A"), product("x", -1)]})
    await importer.post(f"{path}shop", {"products": [product("a", 30), product("b")]})
    await importer.post("tags", [{"tag": "a", "name": "A"}])

    async def numbers(**wanted: Any) -> list[int]:
        return [row.import_number for row in await importer.log(**wanted)]

    assert [3, 2, 1, 1] == await numbers()
    assert [1, 1] == await numbers(integration="erp")
    assert [1] == await numbers(outcome=FAILED)
    assert [3, 2, 1] == await numbers(item_id="a")
    assert [1] == await numbers(item_id="A")
    assert [] == await numbers(item_id="a", integration="nobody")
    assert [2] == await numbers(import_number=2)
    assert ["shop", "erp"] == [run.integration for run in await importer.runs(type="products")]
    assert ["shop"] == [run.integration for run in await importer.runs(integration="shop")]


async def test_log_when_rows_name_many_items_then_a_page_ends_earlier(importer: Importer) -> None:
    every = [product(f"p{index}") for index in range(2_500)]
    await importer.post("products?markets=m", {"products": every})

    answer = await importer.caller.call(pb.ListImportLogRequest())
    rows = await importer.log()

    assert (10, 2_500) == (len(answer.entries), sum(len(row.items) for row in rows))


async def test_lists_when_paged_then_continued_where_they_ended(importer: Importer) -> None:
    for index in range(3):
        await importer.post("tags", [{"tag": str(index), "name": "A"}])

    found: list[list[int]] = []
    for kind, name in ((pb.ListImportsRequest, "imports"), (pb.ListImportLogRequest, "entries")):
        token = ""
        numbers: list[int] = []
        while token or not numbers:
            answer = await importer.caller.call(kind(page_size=2, page_token=token))
            numbers += [row.import_number for row in getattr(answer, name)]
            token = answer.next_page_token
        found.append(numbers)

    assert [[3, 2, 1]] * 2 == found


@pytest.mark.parametrize(
    "request_",
    [
        pb.ListImportsRequest(page_size=-1),
        pb.ListImportsRequest(page_token="x"),
        pb.ListImportLogRequest(outcome=9),  # type: ignore[arg-type] # as a newer client might
        pb.ListImportLogRequest(import_number=-1),
        pb.ListImportLogRequest(integration="\0"),
    ],
)
async def test_lists_when_request_is_bad_then_refused(importer: Importer, request_: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await importer.caller.call(request_)

    assert grpc.StatusCode.INVALID_ARGUMENT is caught.value.code()


async def test_lists_when_asked_by_others_then_empty_or_denied(importer: Importer) -> None:
    await importer.post("tags", [{"tag": "a", "name": "A"}])
    theirs = await importer.served.caller(Scope.EXPORT_ADMIN, account_id=THEIRS)
    reader = await importer.served.caller(Scope.READ)

    assert not (await theirs.call(pb.ListImportsRequest())).imports
    assert not (await theirs.call(pb.ListImportLogRequest(item_id="a"))).entries
    for kind in (pb.ListImportsRequest, pb.ListImportLogRequest):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await reader.call(kind())
        assert grpc.StatusCode.PERMISSION_DENIED is caught.value.code()


async def test_request_when_refused_as_a_whole_then_logged_with_its_fields(
    importer: Importer,
) -> None:
    await importer.post("products?markets=nowhere", {"products": [product("a")]})
    await importer.post("products?markets=m", None, data=b"{")

    statuses = [(run.status, run.refused_count) for run in await importer.runs()]
    assert [(pb.IMPORT_STATUS_REFUSED, 0)] * 2 == statuses
    malformed, unknown = await importer.log(outcome=FAILED)
    assert ["markets[0]"] == [each.field for each in unknown.problems]
    assert malformed.message.startswith("expected")


async def test_items_when_ids_are_strange_then_logged_as_one_each(importer: Importer) -> None:
    strange = ["a\nb", "\u2028", "ü", "\n", " "]
    every = [*({"tag": id_, "name": "A"} for id_ in strange), {"tag": "x" * 300, "name": "A"}]

    answer = await importer.post("tags", every)

    stored, failed = await importer.log()
    assert {"created": 5, "refused": 1} == answer.counts
    assert (5, [""]) == (len(stored.items), [each.id for each in failed.items])
    assert [stored.log_number] == [row.log_number for row in await importer.log(item_id="a\nb")]


async def test_request_when_client_leaves_in_its_body_then_nothing_is_kept_and_that_is_logged(
    importer: Importer,
) -> None:
    host, port = importer.site.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /imports/tags HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {importer.caller.key}\r\ncontent-length: 1000\r\n\r\n"
    )
    writer.write(head.encode() + b'[{"tag":"a","name":"A"}]')
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    for _ in range(500):
        runs = await importer.runs()
        if runs and runs[0].HasField("finish_time"):
            break
        await asyncio.sleep(0.02)

    assert (pb.IMPORT_STATUS_REFUSED, "the client went away before the end of its body") == (
        runs[0].status,
        runs[0].message,
    )


def access(received_ns: int = 1) -> Access:
    """Return a request of the account OURS."""
    return Access(OURS, "erp", "tags", "POST", "", "key", "127.0.0.1", received_ns)


async def test_request_when_it_ends_half_way_then_what_was_stored_is_counted(
    importer: Importer,
) -> None:
    log = Log(http_tools(importer.served), access())

    def breaking(_: Connection) -> Sequence[Item]:
        raise StoreUnavailable("the database does not answer")

    await log.began()
    (running,) = await importer.runs()
    await log.stored(lambda _: [Item("a", import_logs.CREATED)])
    with pytest.raises(StoreUnavailable) as caught:
        await log.stored(breaking)
    await log.ended(caught.value)

    (broken,) = await importer.runs()
    assert (pb.IMPORT_STATUS_RUNNING, False) == (running.status, running.HasField("finish_time"))
    assert (pb.IMPORT_STATUS_BROKEN, 1, "the database does not answer") == (
        broken.status,
        broken.created_count,
        broken.message,
    )


async def test_failures_when_there_are_too_many_then_counted_but_not_all_logged(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.http.imports.report.FAILURES_LOGGED_MAX", 250)
    every = [product(f"p{index}", -1) for index in range(500)]

    answer = await importer.post("products?markets=m", {"products": every})

    (run,) = await importer.runs()
    assert (500, 500) == (answer.json["refused"], run.refused_count)
    assert 250 == len(await importer.log(page_size=1_000))


async def test_purge_when_a_moment_is_named_then_what_is_older_goes_step_by_step(
    importer: Importer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_logs, "PURGED_ROWS_MAX", 2)
    for _ in range(3):
        await importer.post("tags", [{"tag": "a", "name": "A"}, {"tag": "b"}])
    importer.served.clock.now_ns += DAY_NS
    await importer.post("tags", [{"tag": "a", "name": "A"}])

    before_ns = importer.served.clock() - 1
    steps = [await store.write(lambda c: purge(c, before_ns=before_ns)) for _ in range(4)]

    assert [True, True, True, False] == steps
    assert [4] == [row.import_number for row in await importer.log()]
    assert [4] == [run.import_number for run in await importer.runs()]
