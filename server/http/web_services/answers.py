"""Answer web services: JSON of the vendor's form, files of tables, and no answer that is kept."""

import re
from functools import wraps
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from engine.errors import Reason, TillcoreError, invalid
from engine.numbers import CURRENCY_SCALES, format_micros
from engine.strict_json import shown_text
from server.http.errors import error_answer, error_document
from server.http.operations import Handler
from server.http.web_services.recording import Made
from server.tables.formats import CONTENT_TYPES, STREAMS, TableFormat
from server.tables.rendering import Rendering
from server.tables.table import Table

OK: Final = "OK"
ERROR: Final = "ERROR"

NO_STORE: Final = {"cache-control": "no-store"}
"""Of every answer: a key may stand in the query, and the sales of a shop are nobody else's."""

ALIASES: Final = {"xls": TableFormat.XLSX, "std": TableFormat.HTML}
"""Further names of formats; whoever asks for the old workbook gets the new one."""

_KEPT_HEADERS: Final = ("retry-after", "www-authenticate")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_CHARACTERS_MAX: Final = 100


def guarded(handler: Handler) -> Handler:
    """Return a handler whose errors say `"result": "ERROR"` beside what every error says."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except TillcoreError as error:
            plain = error_answer(error)
            kept = {name: plain.headers[name] for name in _KEPT_HEADERS if name in plain.headers}
            document = {"result": ERROR, "error": error_document(error)}
            return JSONResponse(document, plain.status_code, {**NO_STORE, **kept})

    return answer


def sale_answer(made: Made, *, link: str, ignored: tuple[str, ...]) -> Response:
    """Return the answer to a call that was recorded.

    Args:
        made: What became of it.
        link: Where the receipt is; empty without one.
        ignored: The parameters that nothing was made of.
    """
    scale = CURRENCY_SCALES.get(made.currency_code, 2)
    total = format_micros(made.total_micros, fraction_digits_min=scale)
    document = {
        "result": OK,
        "type": made.type,
        "id": made.id,
        "checkoutID": made.checkout_id or None,
        "number": made.number,
        "accountNumber": made.account_number,
        "registerID": made.register_id,
        "total": msgspec.Raw(total.encode()),
        "currency": made.currency_code,
        "replayed": made.replayed,
        "PDFinvoice": link or None,
        "ignored": ignored,
    }
    return Response(msgspec.json.encode(document), headers=NO_STORE, media_type="application/json")


def table_format(name: str, *, default: TableFormat, field: str = "format") -> TableFormat:
    """Return the format of a name, in whatever case.

    Raises:
        InvalidInput: There is no such format.
    """
    if not name:
        return default
    lower = name.lower()
    if lower in ALIASES:
        return ALIASES[lower]
    try:
        return TableFormat(lower)
    except ValueError:
        known = ", ".join(each.value for each in TableFormat)
        message = f"expected {known} or xls, was {shown_text(name)}"
        raise invalid(field, Reason.UNKNOWN_VALUE, message) from None


async def table_answer(
    table: Table, chosen: TableFormat, rendering: Rendering, *, file_name: str
) -> Response:
    """Return the answer that has a table, as a page or as a file.

    Args:
        table: The table.
        chosen: Its format.
        rendering: Makes PDFs and workbooks.
        file_name: Of the file, without its end.

    Raises:
        WrongState: It is more than the format takes.
        Overloaded: Too many files are being made.
    """
    safe = _UNSAFE.sub("_", file_name)[:_NAME_CHARACTERS_MAX]
    place = "inline" if chosen in (TableFormat.HTML, TableFormat.JSON) else "attachment"
    headers = {
        **NO_STORE,
        "content-disposition": f'{place}; filename="{safe}.{chosen.value}"',
        "content-type": CONTENT_TYPES[chosen],
    }
    write = STREAMS.get(chosen)
    if write is not None:
        return StreamingResponse(write(table), headers=headers)
    return Response(await rendering.make(table, chosen), headers=headers)
