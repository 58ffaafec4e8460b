"""Count gRPC calls for `engine.rpc.calls`, in plain integers of the event loop's thread."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import grpc
from google.protobuf.descriptor import MethodDescriptor

from server.observability.histogram import Histogram


class MethodCounts:
    """The calls of one method.

    Attributes:
        service: The full name of its service.
        method: Its name.
        started_count: How many calls have begun.
        handled_counts: How many have ended, by code.
        times: How long those that have ended took, in nanoseconds.
    """

    __slots__ = ("handled_counts", "method", "service", "started_count", "times")

    def __init__(self, service: str, method: str) -> None:
        self.service = service
        self.method = method
        self.started_count = 0
        self.handled_counts: dict[grpc.StatusCode, int] = {}
        self.times = Histogram()


class CallMeter:
    """The meter of `engine.rpc.calls`: knows every method beforehand, so labels are bounded."""

    def __init__(self, methods: Iterable[MethodDescriptor]) -> None:
        """Count nothing yet of methods whose names no two services share."""
        self._counts = {
            method.name: MethodCounts(method.containing_service.full_name, method.name)
            for method in methods
        }
        self._sources: list[Callable[[], None]] = []

    def started(self, method: str) -> None:
        """Note that a call of a method has begun."""
        self._counts[method].started_count += 1

    def handled(self, method: str, code: grpc.StatusCode, elapsed_ns: int) -> None:
        """Note that a call of a method has ended with a code after so many nanoseconds."""
        counts = self._counts[method]
        counts.handled_counts[code] = counts.handled_counts.get(code, 0) + 1
        counts.times.add(elapsed_ns)

    def add(
        self,
        method: str,
        codes: Mapping[grpc.StatusCode, int],
        buckets: Sequence[int],
        elapsed_ns: int,
    ) -> None:
        """Add calls of a method that were counted elsewhere: by code, by time, and their time."""
        counts = self._counts[method]
        for code, count in codes.items():
            counts.started_count += count
            counts.handled_counts[code] = counts.handled_counts.get(code, 0) + count
        for index, count in enumerate(buckets):
            counts.times.counts[index] += count
        counts.times.total += elapsed_ns

    def add_source(self, source: Callable[[], None]) -> None:
        """Ask a source to `add` what it has, whenever the calls are read."""
        self._sources.append(source)

    def called(self) -> list[MethodCounts]:
        """Return the methods that were called at all."""
        for source in self._sources:
            source()
        return [each for each in self._counts.values() if each.started_count]

    def failure_count(self, method: str) -> int:
        """Return how many calls of a method have ended with another code than OK."""
        counts = self._counts[method].handled_counts
        return sum(count for code, count in counts.items() if code is not grpc.StatusCode.OK)

    def count_of(self, code: grpc.StatusCode) -> int:
        """Return how many calls of all methods have ended with a code."""
        return sum(each.handled_counts.get(code, 0) for each in self._counts.values())
