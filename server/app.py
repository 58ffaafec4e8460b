"""Build what `tillcore serve` runs: the one place that knows all parts."""

import asyncio
import sys
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from engine.errors import TillcoreError
from engine.rpc.log import configure_log
from engine.rpc.server import LISTEN_DEFAULT, CoreSettings, run_core

DEMO_PACKAGE: Final = "clients.examples"
DEMO_CATALOG: Final = "catalog"
"""Where the sample catalogue is in the installed package: files, nothing that is imported."""

STATUS_FAILED: Final = 1


def serve(
    *,
    demo: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    listen: str = LISTEN_DEFAULT,
    catalog: Annotated[
        tuple[Path, ...], Parameter(negative="", consume_multiple=False, show_default=False)
    ] = (),
    log_level: Literal["debug", "info", "warning", "error"] = "info",
) -> int:
    """Serve everything in one process until SIGTERM.

    Today that is BasketService, health and reflection over gRPC, and nothing is stored: the same
    as the command engine, with --demo.

    Args:
        demo: Load the sample catalogue that comes with Tillcore: market dk with a few products.
        listen: Host and port to listen on; port 0 takes a free one, which the log names.
        catalog: Directory with market.json and, each optional, products.json,
            discount_campaigns.json, product_rules.json and purchase_types.json; or with one such
            directory for each market; or a file with a whole context. May be given several times.
            Without it, requests bring their own market and products.
        log_level: What is logged: every call at debug, failed ones at info.
    """
    configure_log(log_level)
    with ExitStack() as stack:
        catalogs = catalog
        if demo:
            sample = resources.files(DEMO_PACKAGE) / DEMO_CATALOG
            catalogs = (*catalog, stack.enter_context(resources.as_file(sample)))
        try:
            asyncio.run(run_core(CoreSettings(listen=listen, catalogs=catalogs)))
        except (TillcoreError, OSError, RuntimeError) as error:
            sys.stderr.write(f"error: {error}\n")
            return STATUS_FAILED
    return 0
