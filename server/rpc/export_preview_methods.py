"""The method of ExportService that shows what an export would be."""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

from sqlalchemy import Connection

from engine.errors import FieldProblem, InvalidInput, Reason, StoreUnavailable, invalid
from engine.rpc.basket_service import parse
from engine.rpc.convert.fields import Problems
from server.auth import current_principal
from server.catalog.imports import MARKET_DEFAULT
from server.exports.checks import transform_problems
from server.exports.linking import linked
from server.exports.queue import Transform
from server.exports.sandbox import SandboxUnavailable
from server.exports.transforms.job import Element, Job, Made, TransformError
from server.links import Links
from server.rpc.export_queue_messages import KINDS
from server.rpc.export_transform_messages import transform_from_proto
from server.rpc.request_ids import required_id
from server.storage import Store
from server.storage import export_entities as entities
from server.storage.export_queues import get_queue, queue_of
from server.storage.exports import ExportEvent, QueueName
from tillcore.v1 import export_preview_pb2

BODY_BYTES_MAX: Final = 3 * 1024 * 1024
"""How much of a body is shown: a message has at most 4 MiB."""

_NUMBER_MAX: Final = 2**63 - 1

Find = Callable[[Connection], ExportEvent]


class Transformer(Protocol):
    """Does the jobs of transforms; a `server.exports.sandbox.Sandbox`."""

    async def transform(self, job: Job) -> Made:
        """Return what a transform makes of its elements.

        Raises:
            TransformError: It cannot be done.
            SandboxUnavailable: It cannot be tried now.
        """
        ...


class _Found(NamedTuple):
    """What is exported, and the transform of the queue; None where the request brings one."""

    event: ExportEvent
    transform: Transform | None


class ExportPreviewMethods:
    """Transform what is stored without delivering it."""

    def __init__(
        self, store: Store, transformer: Transformer, *, links: Links | None = None
    ) -> None:
        """Serve a store; `links` signs the links that transforms make."""
        self._store = store
        self._transformer = transformer
        self._links = links

    async def preview_export(self, data: bytes) -> bytes:
        """Answer a PreviewExportRequest."""
        request = parse(export_preview_pb2.PreviewExportRequest, data)
        problems = Problems()
        find = _find(request.element, problems)
        queue_id, sent = "", None
        match request.WhichOneof("with"):
            case "queue_id":
                queue_id = required_id(request, "queue_id", problems)
            case "transform":
                sent = transform_from_proto(request.transform, "transform", problems)
            case _:
                problems.required("transform", "a transform, or a queue_id")
        problems.finish()
        name = QueueName(current_principal().account_id, queue_id) if queue_id else None
        event, of_queue = await self._store.read(partial(_read, find=find, name=name))
        transform = sent if of_queue is None else of_queue
        assert transform is not None, "one of both is there"
        made = await self._made(event, transform, is_sent=of_queue is None)
        body = made.body or b""
        return export_preview_pb2.PreviewExportResponse(
            body=body[:BODY_BYTES_MAX],
            body_size=len(body),
            content_type=made.content_type,
            extension=made.extension,
            skipped=made.body is None,
            kind=KINDS[event.kind],
            element_key=event.element_key,
        ).SerializeToString()

    async def _made(self, event: ExportEvent, transform: Transform, *, is_sent: bool) -> Made:
        """Return what a transform makes of an event.

        Raises:
            InvalidInput: Something is wrong with the transform, or it cannot be done.
            StoreUnavailable: It cannot be tried now.
        """
        if is_sent and (found := transform_problems(transform, event.kind)):
            raise InvalidInput(
                FieldProblem(f"transform.{each.field}", each.reason, each.message) for each in found
            )
        element = Element(event.element_key, event.payload)
        ready = linked(transform, account_id=current_principal().account_id, links=self._links)
        job = Job(kind=event.kind, transform=ready, elements=(element,))
        try:
            return await self._transformer.transform(job)
        except TransformError as error:
            raise invalid("transform", Reason.MALFORMED, str(error)) from error
        except SandboxUnavailable as error:
            raise StoreUnavailable(f"the transform cannot be tried now: {error}") from error


def _read(connection: Connection, *, find: Find, name: QueueName | None) -> _Found:
    """Return what is exported, and the transform of a queue.

    Raises:
        NotFound: The account has no such thing, or no such queue.
        InvalidInput: The thing is of another kind than the queue.
    """
    if name is None:
        return _Found(find(connection), None)
    queue = queue_of(get_queue(connection, name))
    event = find(connection)
    if event.kind is not queue.kind:
        message = f"expected a {queue.kind.name} as the queue takes, was a {event.kind.name}"
        raise invalid("element", Reason.NOT_ALLOWED, message)
    return _Found(event, queue.configuration.transform)


# --- what is exported ------------------------------------------------------------------------


def _find(message: export_preview_pb2.ExportElement, problems: Problems) -> Find:
    """Return what finds the element of a request; after a problem it is not called."""
    account_id = current_principal().account_id
    kind = message.WhichOneof("kind")
    path = f"element.{kind}"
    match kind:
        case "checkout_id":
            checkout_id = problems.required_id("element", kind, message.checkout_id)
            return lambda connection: entities.find_checkout(connection, account_id, checkout_id)
        case "sale_id":
            sale_id = problems.required_id("element", kind, message.sale_id)
            return lambda connection: entities.find_sale(connection, account_id, sale_id)
        case "register_close":
            close = _close(message.register_close, path, problems)
            return lambda connection: entities.find_register_close(connection, account_id, close)
        case "product":
            product = _product(message.product, path, problems)
            return lambda connection: entities.find_product(connection, account_id, product)
        case "newsletter_signup_id":
            signup_id = problems.required_id("element", kind, message.newsletter_signup_id)
            return lambda connection: entities.find_signup(connection, account_id, signup_id)
        case "stock_event_number":
            number = message.stock_event_number
            problems.between_at(path, number, 1, _NUMBER_MAX)
            return lambda connection: entities.find_stock_event(connection, account_id, number)
        case "incoming_order":
            incoming = _order(message.incoming_order, path, problems)
            return lambda connection: entities.find_incoming_order(connection, account_id, incoming)
        case "outgoing_order":
            outgoing = _order(message.outgoing_order, path, problems)
            return lambda connection: entities.find_outgoing_order(connection, account_id, outgoing)
        case "entry":
            queue_id = problems.required_id(path, "queue_id", message.entry.queue_id)
            entry_number = message.entry.entry_number
            problems.between(path, "entry_number", entry_number, 1, _NUMBER_MAX)
            return lambda connection: entities.find_placed(
                connection, QueueName(account_id, queue_id), entry_number
            )
        case _:
            problems.required("element", "something that is stored")
            return _nothing


def _nothing(connection: Connection) -> ExportEvent:
    del connection
    raise AssertionError("a request that names nothing is refused")


def _close(
    message: export_preview_pb2.ExportRegisterClose, path: str, problems: Problems
) -> entities.CloseName:
    return entities.CloseName(
        problems.required_id(path, "register_id", message.register_id),
        problems.between(path, "sequence_number", message.sequence_number, 1, _NUMBER_MAX),
    )


def _product(
    message: export_preview_pb2.ExportProduct, path: str, problems: Problems
) -> entities.ProductName:
    return entities.ProductName(
        problems.optional_id(path, "market_id", message.market_id) or MARKET_DEFAULT,
        problems.optional_id(path, "shop_id", message.shop_id) or "",
        problems.required_id(path, "product_id", message.product_id),
    )


def _order(
    message: export_preview_pb2.ExportOrderName, path: str, problems: Problems
) -> entities.OrderName:
    return entities.OrderName(
        problems.required_id(path, "stock_location_id", message.stock_location_id),
        problems.required_id(path, "order_id", message.order_id),
    )
