"""The routes of the back office, all below `/back-office/`."""

from collections.abc import Callable
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.errors import NotFound
from server.http.back_office import (
    closes,
    definitions,
    export_logs,
    exports,
    file_imports,
    home,
    imports,
    keys,
    sales,
    sign_in,
    stock,
    things,
)
from server.http.back_office.office import Answer, Desk, Office
from server.http.back_office.visitors import PATH
from server.http.tools import HttpTools

Handler = Callable[[Desk], Answer]

_DAY_SECONDS: Final = 86_400


def routes(tools: HttpTools, *, is_secure: bool = False) -> list[BaseRoute]:
    """Return the routes of the back office.

    Args:
        tools: What the doors share with the rest of the server.
        is_secure: Whether browsers come by TLS though requests here do not say so, as behind a
            proxy: cookies are then sent by TLS only.
    """
    office = Office(tools, is_secure=is_secure)
    public = [
        *_both(office, "sign-in", *_sign_in(), is_public=True),
        *_both(office, "link", *_link(), is_public=True),
        _post(office, "language", sign_in.choose_language, is_public=True),
        Route(f"{PATH}/static/{{name}}", partial(_static, office), methods=["GET"]),
        Route(PATH, _redirect, methods=["GET"]),
    ]
    pages = [
        _get(office, "", home.show_home),
        _post(office, "sign-out", sign_in.sign_out),
        _get(office, "sessions", sign_in.list_sessions),
        _post(office, "sessions/revoke", sign_in.revoke_session),
        _get(office, "sales", sales.list_sales),
        _get(office, "sales/sale", sales.show_sale),
        _get(office, "sales/receipt", sales.render_sale),
        _get(office, "closes", closes.list_closes),
        _get(office, "closes/close", closes.show_close),
        _get(office, "closes/report", closes.render_close),
        _get(office, "closes/totals", closes.render_totals),
        _get(office, "stock", stock.list_stock),
        _get(office, "orders", stock.list_orders),
        _get(office, "imports", imports.list_imports),
        _get(office, "imports/log", imports.list_import_log),
        _get(office, "keys", keys.list_keys),
        _post(office, "keys", keys.make_key),
        _post(office, "keys/revoke", keys.revoke_key),
    ]
    rest = Route(f"{PATH}/{{path:path}}", office.page(_nothing), methods=["GET", "POST"])
    return [*public, *pages, *_exports(office), *_things(office), *_entries(office), rest]


def _sign_in() -> tuple[Handler, Handler]:
    failures = sign_in.Failures()
    return sign_in.show_sign_in, lambda desk: sign_in.sign_in(desk, failures)


def _link() -> tuple[Handler, Handler]:
    failures = sign_in.Failures()
    return sign_in.show_link, lambda desk: sign_in.use_link(desk, failures)


def _exports(office: Office) -> list[BaseRoute]:
    return [
        _get(office, "exports", exports.list_queues),
        _get(office, "exports/queue", exports.show_queue),
        *_both(office, "exports/edit", exports.edit_queue, exports.save_queue),
        *(
            _post(office, f"exports/{action}", partial(exports.act, action=action))
            for action in ("pause", "resume", "run")
        ),
        _post(office, "exports/delete", exports.delete_queue),
        _get(office, "exports/preview", exports.preview),
        _get(office, "exports/preview/content", exports.preview_content),
        _get(office, "exports/log", export_logs.list_log),
        _get(office, "exports/entries", export_logs.list_entries),
        _get(office, "exports/entry", export_logs.show_entry),
        _post(office, "exports/retry", export_logs.retry),
    ]


def _things(office: Office) -> list[BaseRoute]:
    found: list[BaseRoute] = [_post(office, "registers/code", things.make_code)]
    for thing in things.THINGS:
        path = thing.path
        found += [
            _get(office, path, partial(things.list_things, thing=thing)),
            *_both(
                office,
                f"{path}/edit",
                partial(things.show_thing, thing=thing),
                partial(things.save_thing, thing=thing),
            ),
            _post(office, f"{path}/delete", partial(things.delete_thing, thing=thing)),
        ]
    return found


def _entries(office: Office) -> list[BaseRoute]:
    found: list[BaseRoute] = []
    for page in definitions.PAGES:
        path = page.path
        found += [
            _get(office, path, partial(definitions.list_entries, page=page)),
            *_both(
                office,
                f"{path}/edit",
                partial(definitions.show_entry, page=page),
                partial(definitions.save_entry, page=page),
            ),
            _post(office, f"{path}/delete", partial(definitions.delete_entry, page=page)),
        ]
    for each in file_imports.IMPORTS:
        showing = partial(file_imports.show_import, file_import=each)
        doing = partial(file_imports.do_import, file_import=each)
        found += _both(office, f"{each.path}/import", showing, doing)
    return found


def _get(office: Office, path: str, handler: Handler, *, is_public: bool = False) -> Route:
    endpoint = office.page(handler, is_public=is_public)
    return Route(f"{PATH}/{path}", endpoint, methods=["GET"])


def _post(office: Office, path: str, handler: Handler, *, is_public: bool = False) -> Route:
    endpoint = office.page(handler, is_public=is_public)
    return Route(f"{PATH}/{path}", endpoint, methods=["POST"])


def _both(
    office: Office, path: str, showing: Handler, doing: Handler, *, is_public: bool = False
) -> list[Route]:
    return [
        _get(office, path, showing, is_public=is_public),
        _post(office, path, doing, is_public=is_public),
    ]


async def _redirect(request: Request) -> Response:
    del request
    return Response(status_code=307, headers={"location": f"{PATH}/"})


async def _nothing(desk: Desk) -> Response:
    """Answer what there is no page for.

    Raises:
        NotFound: Always.
    """
    del desk
    raise NotFound("expected a page, was none")


async def _static(office: Office, request: Request) -> Response:
    """Return the style sheet or the script; their addresses change with what is in them."""
    found = office.static.get(request.path_params["name"])
    if found is None:
        return Response("not found\n", 404, media_type="text/plain")
    content, content_type = found
    headers = {"cache-control": f"public, max-age={_DAY_SECONDS}", "content-type": content_type}
    return Response(content, headers=headers)
