"""Convert the entries and the logs of export queues between messages and values."""

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from sqlalchemy import RowMapping

from engine.errors import Reason
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.time import time_from_proto, time_to_proto
from server.exports.delivery_id import delivery_id
from server.exports.outcome import Failure
from server.storage.export_logs import EntryFilter, LogFilter
from server.storage.export_results import RETRIED
from server.storage.exports import DELIVERED, FAILED, WAITING
from tillcore.v1 import export_log_pb2 as pb

_NS_PER_SECOND: Final = 10**9

_STATES: Final = {
    WAITING: pb.EXPORT_ENTRY_STATE_WAITING,
    DELIVERED: pb.EXPORT_ENTRY_STATE_DELIVERED,
    FAILED: pb.EXPORT_ENTRY_STATE_FAILED,
}
_OUTCOMES: Final = {
    DELIVERED: pb.EXPORT_OUTCOME_DELIVERED,
    FAILED: pb.EXPORT_OUTCOME_FAILED,
    RETRIED: pb.EXPORT_OUTCOME_RETRIED,
}
_FAILURES: Final = {
    each.value: pb.ExportFailure.Value(f"EXPORT_FAILURE_{each.name}") for each in Failure
}
"""The wire number of each failure by its name in the store."""

_STATE_OF: Final[Mapping[int, str]] = {number: state for state, number in _STATES.items()}
_OUTCOME_OF: Final[Mapping[int, str]] = {number: outcome for outcome, number in _OUTCOMES.items()}
_FAILURE_OF: Final[Mapping[int, str]] = {number: failure for failure, number in _FAILURES.items()}


def entry_to_proto(row: RowMapping) -> pb.ExportEntry:
    """Return the message of an entry, without its payload."""
    name = (row["account_id"], row["queue_id"])
    entry = pb.ExportEntry(
        queue_id=row["queue_id"],
        entry_number=row["entry_number"],
        element_key=row["element_key"],
        state=_STATES[row["state"]],
        create_time=time_to_proto(row["created_ns"]),
        generation=row["generation"],
        attempt_count=row["attempt_count"],
        last_error=row["last_error"],
        delivery_id=delivery_id(*name, row["entry_number"]),
    )
    if row["state"] == WAITING and row["not_before_ns"]:
        entry.not_before_time.CopyFrom(time_to_proto(row["not_before_ns"]))
    if row["ended_ns"] is not None:
        entry.end_time.CopyFrom(time_to_proto(row["ended_ns"]))
    return entry


def attempt_to_proto(row: RowMapping) -> pb.ExportAttempt:
    """Return the message of a row of a log."""
    seconds, nanos = divmod(row["elapsed_ns"], _NS_PER_SECOND)
    return pb.ExportAttempt(
        queue_id=row["queue_id"],
        log_number=row["log_number"],
        entry_number=row["entry_number"],
        element_key=row["element_key"],
        outcome=_OUTCOMES[row["outcome"]],
        generation=row["generation"],
        attempt_number=row["attempt_number"],
        status=row["status"],
        failure=_FAILURES[row["failure"]] if row["failure"] else pb.EXPORT_FAILURE_UNSPECIFIED,
        error=row["error"],
        response=row["response"],
        delivery_id=row["delivery_id"],
        elapsed=Duration(seconds=seconds, nanos=nanos),
        end_time=time_to_proto(row["ended_ns"]),
    )


def log_filter(request: pb.ListExportLogRequest, problems: Problems) -> LogFilter:
    """Return which rows of a log a request asks for."""
    return LogFilter(
        outcome=_chosen(request.outcome, _OUTCOME_OF, "outcome", problems),
        element_key=element_key(request, "element_key", problems),
        from_ns=_moment(request, "from_time", "", problems),
        until_ns=_moment(request, "until_time", "", problems),
    )


def state_filter(request: pb.ListExportEntriesRequest, problems: Problems) -> str | None:
    """Return the state of the entries that a request asks for, None for all."""
    return _chosen(request.state, _STATE_OF, "state", problems)


def element_key(request: Any, path: str, problems: Problems) -> str | None:
    """Return the element that a request asks for, None for all."""
    value = str(request.element_key)
    return problems.text_at(path, value) or None


def entry_filter(message: pb.ExportEntryFilter, path: str, problems: Problems) -> EntryFilter:
    """Return which entries are to be sent again."""
    state = _chosen(message.state, _STATE_OF, f"{path}.state", problems) or FAILED
    if state == WAITING:
        expected = "expected FAILED or DELIVERED"
        problems.add(f"{path}.state", Reason.NOT_ALLOWED, f"{expected}, was WAITING")
    failure = _chosen(message.failure, _FAILURE_OF, f"{path}.failure", problems)
    if failure is not None and state != FAILED:
        expected = "expected a failure with the state FAILED only"
        problems.add(f"{path}.failure", Reason.NOT_ALLOWED, f"{expected}, was with {state}")
    return EntryFilter(
        state=state,
        element_key=element_key(message, f"{path}.element_key", problems),
        from_ns=_moment(message, "created_from_time", path, problems),
        until_ns=_moment(message, "created_until_time", path, problems),
        failure=failure,
    )


def _chosen(number: int, choices: Mapping[int, str], field: str, problems: Problems) -> str | None:
    """Return the word of the store for an enum value; None for the one that says nothing."""
    if number and number not in choices:
        known = ", ".join(sorted(choices.values()))
        problems.add(field, Reason.UNKNOWN_VALUE, f"expected one of {known}, was {number}")
    return choices.get(number)


def _moment(message: Any, name: str, path: str, problems: Problems) -> int | None:
    if not message.HasField(name):
        return None
    return time_from_proto(getattr(message, name), path, name, problems)
