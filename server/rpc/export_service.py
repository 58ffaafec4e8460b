"""Serve ExportService: the export queues of the caller's account."""

from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from sqlalchemy import Connection, RowMapping

from engine.errors import Reason, WrongState, invalid
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour, Calls
from engine.rpc.convert.fields import Problems
from server.auth import current_principal
from server.exports.log_bell import LogBell
from server.exports.network import Rules
from server.exports.queue import Cron, ExportQueue, QueueState
from server.exports.queue_changes import Office, change_queue, create_queue
from server.exports.secrets import SecretBox, SecretsError
from server.links import Links
from server.rpc.export_log_methods import ExportLogMethods
from server.rpc.export_preview_methods import ExportPreviewMethods, Transformer
from server.rpc.export_queue_messages import (
    KIND_OF,
    queue_from_proto,
    queue_to_proto,
    status_to_proto,
)
from server.rpc.pages import after_id, page_size, page_token
from server.rpc.request_ids import the_id
from server.storage import Store
from server.storage.export_queues import (
    QueueStatus,
    delete_queue,
    fire_now,
    get_queue,
    list_queues,
    lock_queue,
    queue_of,
    read_status,
    set_state,
)
from server.storage.exports import QueueName
from server.storage.resources import Page, check_revision
from tillcore.v1 import export_queue_pb2, export_service_pb2

Clock = Callable[[], int]

SERVICE_NAME: Final = export_service_pb2.DESCRIPTOR.services_by_name["ExportService"].full_name


class ExportService:
    """Answer the methods of ExportService, each in one transaction of a store."""

    def __init__(
        self,
        store: Store,
        box: SecretBox,
        transformer: Transformer,
        rules: Rules,
        *,
        clock: Clock,
        bell: LogBell | None = None,
        links: Links | None = None,
    ) -> None:
        """Serve a store.

        Args:
            store: Keeps everything.
            box: Seals and opens the secrets of queues.
            transformer: Does the transforms of previews.
            rules: What the operator allows of deliveries.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
            bell: Rings when this process has written to a log; without it the store is asked.
            links: Signs the links that transforms make in previews.
        """
        self._store = store
        self._box = box
        self._rules = rules
        self._clock = clock
        self._logs = ExportLogMethods(store, bell or LogBell())
        self._previews = ExportPreviewMethods(store, transformer, links=links)

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the unary methods by their names."""
        return {
            "CreateExportQueue": self.create_export_queue,
            "GetExportQueue": self.get_export_queue,
            "ListExportQueues": self.list_export_queues,
            "UpdateExportQueue": self.update_export_queue,
            "DeleteExportQueue": self.delete_export_queue,
            "PauseExportQueue": self.pause_export_queue,
            "ResumeExportQueue": self.resume_export_queue,
            "RunExportQueue": self.run_export_queue,
            "PreviewExport": self._previews.preview_export,
            **self._logs.behaviours(),
        }

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Return the handler of the service, for `add_generic_rpc_handlers`."""
        handlers = {name: calls.unary(name, each) for name, each in self.behaviours().items()}
        watch = calls.watch("WatchExports", self._logs.watch_exports)
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME, {**handlers, "WatchExports": watch}
        )

    # --- queues ------------------------------------------------------------------------------

    async def create_export_queue(self, data: bytes) -> bytes:
        """Answer a CreateExportQueueRequest."""
        request = parse(export_queue_pb2.CreateExportQueueRequest, data)
        queue, sent = _queue(request)
        account_id, office = current_principal().account_id, self._office()

        def work(connection: Connection) -> tuple[RowMapping, bool]:
            return create_queue(connection, queue, sent, account_id=account_id, office=office)

        # After a lost reply to COMMIT the store runs it again, which then finds the queue.
        row, is_replayed = await self._store.write(work, settled=lambda _: None)
        return _answer(
            export_queue_pb2.CreateExportQueueResponse,
            queue=self._to_proto(row),
            replayed=is_replayed,
        )

    async def get_export_queue(self, data: bytes) -> bytes:
        """Answer a GetExportQueueRequest."""
        request = parse(export_queue_pb2.GetExportQueueRequest, data)
        name = _name(request)

        def work(connection: Connection) -> tuple[RowMapping, QueueStatus]:
            return get_queue(connection, name), read_status(connection, name)

        row, status = await self._store.read(work)
        return _answer(
            export_queue_pb2.GetExportQueueResponse,
            queue=self._to_proto(row),
            status=status_to_proto(status, now_ns=self._clock()),
        )

    async def list_export_queues(self, data: bytes) -> bytes:
        """Answer a ListExportQueuesRequest."""
        request = parse(export_queue_pb2.ListExportQueuesRequest, data)
        method = "ListExportQueues"
        kind = KIND_OF.get(request.kind)
        if request.kind and kind is None:
            known = ", ".join(each.name for each in KIND_OF.values())
            message = f"expected one of {known}, was {request.kind}"
            raise invalid("kind", Reason.UNKNOWN_VALUE, message)
        account_id, count = current_principal().account_id, page_size(request.page_size)
        conditions = {} if kind is None else {"kind": kind.value}
        after = after_id(request.page_token, method=method, conditions=conditions)

        def work(connection: Connection) -> Page:
            return list_queues(
                connection, account_id=account_id, kind=kind, after_id=after, count=count
            )

        page = await self._store.read(work)
        token = ""
        if page.has_more:
            token = page_token(page.rows[-1]["queue_id"], method=method, conditions=conditions)
        return _answer(
            export_queue_pb2.ListExportQueuesResponse,
            queues=map(self._to_proto, page.rows),
            next_page_token=token,
        )

    async def update_export_queue(self, data: bytes) -> bytes:
        """Answer an UpdateExportQueueRequest."""
        request = parse(export_queue_pb2.UpdateExportQueueRequest, data)
        queue, sent = _queue(request)
        account_id, office = current_principal().account_id, self._office()

        def work(connection: Connection) -> RowMapping:
            return change_queue(
                connection,
                queue,
                sent,
                account_id=account_id,
                revision=request.queue.revision,
                office=office,
            )

        try:
            row = await self._store.write(work)
        except SecretsError as error:
            raise WrongState(str(error)) from error
        return _answer(export_queue_pb2.UpdateExportQueueResponse, queue=self._to_proto(row))

    async def delete_export_queue(self, data: bytes) -> bytes:
        """Answer a DeleteExportQueueRequest."""
        request = parse(export_queue_pb2.DeleteExportQueueRequest, data)
        name = _name(request)

        def work(connection: Connection) -> None:
            known = lock_queue(connection, name, is_going=True)
            check_revision(known, request.revision)
            delete_queue(connection, known, is_dropping=request.drop_waiting)

        await self._store.write(work)
        return _answer(export_queue_pb2.DeleteExportQueueResponse)

    # --- what queues do ----------------------------------------------------------------------

    async def pause_export_queue(self, data: bytes) -> bytes:
        """Answer a PauseExportQueueRequest."""
        request = parse(export_queue_pb2.PauseExportQueueRequest, data)
        row = await self._set_state(_name(request), QueueState.PAUSED)
        return _answer(export_queue_pb2.PauseExportQueueResponse, queue=self._to_proto(row))

    async def resume_export_queue(self, data: bytes) -> bytes:
        """Answer a ResumeExportQueueRequest."""
        request = parse(export_queue_pb2.ResumeExportQueueRequest, data)
        row = await self._set_state(_name(request), QueueState.ACTIVE)
        return _answer(export_queue_pb2.ResumeExportQueueResponse, queue=self._to_proto(row))

    async def run_export_queue(self, data: bytes) -> bytes:
        """Answer a RunExportQueueRequest."""
        request = parse(export_queue_pb2.RunExportQueueRequest, data)
        name, now_ns = _name(request), self._clock()

        def work(connection: Connection) -> None:
            known = lock_queue(connection, name)
            queue = queue_of(known)
            if not isinstance(queue.configuration.trigger, Cron):
                raise WrongState("expected a queue with a cron trigger, was one in real time")
            if queue.state is not QueueState.ACTIVE:
                raise WrongState(f"expected a queue that is active, was {queue.state.value}")
            fire_now(connection, known, now_ns=now_ns)

        await self._store.write(work)
        return _answer(export_queue_pb2.RunExportQueueResponse)

    async def _set_state(self, name: QueueName, state: QueueState) -> RowMapping:
        return await self._store.write(
            lambda connection: set_state(connection, lock_queue(connection, name), state)
        )

    def _office(self) -> Office:
        return Office(self._box, self._rules, self._clock())

    def _to_proto(self, row: RowMapping) -> export_queue_pb2.ExportQueue:
        """Return the message of a queue; without names where its secrets cannot be opened."""
        name = QueueName(row["account_id"], row["queue_id"])
        try:
            secrets = self._box.open(row["secrets"], name)
        except SecretsError:
            secrets = {}
        return queue_to_proto(row, secrets)


def _answer(kind: type[Any], **fields: Any) -> bytes:
    message: Message = kind(**fields)
    return message.SerializeToString()


def _name(request: Any) -> QueueName:
    """Return the queue that a request names."""
    queue_id = the_id(request, "queue_id")
    return QueueName(current_principal().account_id, queue_id)


def _queue(request: Any) -> tuple[ExportQueue, dict[str, str]]:
    """Return the queue of a request and the secrets that were sent with it.

    Raises:
        InvalidInput: A field cannot be read; what it says is checked later.
    """
    problems = Problems()
    if not request.HasField("queue"):
        problems.required("queue", "a queue")
        problems.finish()
    queue = queue_from_proto(request.queue, "queue", problems)
    problems.finish()
    return queue, dict(request.queue.secrets)
