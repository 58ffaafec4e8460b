"""Serve HTTP doors on a free port of the loopback, over a running server of the tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import structlog
from starlette.types import ASGIApp

from server.auth import Principal
from server.exports.sandbox import Sandbox
from server.http.doors import DoorSettings
from server.http.gate import HttpGate
from server.http.listener import listening
from server.http.tools import HttpTools
from server.http.web_services.settings import WebServiceSettings
from server.links import Links
from server.tables.rendering import Rendering
from tests.support.server import Served


class Site(NamedTuple):
    """Doors that are open, and a session of a client beside them.

    Attributes:
        url: Where they are, without a slash at the end.
        session: Of a client; its requests take paths.
        served: The server behind them.
    """

    url: str
    session: aiohttp.ClientSession
    served: Served


def http_tools(served: Served, *, anybody: Principal | None = None) -> HttpTools:
    """Return what doors over a running server of the tests share with it."""
    return HttpTools(
        store=served.store,
        gate=HttpGate(served.authenticator, anybody=anybody),
        services=served.services,
        plans=served.plans,
        clock=served.clock,
        log=structlog.get_logger().bind(),
    )


def door_settings() -> DoorSettings:
    """Return what all doors are set up with; nothing is rendered unless somebody asks."""
    return DoorSettings(
        web_services=WebServiceSettings(
            links=Links([b"links of the tests of doors"]), sandbox=Sandbox(), rendering=Rendering()
        )
    )


@asynccontextmanager
async def open_doors(
    served: Served,
    new_doors: Callable[[HttpTools], ASGIApp],
    *,
    anybody: Principal | None = None,
) -> AsyncIterator[Site]:
    """Yield doors over a running server.

    Args:
        served: The server.
        new_doors: Makes the application.
        anybody: Who requests without a key come from.
    """
    application = new_doors(http_tools(served, anybody=anybody))
    async with listening("127.0.0.1:0", application) as port:
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(base_url=url) as session:
            yield Site(url, session, served)
