"""Pages of what became of exports: every attempt, every entry, and how to send some again."""

from typing import Any, Final

from starlette.responses import Response

from engine.strict_json import decode
from server.http.back_office import forms
from server.http.back_office.documents import pretty
from server.http.back_office.forms import Field, Kind
from server.http.back_office.office import PAGE_SIZE, Desk
from tillcore.v1 import export_log_pb2, export_queue_pb2

_LOG_FIELDS: Final = (
    Field("queue_id", Kind.CHOICE),
    Field("outcome", Kind.CHOICE),
    Field("element_key"),
)
_ENTRY_FIELDS: Final = (
    Field("queue_id", Kind.CHOICE),
    Field("state", Kind.CHOICE),
    Field("element_key"),
)

_ROWS: Final = {"export_log.html.jinja": "attempts", "export_entries.html.jinja": "entries"}
"""Where the answers that the pages show have their rows."""


async def list_log(desk: Desk) -> Response:
    """Show a page of the attempts of a queue, the last one first."""
    return await _list(
        desk, "export_log.html.jinja", export_log_pb2.ListExportLogRequest(), _LOG_FIELDS
    )


async def list_entries(desk: Desk) -> Response:
    """Show a page of the entries of a queue by their state."""
    return await _list(
        desk,
        "export_entries.html.jinja",
        export_log_pb2.ListExportEntriesRequest(),
        _ENTRY_FIELDS,
    )


async def _list(desk: Desk, template: str, request: Any, fields: tuple[Field, ...]) -> Response:
    """Show what is asked of a queue; of the first one where none is named."""
    queues = await desk.call(export_queue_pb2.ListExportQueuesRequest(page_size=1_000))
    names = [(each.id, each.name or each.id) for each in queues.queues]
    values = {field.path: desk.query(field.path) for field in fields}
    values["queue_id"] = values["queue_id"] or next((queue_id for queue_id, _ in names), "")
    request.page_size, request.page_token = PAGE_SIZE, desk.query("page")
    found = forms.read(fields, values, request)
    answer = await desk.call(request) if values["queue_id"] else None
    choices = {
        field.path: names if field.path == "queue_id" else forms.choices_of(field, request)
        for field in fields
        if field.kind is Kind.CHOICE
    }
    return desk.page(
        template,
        fields=fields,
        values=values,
        choices=choices,
        rows=[] if answer is None else getattr(answer, _ROWS[template]),
        next_page="" if answer is None else answer.next_page_token,
        problems=forms.placed(found, fields, under="", word=desk.word),
    )


async def show_entry(desk: Desk) -> Response:
    """Show an entry with its payload and every attempt, and the words of the endpoint."""
    request = export_log_pb2.GetExportEntryRequest(
        queue_id=desk.query("queue_id"), entry_number=_number(desk.query("number"))
    )
    answer = await desk.call(request)
    payload = pretty(decode(answer.payload_json)) if answer.payload_json else ""
    return desk.page("export_entry.html.jinja", answer=answer, entry=answer.entry, payload=payload)


async def retry(desk: Desk) -> Response:
    """Send entries again: those that were ticked, or all that a filter names."""
    queue_id = desk.form.text("queue_id")
    request = export_log_pb2.RetryExportsRequest(queue_id=queue_id)
    if desk.form.text("all"):
        filter_ = export_log_pb2.ExportEntryFilter()
        filter_fields = (Field("state", Kind.CHOICE), Field("element_key"))
        forms.read(filter_fields, desk.form, filter_)
        request.filter.CopyFrom(filter_)
    else:
        numbers = [_number(each) for each in desk.form.every("number")]
        request.numbers.entry_numbers.extend(numbers)
    answer = await desk.call(request)
    done = "retried_more" if answer.more else "retried"
    if not answer.retried_count:
        done = "retried_none"
    if desk.form.text("back") == "entry":
        return desk.see(
            "exports/entry", queue_id=queue_id, number=desk.form.text("number"), done=done
        )
    return desk.see(
        "exports/entries",
        queue_id=queue_id,
        state=desk.form.text("state"),
        element_key=desk.form.text("element_key"),
        done=done,
    )


def _number(text: str) -> int:
    """Return the number of an entry; 0, which none has, for anything else."""
    return int(text) if text.isdecimal() and len(text) < 19 else 0
