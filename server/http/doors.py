"""Put the HTTP doors together."""

from collections.abc import Iterable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from engine.rpc.calls import Calls
from server.http import api_page, openapi, till, web_services
from server.http.application import new_application
from server.http.back_office.application import routes as office_routes
from server.http.browser.door import routes as rpc_routes
from server.http.imports.operations import operations as import_operations
from server.http.operations import Operation, routes_of
from server.http.tools import HttpTools
from server.http.web_services.settings import WebServiceSettings

__all__ = ["DoorSettings", "new_doors", "operations"]


class DoorSettings(NamedTuple):
    """What the doors are set up with.

    Attributes:
        web_services: The cash-register web services.
        origins: The other sites whose pages may call RPCs, such as `https://till.example`.
        is_secure: Whether browsers come by TLS though requests here do not say so.
        own_templates: The operator's directory of templates of receipts; empty for none.
        pictures: The other sites whose pictures the till shows, such as `https://images.example`.
    """

    web_services: WebServiceSettings
    origins: Iterable[str] = ()
    is_secure: bool = False
    own_templates: str = ""
    pictures: Iterable[str] = ()


def operations(tools: HttpTools, settings: DoorSettings) -> list[Operation]:
    """Return what the doors for programs can do, which the OpenAPI document describes."""
    return [
        *import_operations(tools),
        *web_services.operations(tools, settings.web_services),
    ]


def new_doors(tools: HttpTools, calls: Calls, settings: DoorSettings) -> ASGIApp:
    """Return the application of all doors.

    Args:
        tools: What they share with the rest of the server.
        calls: Has the handlers of all services.
        settings: What they are set up with.

    Raises:
        InvalidInput: A setting is bad.
    """
    every = operations(tools, settings)
    described = openapi.Description(every, calls)
    routes: list[BaseRoute] = [
        Route("/", _to_office),
        *routes_of(every),
        *web_services.routes(tools, settings.web_services),
        *openapi.routes(described),
        *api_page.routes(described),
        *rpc_routes(calls, origins=settings.origins),
        *till.routes(own_templates=settings.own_templates, pictures=settings.pictures),
        *office_routes(tools, is_secure=settings.is_secure),
    ]
    return new_application(routes)


async def _to_office(request: Request) -> Response:
    """Send somebody who knows the address alone to the back office."""
    del request
    return RedirectResponse("/back-office/", 307)
