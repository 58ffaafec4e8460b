"""What the HTTP doors share with the rest of the server."""

from collections.abc import Callable
from typing import NamedTuple

from structlog.typing import FilteringBoundLogger

from server.http.gate import HttpGate
from server.plans import Plans
from server.services import Services
from server.storage import Store


class HttpTools(NamedTuple):
    """What the HTTP doors share with the rest of the server.

    Attributes:
        store: Keeps everything.
        gate: Lets requests in.
        services: The services of gRPC, which do the work of most requests.
        plans: The compiled catalogues.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        log: Takes what is worth a line beside that of the request.
    """

    store: Store
    gate: HttpGate
    services: Services
    plans: Plans
    clock: Callable[[], int]
    log: FilteringBoundLogger
