"""Bring what the front counts to the metrics: its calls among all others, itself beside them."""

from collections.abc import Iterator
from typing import Final

import grpc
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.rpc.status import CODE_OF_NUMBER
from ext.front.front import BUCKET_BOUNDS_NS, Front
from server.front.handed_calls import METHOD_NAMES
from server.front.key_ring import HOT_METHODS
from server.observability.call_meter import CallMeter
from server.observability.histogram import TIMES_NS

assert BUCKET_BOUNDS_NS == TIMES_NS, "both count in the same buckets"

_TOTALS: Final = {
    "stream_messages": ("pos_front_stream_messages", "Messages of streams answered in C."),
    "refused": ("pos_front_refused", "Calls that are no gRPC, or of no method of the front."),
    "connections_total": ("pos_front_connections_opened", "Connections that were taken."),
    "connections_refused": ("pos_front_connections_refused", "Connections beyond the maximum."),
    "calmed": ("pos_front_calmed", "Connections that were ended because of a flood."),
}
_GAUGES: Final = {
    "connections": ("pos_front_connections", "Connections that are open."),
    "streams": ("pos_front_streams", "Calls that are open."),
    "held_bytes": ("pos_front_held_bytes", "Requests and answers in memory, in bytes."),
}


class FrontCounting(Collector):
    """Adds the calls of a front to the meter whenever it is read, and tells the rest."""

    def __init__(self, front: Front, meter: CallMeter) -> None:
        """Count for a meter from now on."""
        self._front = front
        self._meter = meter
        self._before = front.counts()
        meter.add_source(self.add_calls)

    def add_calls(self) -> None:
        """Add what the front has counted since the last time to the meter."""
        now, before = self._front.counts(), self._before
        self._before = now
        for number, method in enumerate(HOT_METHODS):
            codes: dict[grpc.StatusCode, int] = {
                CODE_OF_NUMBER[code]: count - before["handled"][number][code]
                for code, count in enumerate(now["handled"][number])
                if count != before["handled"][number][code]
            }
            buckets = [
                count - earlier
                for count, earlier in zip(
                    now["buckets"][number], before["buckets"][number], strict=True
                )
            ]
            elapsed_ns = now["elapsed_ns"][number] - before["elapsed_ns"][number]
            self._meter.add(method, codes, buckets, elapsed_ns)

    def collect(self) -> Iterator[Metric]:
        """Yield what is the front's own."""
        counts = self._front.counts()
        handed = CounterMetricFamily(
            "pos_front_handed_over", "Calls that Python answers.", labels=["grpc_method"]
        )
        for name, count in zip(METHOD_NAMES, counts["handed_over"], strict=True):
            handed.add_metric([name], count)
        yield handed
        for key, (name, text) in _TOTALS.items():
            yield CounterMetricFamily(name, text, counts[key])
        for key, (name, text) in _GAUGES.items():
            yield GaugeMetricFamily(name, text, counts[key])
