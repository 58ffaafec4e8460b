"""What one process counts by itself, in one place."""

from engine.rpc.server import new_sessions
from server.auth.scopes import methods
from server.observability.call_meter import CallMeter
from server.observability.checkout_counts import CheckoutCounts
from server.observability.export_counts import ExportCounts


class Counts:
    """The counts of one process.

    Attributes:
        calls: The gRPC calls.
        checkouts: The checkouts that are recorded.
        exports: The attempts to deliver exports.
        sessions: The sessions of EditBasket.
    """

    def __init__(self) -> None:
        self.calls = CallMeter(methods())
        self.checkouts = CheckoutCounts()
        self.exports = ExportCounts()
        self.sessions = new_sessions()
