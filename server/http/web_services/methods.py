"""Reach the methods of CheckoutService by their names, behind the gate of HTTP."""

from collections.abc import Mapping
from typing import Any, cast

from engine.rpc.calls import Behaviour, Calls
from server.rpc.checkout_service import CheckoutService


class _Collector:
    """Takes the methods that a service hands over to its server."""

    def __init__(self) -> None:
        self.behaviours: dict[str, Behaviour] = {}

    def unary(self, name: str, behaviour: Behaviour) -> Any:
        """Keep a method."""
        self.behaviours[name] = behaviour

    def conversation(self, name: str, behaviour: Any) -> Any:
        """Leave a stream out: a request over HTTP records one sale."""


def methods_of(service: CheckoutService) -> Mapping[str, Behaviour]:
    """Return the methods of the service by their names; each takes and returns bytes."""
    collector = _Collector()
    service.handler(cast(Calls, collector))
    return collector.behaviours
