"""The methods of ExportService about entries and logs."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, RowMapping

from engine.errors import Reason
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour
from engine.rpc.convert.fields import Problems
from server.auth import current_principal
from server.exports.log_bell import LogBell
from server.rpc.export_log_messages import (
    attempt_to_proto,
    element_key,
    entry_filter,
    entry_to_proto,
    log_filter,
    state_filter,
)
from server.rpc.pages import after_id, page_size, page_token
from server.rpc.request_ids import required_id
from server.storage import Store
from server.storage.export_logs import (
    RETRIES_MAX,
    News,
    Retried,
    attempts_at,
    get_entry,
    list_entries,
    list_log,
    log_ends,
    read_news,
    retry_filtered,
    retry_numbers,
)
from server.storage.export_queues import get_queue, lock_queue
from server.storage.exports import QueueName
from tillcore.v1 import export_log_pb2

POLL_SECONDS: Final = 0.5
"""How often the store is asked for rows that another process has written."""

ROWS_PER_MESSAGE_MAX: Final = 500

_NUMBER_MAX: Final = 2**63 - 1


class ExportLogMethods:
    """Show what became of exports, and have entries sent again."""

    def __init__(self, store: Store, bell: LogBell) -> None:
        """Serve a store; the bell rings when this process has written to a log."""
        self._store = store
        self._bell = bell

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the unary methods by their names."""
        return {
            "ListExportLog": self.list_export_log,
            "ListExportEntries": self.list_export_entries,
            "GetExportEntry": self.get_export_entry,
            "RetryExports": self.retry_exports,
        }

    async def list_export_log(self, data: bytes) -> bytes:
        """Answer a ListExportLogRequest."""
        request = parse(export_log_pb2.ListExportLogRequest, data)
        problems = Problems()
        name = _queue_of(request, problems)
        wanted = log_filter(request, problems)
        problems.finish()
        count, method = page_size(request.page_size), "ListExportLog"
        conditions = {"queue_id": name.queue_id} | {
            field: str(value) for field, value in wanted._asdict().items() if value is not None
        }
        before = _before(after_id(request.page_token, method=method, conditions=conditions))

        def work(connection: Connection) -> list[RowMapping]:
            get_queue(connection, name)
            return list_log(connection, name, wanted, before_number=before, count=count + 1)

        rows = await self._store.read(work)
        token = ""
        if len(rows) > count:
            last = str(rows[count - 1]["log_number"])
            token = page_token(last, method=method, conditions=conditions)
        return export_log_pb2.ListExportLogResponse(
            attempts=map(attempt_to_proto, rows[:count]), next_page_token=token
        ).SerializeToString()

    async def list_export_entries(self, data: bytes) -> bytes:
        """Answer a ListExportEntriesRequest."""
        request = parse(export_log_pb2.ListExportEntriesRequest, data)
        problems = Problems()
        name = _queue_of(request, problems)
        state = state_filter(request, problems)
        element = element_key(request, "element_key", problems)
        problems.finish()
        count, method = page_size(request.page_size), "ListExportEntries"
        conditions = {
            "queue_id": name.queue_id,
            "state": state or "",
            "element_key": element or "",
        }
        before = _before(after_id(request.page_token, method=method, conditions=conditions))

        def work(connection: Connection) -> list[RowMapping]:
            get_queue(connection, name)
            return list_entries(
                connection,
                name,
                state=state,
                element_key=element,
                before_number=before,
                count=count + 1,
            )

        rows = await self._store.read(work)
        token = ""
        if len(rows) > count:
            last = str(rows[count - 1]["entry_number"])
            token = page_token(last, method=method, conditions=conditions)
        return export_log_pb2.ListExportEntriesResponse(
            entries=map(entry_to_proto, rows[:count]), next_page_token=token
        ).SerializeToString()

    async def get_export_entry(self, data: bytes) -> bytes:
        """Answer a GetExportEntryRequest."""
        request = parse(export_log_pb2.GetExportEntryRequest, data)
        problems = Problems()
        name = _queue_of(request, problems)
        problems.between_at("entry_number", request.entry_number, 1, _NUMBER_MAX)
        problems.finish()

        def work(connection: Connection) -> tuple[RowMapping, list[RowMapping]]:
            get_queue(connection, name)
            entry = get_entry(connection, name, request.entry_number)
            return entry, attempts_at(connection, entry)

        entry, attempts = await self._store.read(work)
        return export_log_pb2.GetExportEntryResponse(
            entry=entry_to_proto(entry),
            payload_json=bytes(entry["payload"]).decode(),
            attempts=map(attempt_to_proto, attempts),
        ).SerializeToString()

    async def retry_exports(self, data: bytes) -> bytes:
        """Answer a RetryExportsRequest."""
        request = parse(export_log_pb2.RetryExportsRequest, data)
        problems = Problems()
        name = _queue_of(request, problems)
        match request.WhichOneof("which"):
            case "numbers":
                numbers = _numbers(request.numbers.entry_numbers, problems)
                retry = partial(retry_numbers, name=name, numbers=numbers)
            case "filter":
                wanted = entry_filter(request.filter, "filter", problems)
                retry = partial(retry_filtered, name=name, wanted=wanted)
            case _:
                problems.required("filter", "a filter, or numbers")
                retry = partial(retry_numbers, name=name, numbers=())
        problems.finish()

        def work(connection: Connection) -> Retried:
            lock_queue(connection, name)
            return retry(connection)

        retried = await self._store.write(work)
        return export_log_pb2.RetryExportsResponse(
            retried_count=retried.retried_count, more=retried.has_more
        ).SerializeToString()

    async def watch_exports(self, data: bytes) -> AsyncGenerator[bytes, None]:
        """Answer a WatchExportsRequest until it is cancelled."""
        request = parse(export_log_pb2.WatchExportsRequest, data)
        problems = Problems()
        known = _known(request, problems)
        problems.finish()
        account_id, queue_id = current_principal().account_id, request.queue_id

        def begin(connection: Connection) -> dict[str, int]:
            if queue_id:
                get_queue(connection, QueueName(account_id, queue_id))
            return known or log_ends(connection, account_id=account_id, queue_id=queue_id)

        news = News([], await self._store.read(begin))
        while True:
            news = await self._store.read(
                partial(
                    read_news,
                    account_id=account_id,
                    queue_id=queue_id,
                    known_numbers=news.known_numbers,
                    count=ROWS_PER_MESSAGE_MAX,
                )
            )
            if news.rows:
                yield export_log_pb2.WatchExportsResponse(
                    attempts=map(attempt_to_proto, news.rows)
                ).SerializeToString()
            else:
                await self._bell.wait(POLL_SECONDS)


def _queue_of(request: Any, problems: Problems) -> QueueName:
    """Return the queue that a request names."""
    queue_id = required_id(request, "queue_id", problems)
    return QueueName(current_principal().account_id, queue_id)


def _before(last_id: str) -> int | None:
    """Return the number before which a page begins, None for the first page."""
    return int(last_id) if last_id else None


def _numbers(numbers: Any, problems: Problems) -> tuple[int, ...]:
    """Return the numbers of entries, each once."""
    path = "numbers.entry_numbers"
    if not numbers:
        problems.required(path, "at least one number")
    if len(numbers) > RETRIES_MAX:
        message = f"expected at most {RETRIES_MAX}, was {len(numbers)}"
        problems.add(path, Reason.TOO_MANY, message)
        return ()
    for index, number in enumerate(numbers):
        problems.between_at(f"{path}[{index}]", number, 1, _NUMBER_MAX)
    return tuple(dict.fromkeys(numbers))


def _known(request: export_log_pb2.WatchExportsRequest, problems: Problems) -> dict[str, int]:
    """Return the row after which the answer begins; empty for what is written from now on."""
    if request.queue_id:
        problems.id_at("queue_id", request.queue_id)
    if not request.HasField("after_log_number"):
        return {}
    problems.between_at("after_log_number", request.after_log_number, 0, _NUMBER_MAX)
    if not request.queue_id:
        message = "expected a queue_id beside it, was none"
        problems.add("after_log_number", Reason.NOT_ALLOWED, message)
    return {request.queue_id: request.after_log_number}
