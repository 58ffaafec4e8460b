"""Pages of export queues: how each is doing, its form, and what is done to it."""

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.message import Message
from starlette.responses import Response

from engine.errors import FieldProblem, InvalidInput, PermissionDenied, TillcoreError
from server.http.back_office import export_forms, forms
from server.http.back_office.csv_help import csv_parts
from server.http.back_office.forms import Field
from server.http.back_office.office import PAGE_SIZE, Desk
from tillcore.v1 import export_preview_pb2, export_queue_pb2

_ELEMENT_FIELDS: Final[dict[int, tuple[str, ...]]] = {
    export_queue_pb2.EXPORT_KIND_CHECKOUT: ("checkout_id",),
    export_queue_pb2.EXPORT_KIND_SALE: ("sale_id",),
    export_queue_pb2.EXPORT_KIND_REGISTER_CLOSE_STATEMENT: (
        "register_close.register_id",
        "register_close.sequence_number",
    ),
    export_queue_pb2.EXPORT_KIND_PRODUCT_EDIT: (
        "product.market_id",
        "product.shop_id",
        "product.product_id",
    ),
    export_queue_pb2.EXPORT_KIND_NEWSLETTER_SIGNUP: ("newsletter_signup_id",),
    export_queue_pb2.EXPORT_KIND_STOCK_EVENT: ("stock_event_number",),
    export_queue_pb2.EXPORT_KIND_INCOMING_ORDER_STATE_CHANGE: (
        "incoming_order.stock_location_id",
        "incoming_order.order_id",
    ),
    export_queue_pb2.EXPORT_KIND_OUTGOING_ORDER: (
        "outgoing_order.stock_location_id",
        "outgoing_order.order_id",
    ),
}
"""By what an element of each kind is found, as paths of the fields of a preview."""

_NUMBERS: Final = frozenset({"register_close.sequence_number", "stock_event_number"})
_SHOWN_CHARACTERS_MAX: Final = 100_000


async def list_queues(desk: Desk) -> Response:
    """Show a page of the queues with how each is doing."""
    request = export_queue_pb2.ListExportQueuesRequest(
        page_size=PAGE_SIZE, page_token=desk.query("page")
    )
    answer = await desk.call(request)
    rows = [await _get(desk, each.id) for each in answer.queues]
    return desk.page("queues.html.jinja", rows=rows, next_page=answer.next_page_token)


async def _get(desk: Desk, queue_id: str) -> Any:
    return await desk.call(export_queue_pb2.GetExportQueueRequest(queue_id=queue_id))


async def show_queue(desk: Desk) -> Response:
    """Show how a queue is doing, and what can be done to it."""
    answer = await _get(desk, desk.query("id"))
    fields = element_fields(answer.queue.kind)
    return desk.page("queue.html.jinja", answer=answer, queue=answer.queue, fields=fields)


def element_fields(kind: int) -> list[Field]:
    """Return the fields by which an element of a kind is found."""
    return [Field(path, is_required=True) for path in _ELEMENT_FIELDS.get(kind, ())]


async def edit_queue(desk: Desk) -> Response:
    """Show the form of a queue, or of a new one."""
    queue_id = desk.query("id")
    queue = export_queue_pb2.ExportQueue()
    desk.require("UpdateExportQueue" if queue_id else "CreateExportQueue")
    if queue_id:
        queue = (await _get(desk, queue_id)).queue
    return _form(desk, queue, export_forms.show_queue(queue))


async def save_queue(desk: Desk) -> Response:
    """Store what the form says; secrets that were left empty stay as they are."""
    queue_id = desk.query("id")
    verb = "Update" if queue_id else "Create"
    desk.require(f"{verb}ExportQueue")
    queue = export_queue_pb2.ExportQueue()
    if queue_id:
        queue = (await _get(desk, queue_id)).queue
        queue.revision = forms.integer(desk.form.text("revision") or "0")
    known_names = list(queue.secret_names)
    found: Any = export_forms.read_queue(desk.form, queue, is_new=not queue_id)
    if not found:
        request: Message = getattr(export_queue_pb2, f"{verb}ExportQueueRequest")(queue=queue)
        try:
            answer = await desk.call(request)
            return desk.see("exports/queue", id=answer.queue.id, done="saved")
        except PermissionDenied:
            raise
        except TillcoreError as error:
            found = error.problems or [("", error.message)]
    problems = _placed(desk, found)
    values = export_forms.show_queue(queue)
    values |= {name: desk.form.get(name, "") for name in values if name in desk.form}
    del queue.secret_names[:]
    queue.secret_names.extend(known_names)
    return _form(desk, queue, values, problems=problems)


def _placed(desk: Desk, found: Iterable[FieldProblem | tuple[str, str]]) -> list[forms.Problem]:
    """Return problems with the fields that they are about; those of secrets have their own."""
    delivery = desk.form.text("delivery")
    problems: list[forms.Problem] = []
    for each in found:
        path = each.field if isinstance(each, FieldProblem) else each[0]
        message = each.message if isinstance(each, FieldProblem) else each[1]
        name = path.removeprefix("queue.").removeprefix("secrets.")
        if name in export_forms.SECRETS.get(delivery, ()):
            own = forms.Problem(f"f-secrets-{delivery}-{name}", desk.choice(name), message)
            problems.append(own)
        elif "secrets" in path.split(".")[:2]:
            label = desk.word("field_secrets")
            problems.append(forms.Problem("f-secrets", label, message))
        else:
            fields = export_forms.all_fields()
            problems += forms.placed([each], fields, under="queue", word=desk.word)
    return problems


def _form(
    desk: Desk, queue: export_queue_pb2.ExportQueue, values: dict[str, str], *, problems: Any = ()
) -> Response:
    return desk.page(
        "queue_form.html.jinja",
        status=400 if problems else 200,
        queue=queue,
        queue_id=desk.query("id"),
        values=values,
        choices=export_forms.choices(queue),
        general=export_forms.GENERAL,
        groups=(
            ("trigger", export_forms.TRIGGERS),
            ("transform", export_forms.TRANSFORMS),
            ("delivery", export_forms.DELIVERIES),
        ),
        secrets=export_forms.SECRETS,
        csv_parts=csv_parts(),
        problems=problems,
    )


_ACTIONS: Final = {
    "pause": export_queue_pb2.PauseExportQueueRequest,
    "resume": export_queue_pb2.ResumeExportQueueRequest,
    "run": export_queue_pb2.RunExportQueueRequest,
}


async def act(desk: Desk, action: str) -> Response:
    """Pause a queue, let it go on, or run it now."""
    queue_id = desk.query("id")
    await desk.call(_ACTIONS[action](queue_id=queue_id))
    return desk.see("exports/queue", id=queue_id, done=action)


async def delete_queue(desk: Desk) -> Response:
    """Remove a queue; what waits in it is only dropped when somebody has said so."""
    request = export_queue_pb2.DeleteExportQueueRequest(
        queue_id=desk.query("id"),
        revision=forms.integer(desk.form.text("revision") or "0"),
        drop_waiting=bool(desk.form.text("drop_waiting")),
    )
    await desk.call(request)
    return desk.see("exports", done="deleted")


# --- previews --------------------------------------------------------------------------------


async def preview(desk: Desk) -> Response:
    """Show what a queue would make of something that is stored, without delivering it."""
    queue_id = desk.query("id")
    queue = (await _get(desk, queue_id)).queue
    fields = element_fields(queue.kind)
    values = {field.path: desk.query(field.path) for field in fields}
    made, problems = None, []
    try:
        made = await _made(desk, queue_id, fields)
    except TillcoreError as error:
        if isinstance(error, PermissionDenied):
            raise
        found: Any = error.problems or [("", error.message)]
        problems = forms.placed(found, fields, under="element", word=desk.word)
    except forms.BadFieldError as error:
        problems = [forms.Problem("", "", str(error))]
    kind = "" if made is None else _shown_as(made.content_type)
    text = ""
    if made is not None and kind == "text":
        text = made.body.decode("utf-8", "replace")[:_SHOWN_CHARACTERS_MAX]
    return desk.page(
        "preview.html.jinja",
        status=400 if problems else 200,
        queue=queue,
        fields=fields,
        values=values,
        made=made,
        kind=kind,
        text=text,
        content=desk.link("exports/preview/content", id=queue_id, **values),
        problems=problems,
    )


async def preview_content(desk: Desk) -> Response:
    """Return the file of a preview: a page for a frame where it may do nothing, or a download."""
    queue_id = desk.query("id")
    queue = (await _get(desk, queue_id)).queue
    try:
        made = await _made(desk, queue_id, element_fields(queue.kind))
    except forms.BadFieldError as error:
        raise InvalidInput([]) from error
    if _shown_as(made.content_type) == "html":
        return desk.framed(made.body, made.content_type)
    return desk.framed(made.body, "application/octet-stream", file_name=f"preview{made.extension}")


async def _made(desk: Desk, queue_id: str, fields: list[Field]) -> Any:
    request = export_preview_pb2.PreviewExportRequest(queue_id=queue_id)
    for field in fields:
        holder: Any = request.element
        *steps, name = field.path.split(".")
        for step in steps:
            holder = getattr(holder, step)
        text = desk.query(field.path)
        setattr(holder, name, forms.integer(text or "0") if field.path in _NUMBERS else text)
    return await desk.call(request)


def _shown_as(content_type: str) -> str:
    """Return how a page shows a file: in a frame, as text, or not at all."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/html":
        return "html"
    is_text = kind.startswith("text/") or kind in ("application/json", "application/xml")
    return "text" if is_text else "file"
