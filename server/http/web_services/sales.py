"""Record a sale with one call, and give out the sales of a day."""

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine.errors import PermissionDenied, Reason, invalid
from engine.readers import id_complaint
from engine.strict_json import shown_text
from server.auth import Principal, Scope
from server.exports.order_hook import LINK_DAYS
from server.exports.transforms.order_hook import receipt_path
from server.http.tools import HttpTools
from server.http.web_services.answers import (
    ERROR,
    NO_STORE,
    sale_answer,
    table_answer,
    table_format,
)
from server.http.web_services.parameters import (
    Parameters,
    query_parameters,
    read_parameters,
)
from server.http.web_services.recording import Made, record
from server.http.web_services.sale_call import KEY_NAMES, REGISTER_NAMES, SHOP_NAMES, read_call
from server.http.web_services.settings import WebServiceSettings
from server.reports.sales_report import sales_report, shop_day
from server.tables.formats import ROWS_MAX, TableFormat

WRITE_SCOPES: Final = frozenset({Scope.REGISTER})
READ_SCOPES: Final = frozenset({Scope.REGISTER, Scope.READ})

_NS_PER_DAY: Final = 86_400 * 10**9
_VENDOR_ONLY: Final = ("frafec", "saft")


class SaleHandlers:
    """Answers about sales."""

    def __init__(self, tools: HttpTools, settings: WebServiceSettings) -> None:
        """Answer over the services of a server."""
        self._tools = tools
        self._settings = settings

    async def record_sale(self, request: Request) -> Response:
        """Record a sale."""
        parameters = await read_parameters(request)
        key = parameters.one(*KEY_NAMES)
        principal = await self._tools.gate.let_in(
            request, WRITE_SCOPES, query_key=key, is_write=True
        )
        call = read_call(parameters, now_ns=self._tools.clock())
        made = await record(self._tools, principal, call)
        return sale_answer(made, link=self._link(principal, made), ignored=call.ignored)

    async def refuse_query_write(self, request: Request) -> Response:
        """Refuse to write by GET, which browsers and crawlers do by themselves."""
        del request
        message = "expected POST: writing by GET is switched off (compat.query_writes)"
        raise PermissionDenied(message)

    async def refuse_sign_in(self, request: Request) -> Response:
        """Say that there are no passwords, whatever was sent."""
        del request
        message = (
            "expected a key: there is no sign-in with login and password here; make a key with "
            "`tillcore apikey create` or in the back office and send it as `key`"
        )
        error = {"code": "UNIMPLEMENTED", "message": message, "fields": []}
        return JSONResponse({"result": ERROR, "error": error}, 501, NO_STORE)

    async def sales_report(self, request: Request) -> Response:
        """Give out the sales of a day."""
        parameters = query_parameters(request)
        principal = await self._let_in(request, parameters)
        chosen = table_format(parameters.one("format"), default=TableFormat.HTML)
        return await self._report(principal, parameters, chosen, parameters.one("date"))

    async def vendor_report(self, request: Request) -> Response:
        """Give out the sales of a day to who asks as the vendor's clients do."""
        parameters = query_parameters(request)
        principal = await self._let_in(request, parameters)
        name = parameters.one("formatExport", "format")
        if name.lower() in _VENDOR_ONLY:
            message = f"expected a format for people or programs, was {shown_text(name)}"
            raise invalid("formatExport", Reason.UNKNOWN_VALUE, message)
        chosen = table_format(name, default=TableFormat.HTML, field="formatExport")
        return await self._report(principal, parameters, chosen, _vendor_date(parameters))

    async def _let_in(self, request: Request, parameters: Parameters) -> Principal:
        key = parameters.one(*KEY_NAMES)
        return await self._tools.gate.let_in(request, READ_SCOPES, query_key=key)

    async def _report(
        self, principal: Principal, parameters: Parameters, chosen: TableFormat, date: str
    ) -> Response:
        """Return the report of a day; a device is told of its own register alone."""
        shop_id = parameters.one(*SHOP_NAMES)
        complaint = id_complaint(shop_id)
        if complaint is not None:
            raise invalid(SHOP_NAMES[-1], *complaint)
        register_id = parameters.one(*reversed(REGISTER_NAMES)) or principal.register_id or ""
        if register_id:
            principal.check_register(register_id)
        day = await self._tools.store.read(
            partial(
                shop_day,
                account_id=principal.account_id,
                shop_id=shop_id,
                register_id=register_id,
                date=date,
                now_ns=self._tools.clock(),
            )
        )
        table = await sales_report(
            self._tools.store,
            day,
            language=parameters.one("language"),
            count_max=ROWS_MAX[chosen],
        )
        name = f"sales-{shop_id}-{day.date}"
        return await table_answer(table, chosen, self._settings.rendering, file_name=name)

    def _link(self, principal: Principal, made: Made) -> str:
        """Return the link to the receipt of a sale; empty for what is none yet."""
        if made.type != "sale":
            return ""
        path = self._settings.links.sign(
            receipt_path(made.id),
            account_id=principal.account_id,
            expires_ns=made.moment_ns + LINK_DAYS * _NS_PER_DAY,
        )
        return self._settings.link_base_url.rstrip("/") + path


def _vendor_date(parameters: Parameters) -> str:
    """Return the day of `d`, `m` and `y` as YYYY-MM-DD; empty where none of them is given.

    Raises:
        InvalidInput: Some of them are missing, or they are no numbers.
    """
    given = [parameters.one(name) for name in ("y", "m", "d")]
    if not any(given):
        return ""
    if not all(each.isdecimal() and each.isascii() and len(each) <= 4 for each in given):
        was = ", ".join(shown_text(each) for each in given)
        raise invalid("d", Reason.BAD_TIME, f"expected y, m and d as numbers, was {was}")
    year, month, day = map(int, given)
    return f"{year:04d}-{month:02d}-{day:02d}"
