"""Count gRPC calls for `engine.rpc.calls`, in plain integers of the event loop's thread."""

from collections.abc import Iterable

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

    def started(self, method: str) -> None:
        """Note that a call of a method has begun."""
        self._counts[method].started_count += 1

    def handled(self, method: str, code: grpc.StatusCode, elapsed_ns: int) -> None:
        """Note that a call of a method has ended with a code after so many nanoseconds."""
        counts = self._counts[method]
        counts.handled_counts[code] = counts.handled_counts.get(code, 0) + 1
        counts.times.add(elapsed_ns)

    def called(self) -> list[MethodCounts]:
        """Return the methods that were called at all."""
        return [each for each in self._counts.values() if each.started_count]

    def failure_count(self, method: str) -> int:
        """Return how many calls of a method have ended with another code than OK."""
        counts = self._counts[method].handled_counts
        return sum(count for code, count in counts.items() if code is not grpc.StatusCode.OK)

    def count_of(self, code: grpc.StatusCode) -> int:
        """Return how many calls of all methods have ended with a code."""
        return sum(each.handled_counts.get(code, 0) for each in self._counts.values())
