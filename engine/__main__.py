"""Start the stateless core: `python -m engine`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from engine.errors import TillcoreError
from engine.rpc.core_worker import run_core_workers
from engine.rpc.log import configure_log
from engine.rpc.server import (
    DRAIN_SECONDS_DEFAULT,
    GRACE_SECONDS_DEFAULT,
    LISTEN_DEFAULT,
    CoreSettings,
    run_core,
)
from engine.rpc.supervisor import check_worker_count, connection_age

app = App(name="tillcore engine", help="Evaluate baskets over gRPC, storing nothing.")


@app.default
def serve(
    *,
    listen: str = LISTEN_DEFAULT,
    catalog: Annotated[tuple[Path, ...], Parameter(negative="", consume_multiple=False)] = (),
    drain_seconds: float = DRAIN_SECONDS_DEFAULT,
    grace_seconds: float = GRACE_SECONDS_DEFAULT,
    workers: int = 1,
    connection_age_seconds: float | None = None,
    log_level: Literal["debug", "info", "warning", "error"] = "info",
) -> int:
    """Serve BasketService, AggregationService, health and reflection until SIGTERM.

    Args:
        listen: Host and port to listen on.
        catalog: Directory with market.json, products.json, discount_campaigns.json,
            product_rules.json and purchase_types.json, or with one such directory for each market,
            or a file with a whole context. May be given several times. Without it, requests bring
            their own market and products.
        drain_seconds: Seconds in which calls are still taken after SIGTERM.
        grace_seconds: Seconds that calls under way may take after that.
        workers: Processes that share the port; about as many as there are cores.
        connection_age_seconds: Seconds after which clients are asked to connect anew, so that
            connections spread over the processes; 0 for never. 300 with several workers unless
            told otherwise.
        log_level: What is logged: every call at debug, failed ones at info.
    """
    configure_log(log_level)
    try:
        check_worker_count(workers, field="workers")
        settings = CoreSettings(
            listen=listen,
            catalogs=catalog,
            drain_seconds=drain_seconds,
            grace_seconds=grace_seconds,
            connection_age_seconds=connection_age(
                connection_age_seconds, worker_count=workers, field="connection_age_seconds"
            ),
        )
        if workers == 1:
            asyncio.run(run_core(settings))
        else:
            asyncio.run(run_core_workers(settings, count=workers, log_level=log_level))
    except (TillcoreError, OSError, RuntimeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(app())
