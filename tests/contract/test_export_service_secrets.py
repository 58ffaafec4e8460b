"""Hold ExportService to its promises about the secrets of queues, on both databases."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from sqlalchemy import update

from server.storage import Store
from server.storage.export_tables import export_queue
from server.storage.exports import QueueName
from server.storage.sqlite import DATABASE_FILE
from tests.support.account_things import request
from tests.support.checkouts import rows_of
from tests.support.export_calls import CANARY, change, code_of, create, get
from tests.support.export_queues import SIGNING_SECRET, hook, queue
from tests.support.server import OURS, Served, running_server
from tillcore.v1 import export_delivery_pb2

NAME = QueueName(OURS, "erp")


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    async with running_server(store) as running:
        yield running


def contents_of(directory: Path) -> dict[str, bytes]:
    """Return what every file below a directory holds, by its name."""
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


async def test_secrets_when_stored_then_in_no_answer_no_log_and_not_in_plain_text(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = {"header:X-Token": CANARY, "signing_secret": SIGNING_SECRET}
    made = await create(served, queue(secrets=secrets))
    got = await get(served)
    listed = await served.owner.call(request("ListExportQueues"))
    changed = await change(served, queue(name="New"))
    paused = await served.owner.call(request("PauseExportQueue", queue_id="erp"))

    for answer in (made, got.queue, listed.queues[0], changed, paused.queue):
        assert sorted(secrets) == list(answer.secret_names)
        assert {} == dict(answer.secrets)
        assert CANARY.encode() not in answer.SerializeToString()
    (row,) = await served.store.read(partial(rows_of, table=export_queue))
    assert CANARY not in repr(dict(row))
    contents = contents_of(tmp_path)
    plain = {
        text: any(text.encode() in content for content in contents.values())
        for text in (CANARY, SIGNING_SECRET, "erp.example")
    }
    # What is no secret is found where the database is a file: the search works.
    is_file = DATABASE_FILE in contents
    assert {CANARY: False, SIGNING_SECRET: False, "erp.example": is_file} == plain
    logged = capsys.readouterr().out
    assert ("CreateExportQueue" in logged, CANARY in logged) == (True, False)


async def test_update_when_secrets_are_not_sent_then_kept_changed_and_removed(
    served: Served,
) -> None:
    secrets = {"header:A": "a", "header:B": "b", "signing_secret": SIGNING_SECRET}
    await create(served, queue(secrets=secrets))
    box = served.secret_box

    async def opened() -> Any:
        (row,) = await served.store.read(partial(rows_of, table=export_queue))
        return box.open(row["secrets"], NAME)

    await change(served, queue(name="New", delivery=hook(method="PUT")))
    assert secrets == await opened()
    await change(served, queue(secrets={"header:A": "c", "header:B": ""}))
    assert {"header:A": "c", "signing_secret": SIGNING_SECRET} == await opened()
    moved = await change(
        served, queue(delivery=hook("https://evil.example/hook"), secrets={"header:A": "d"})
    )
    assert {"header:A": "d"} == await opened()
    assert ["header:A"] == list(moved.secret_names)
    other = await change(
        served,
        queue(
            delivery=export_delivery_pb2.ExportDelivery(folder=export_delivery_pb2.ExportFolder())
        ),
    )
    assert ([], {}) == (list(other.secret_names), await opened())


async def test_update_when_secrets_cannot_be_opened_then_refused_and_others_answer(
    served: Served,
) -> None:
    await create(served, queue(secrets={"header:A": "a"}))
    await create(served, queue("other", secrets={"header:A": "b"}))
    tokens = {
        row["queue_id"]: row["secrets"]
        for row in await served.store.read(partial(rows_of, table=export_queue))
    }
    copied = update(export_queue).where(export_queue.c.queue_id == "erp")
    await served.store.write(lambda c: c.execute(copied.values(secrets=tokens["other"])))

    call = served.owner.call(request("UpdateExportQueue", queue=queue(name="New")))
    assert grpc.StatusCode.FAILED_PRECONDITION is await code_of(call)
    assert [] == list((await get(served)).queue.secret_names)
