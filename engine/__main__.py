"""Start the stateless core: `python -m engine`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from engine.errors import TillcoreError
from engine.rpc.log import configure_log
from engine.rpc.server import (
    DRAIN_SECONDS_DEFAULT,
    GRACE_SECONDS_DEFAULT,
    LISTEN_DEFAULT,
    CoreSettings,
    run_core,
)

app = App(name="tillcore engine", help="Evaluate baskets over gRPC, storing nothing.")


@app.default
def serve(
    *,
    listen: str = LISTEN_DEFAULT,
    catalog: Annotated[tuple[Path, ...], Parameter(negative="", consume_multiple=False)] = (),
    drain_seconds: float = DRAIN_SECONDS_DEFAULT,
    grace_seconds: float = GRACE_SECONDS_DEFAULT,
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
        log_level: What is logged: every call at debug, failed ones at info.
    """
    configure_log(log_level)
    settings = CoreSettings(
        listen=listen,
        catalogs=catalog,
        drain_seconds=drain_seconds,
        grace_seconds=grace_seconds,
    )
    try:
        asyncio.run(run_core(settings))
    except (TillcoreError, OSError, RuntimeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(app())
