"""Write the metrics of several workers on one page, whichever of them is asked.

What a worker counts has its number as the label `worker`, so that a worker that was replaced is a
counter that began anew, and not a total that went back. What the database knows stands there once.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.rpc.worker import Worker
from server.observability.metrics import SHARED, Metrics

ANSWER_SECONDS_MAX: Final = 1.0
"""A worker that takes longer to tell its numbers is left out, and counts as down."""

_LABEL: Final = "worker"


class Family(msgspec.Struct, frozen=True, array_like=True):
    """A metric on its way from one worker to another.

    Attributes:
        name: Its name.
        documentation: What it is.
        kind: Its type, as Prometheus names it.
        samples: Names, labels and values.
    """

    name: str
    documentation: str
    kind: str
    samples: list[tuple[str, dict[str, str], float]]


_DECODER: Final = msgspec.msgpack.Decoder(list[Family])


class WorkerMetrics(Collector):
    """The metrics of all workers."""

    def __init__(self, metrics: Metrics, worker: Worker, folder: Path) -> None:
        """Begin without a way for others to ask; `serving` opens it.

        Args:
            metrics: Of this worker.
            worker: Which it is.
            folder: Where workers reach each other.
        """
        self._metrics = metrics
        self._worker = worker
        self._folder = folder
        self._families: list[Metric] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    async def page(self) -> bytes:
        """Return the metrics of all workers in the text format."""
        others = [index for index in range(self._worker.count) if index != self._worker.index]
        asked = [self._ask(index) for index in others]
        answers = dict(zip(others, await asyncio.gather(*asked), strict=True))
        answers[self._worker.index] = self._own()
        await self._metrics.refresh()
        shared = (each for each in self._metrics.families() if each.name in SHARED)
        self._families = [
            _up(answers),
            *_merged(answers[index] or () for index in sorted(answers)),
            *shared,
        ]
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield what the last page is made of."""
        return iter(self._families)

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None, None]:
        """Tell the numbers of this worker to others until the end of the block."""
        path = self._path(self._worker.index)
        async with await asyncio.start_unix_server(self._tell, path):
            yield

    def _own(self) -> list[Family]:
        """Return what this worker counts, its number on every sample."""
        starts = CounterMetricFamily(
            "tillcore_worker_starts", "How often the place of a worker was filled."
        )
        starts.add_metric([], self._worker.start_count)
        own = [each for each in self._metrics.families() if each.name not in SHARED]
        label = {_LABEL: str(self._worker.index)}
        return [
            Family(
                family.name,
                family.documentation,
                family.type,
                [(each.name, {**each.labels, **label}, each.value) for each in family.samples],
            )
            for family in (starts, *own)
        ]

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        try:
            writer.write(msgspec.msgpack.encode(self._own()))
            await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async def _ask(self, index: int) -> list[Family] | None:
        """Return what another worker counts; None when it does not answer."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                reader, writer = await asyncio.open_unix_connection(self._path(index))
                try:
                    return _DECODER.decode(await reader.read())
                finally:
                    writer.close()
        except (OSError, TimeoutError, msgspec.DecodeError):
            return None

    def _path(self, index: int) -> Path:
        return self._folder / f"{index}.metrics"


def _up(answers: dict[int, list[Family] | None]) -> Metric:
    up = GaugeMetricFamily(
        "tillcore_worker_up", "Whether a worker tells its numbers.", labels=[_LABEL]
    )
    for index in sorted(answers):
        up.add_metric([str(index)], answers[index] is not None)
    return up


def _merged(answers: Iterable[Sequence[Family]]) -> Iterator[Metric]:
    """Return the metrics of many workers, each metric once with the samples of all."""
    merged: dict[str, Metric] = {}
    for family in (each for answer in answers for each in answer):
        if family.name not in merged:
            merged[family.name] = Metric(family.name, family.documentation, family.kind)
        for name, labels, value in family.samples:
            merged[family.name].add_sample(name, labels, value)
    return iter(merged.values())
