"""The methods of CatalogService about what integrations have imported over HTTP."""

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping

from engine.errors import Reason, invalid
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.time import time_to_proto
from server.auth import current_principal
from server.rpc.pages import after_id, page_size, page_token
from server.storage import Store, import_logs
from server.storage.import_logs import LogFilter
from tillcore.v1 import import_log_pb2

ITEMS_PER_PAGE_MAX: Final = 2_000
"""How many items a page of the log names; those of stock have the longest names."""

_NUMBER_MAX: Final = 2**63 - 1
_STATUSES: Final = {
    import_logs.RUNNING: import_log_pb2.IMPORT_STATUS_RUNNING,
    import_logs.DONE: import_log_pb2.IMPORT_STATUS_DONE,
    import_logs.REFUSED: import_log_pb2.IMPORT_STATUS_REFUSED,
    import_logs.BROKEN: import_log_pb2.IMPORT_STATUS_BROKEN,
}
_OUTCOMES: Final = {
    import_logs.SUCCEEDED: import_log_pb2.IMPORT_OUTCOME_SUCCEEDED,
    import_logs.FAILED: import_log_pb2.IMPORT_OUTCOME_FAILED,
}
_OUTCOME_OF: Final = {int(number): outcome for outcome, number in _OUTCOMES.items()}
_FATES: Final = {
    import_logs.CREATED: import_log_pb2.IMPORT_FATE_CREATED,
    import_logs.UPDATED: import_log_pb2.IMPORT_FATE_UPDATED,
    import_logs.UNCHANGED: import_log_pb2.IMPORT_FATE_UNCHANGED,
    import_logs.DELETED: import_log_pb2.IMPORT_FATE_DELETED,
    import_logs.REFUSED_ITEM: import_log_pb2.IMPORT_FATE_REFUSED,
}


class ImportLogMethods:
    """Show what became of imports."""

    def __init__(self, store: Store) -> None:
        """Serve a store."""
        self._store = store

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the methods by their names."""
        return {"ListImports": self.list_imports, "ListImportLog": self.list_import_log}

    async def list_imports(self, data: bytes) -> bytes:
        """Answer a ListImportsRequest."""
        request = parse(import_log_pb2.ListImportsRequest, data)
        problems = Problems()
        integration = _optional_id(request, "integration", problems)
        type_ = _optional_id(request, "type", problems)
        problems.finish()
        count, method = page_size(request.page_size), "ListImports"
        conditions = {"integration": integration or "", "type": type_ or ""}
        before = _before(after_id(request.page_token, method=method, conditions=conditions))
        account_id = current_principal().account_id

        def work(connection: Connection) -> list[RowMapping]:
            return import_logs.list_requests(
                connection,
                account_id=account_id,
                integration=integration,
                type_=type_,
                before_number=before,
                count=count + 1,
            )

        rows = await self._store.read(work)
        token = ""
        if len(rows) > count:
            last = str(rows[count - 1]["import_number"])
            token = page_token(last, method=method, conditions=conditions)
        return import_log_pb2.ListImportsResponse(
            imports=map(_run_to_proto, rows[:count]), next_page_token=token
        ).SerializeToString()

    async def list_import_log(self, data: bytes) -> bytes:
        """Answer a ListImportLogRequest."""
        request = parse(import_log_pb2.ListImportLogRequest, data)
        wanted = _filter(request)
        count, method = page_size(request.page_size), "ListImportLog"
        conditions = {name: str(value or "") for name, value in wanted._asdict().items()}
        before = _before(after_id(request.page_token, method=method, conditions=conditions))
        account_id = current_principal().account_id

        def work(connection: Connection) -> list[RowMapping]:
            return import_logs.list_log(
                connection,
                wanted,
                account_id=account_id,
                before_number=before,
                count=count + 1,
            )

        rows = await self._store.read(work)
        page, token = _page(rows[:count]), ""
        if len(rows) > len(page):
            last = str(page[-1]["log_number"])
            token = page_token(last, method=method, conditions=conditions)
        return import_log_pb2.ListImportLogResponse(
            entries=map(_entry_to_proto, page), next_page_token=token
        ).SerializeToString()


# --- requests --------------------------------------------------------------------------------


def _filter(request: import_log_pb2.ListImportLogRequest) -> LogFilter:
    """Return which rows a request asks for.

    Raises:
        InvalidInput: A condition is bad.
    """
    problems = Problems()
    if request.outcome and request.outcome not in _OUTCOME_OF:
        message = f"expected a value of the enum, was {request.outcome}"
        problems.add("outcome", Reason.UNKNOWN_VALUE, message)
    problems.between_at("import_number", request.import_number, 0, _NUMBER_MAX)
    wanted = LogFilter(
        integration=_optional_id(request, "integration", problems),
        import_number=request.import_number or None,
        outcome=_OUTCOME_OF.get(request.outcome),
        # Longer than an id: that of stock is made of several.
        item_id=problems.text_at("item_id", request.item_id) or None,
    )
    problems.finish()
    return wanted


def _optional_id(request: Any, name: str, problems: Problems) -> str | None:
    value = str(getattr(request, name))
    return problems.id_at(name, value) if value else None


def _page(rows: list[RowMapping]) -> list[RowMapping]:
    """Return the first rows, at least one, that name no more items than a message takes."""
    item_count = 0
    for index, row in enumerate(rows):
        item_count += len(row["fates"])
        if index and item_count > ITEMS_PER_PAGE_MAX:
            return rows[:index]
    return rows


def _before(last_id: str) -> int | None:
    """Return the number before which a page begins, None for the first page.

    Raises:
        InvalidInput: The token was made up.
    """
    if last_id and not (last_id.isascii() and last_id.isdigit()):
        expected = "expected the next_page_token of the same list, was another"
        raise invalid("page_token", Reason.MALFORMED, expected)
    return int(last_id) if last_id else None


# --- answers ---------------------------------------------------------------------------------


def _run_to_proto(row: RowMapping) -> import_log_pb2.ImportRun:
    finished_ns = row["finished_ns"]
    counts = {
        name: row[name]
        for name in (
            "created_count",
            "updated_count",
            "unchanged_count",
            "deleted_count",
            "refused_count",
        )
    }
    return import_log_pb2.ImportRun(
        import_number=row["import_number"],
        integration=row["integration"],
        type=row["type"],
        method=row["method"],
        parameters=row["parameters"],
        api_key_id=row["key_id"],
        address=row["address"],
        status=_STATUSES[row["status"]],
        message=row["message"],
        receive_time=time_to_proto(row["received_ns"]),
        finish_time=None if finished_ns is None else time_to_proto(finished_ns),
        **counts,
    )


def _entry_to_proto(row: RowMapping) -> import_log_pb2.ImportLogEntry:
    return import_log_pb2.ImportLogEntry(
        log_number=row["log_number"],
        import_number=row["import_number"],
        integration=row["integration"],
        type=row["type"],
        outcome=_OUTCOMES[row["outcome"]],
        items=[
            import_log_pb2.ImportedItem(id=id_, fate=_FATES[fate])
            for id_, fate in import_logs.items_of(row)
        ],
        message=row["message"],
        problems=[
            import_log_pb2.ImportProblem(**each) for each in msgspec.json.decode(row["fields"])
        ],
        time=time_to_proto(row["at_ns"]),
    )
