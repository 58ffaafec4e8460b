"""Put the numbers of all workers on one page, and leave out those that do not answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.rpc.worker import Worker
from server.observability import worker_metrics
from server.observability.counts import Counts
from server.observability.metrics import Metrics
from server.observability.worker_metrics import WorkerMetrics
from server.process import open_plans
from server.storage import Store, StoreSettings, open_store

Samples = dict[tuple[str, str], float]
"""By the name of the sample and the label `worker`, "" without it."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Yield an empty store."""
    async with open_store(StoreSettings(directory=tmp_path / "data")) as opened:
        yield opened


@asynccontextmanager
async def measuring(
    store: Store, folder: Path, *, index: int, start_count: int = 1, replayed: int = 0
) -> AsyncIterator[WorkerMetrics]:
    """Yield the metrics of one of two workers, which has counted some replays."""
    counts = Counts()
    counts.checkouts.replayed = replayed
    worker = Worker(index=index, count=2, start_count=start_count, id=str(index))
    async with open_plans(store) as plans:
        own = Metrics(counts, store=store, plans=plans, free_bytes=lambda: 9, clock=lambda: 1)
        metrics = WorkerMetrics(own, worker, folder)
        async with metrics.serving():
            yield metrics


async def samples(metrics: WorkerMetrics) -> Samples:
    """Return what is on the page of a worker."""
    page = await metrics.page()
    return {
        (sample.name, sample.labels.get("worker", "")): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


async def test_page_when_either_worker_is_asked_then_the_numbers_of_both(
    store: Store, tmp_path: Path
) -> None:
    async with (
        measuring(store, tmp_path, index=0, replayed=3) as first,
        measuring(store, tmp_path, index=1, start_count=5, replayed=4) as second,
    ):
        pages = [await samples(each) for each in (first, second)]

    names = ("pos_replays_total", "tillcore_worker_starts_total", "tillcore_worker_up")
    expected = [(3, 4), (1, 5), (1, 1)]
    for page in pages:
        assert expected == [(page[name, "0"], page[name, "1"]) for name in names]


async def test_page_when_the_database_tells_it_then_once(store: Store, tmp_path: Path) -> None:
    async with (
        measuring(store, tmp_path, index=0) as first,
        measuring(store, tmp_path, index=1),
    ):
        page = await samples(first)

    found = [(worker, value) for (name, worker), value in page.items() if "free_bytes" in name]
    assert [("", 9.0)] == found


async def test_page_when_two_workers_count_then_every_metric_is_described_once(
    store: Store, tmp_path: Path
) -> None:
    async with (
        measuring(store, tmp_path, index=0) as first,
        measuring(store, tmp_path, index=1),
    ):
        page = await first.page()

    described = [line for line in page.decode().splitlines() if line.startswith("# TYPE ")]
    assert len(set(described)) == len(described)
    assert "# TYPE pos_replays_total counter" in described
    assert "# TYPE pos_commit_seconds histogram" in described


async def test_page_when_a_worker_is_gone_then_down_and_left_out(
    store: Store, tmp_path: Path
) -> None:
    async with measuring(store, tmp_path, index=1, replayed=4):
        pass
    async with measuring(store, tmp_path, index=0, replayed=3) as left:
        page = await samples(left)

    assert (1, 0) == (page["tillcore_worker_up", "0"], page["tillcore_worker_up", "1"])
    assert ("pos_replays_total", "1") not in page


async def test_page_when_a_worker_hangs_then_down_and_left_out(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_metrics, "ANSWER_SECONDS_MAX", 0.05)

    is_over, is_closed = asyncio.Event(), asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await is_over.wait()
        writer.close()
        await writer.wait_closed()
        is_closed.set()

    async with (
        await asyncio.start_unix_server(hang, tmp_path / "1.metrics"),
        measuring(store, tmp_path, index=0) as asked,
    ):
        page = await samples(asked)
        is_over.set()
        await is_closed.wait()

    assert (1, 0) == (page["tillcore_worker_up", "0"], page["tillcore_worker_up", "1"])
