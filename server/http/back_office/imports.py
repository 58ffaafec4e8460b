"""Pages of what integrations have imported over HTTP: every request, and what became of items."""

from typing import Any, Final

from starlette.responses import Response

from server.http.back_office import forms
from server.http.back_office.forms import Field, Kind
from server.http.back_office.office import PAGE_SIZE, Desk
from tillcore.v1 import import_log_pb2

_RUN_FIELDS: Final = (Field("integration"), Field("type"))
_LOG_FIELDS: Final = (
    Field("integration"),
    Field("import_number", Kind.INTEGER),
    Field("outcome", Kind.CHOICE),
    Field("item_id"),
)


async def list_imports(desk: Desk) -> Response:
    """Show a page of the requests, the last one first."""
    return await _list(desk, "imports.html.jinja", import_log_pb2.ListImportsRequest(), _RUN_FIELDS)


async def list_import_log(desk: Desk) -> Response:
    """Show a page of what became of items, the last one first."""
    return await _list(
        desk, "import_log.html.jinja", import_log_pb2.ListImportLogRequest(), _LOG_FIELDS
    )


async def _list(desk: Desk, template: str, request: Any, fields: tuple[Field, ...]) -> Response:
    request.page_size, request.page_token = PAGE_SIZE, desk.query("page")
    values = {field.path: desk.query(field.path) for field in fields}
    found = forms.read(fields, values, request)
    answer = await desk.call(request)
    choices = {
        field.path: forms.choices_of(field, request)
        for field in fields
        if field.kind is Kind.CHOICE
    }
    return desk.page(
        template,
        fields=fields,
        values=values,
        choices=choices,
        answer=answer,
        next_page=answer.next_page_token,
        problems=forms.placed(found, fields, under="", word=desk.word),
    )
