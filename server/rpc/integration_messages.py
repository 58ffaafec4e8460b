"""Convert integrations, their payments and the log of calls between messages and values."""

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from sqlalchemy import RowMapping

from engine.errors import Reason
from engine.rpc.convert.fields import Problems, members_of, numbers_of
from engine.rpc.convert.time import time_to_proto
from server.integrations.caller import Outcome
from server.integrations.integration import (
    CONCURRENCY_DEFAULT,
    NS_PER_SECOND,
    TIMEOUT_NS_DEFAULT,
    Integration,
    IntegrationKind,
)
from server.storage import integration_actions as actions
from server.storage.integration_actions import problem_of
from server.storage.integrations import integration_of
from tillcore.v1 import integration_payment_pb2, integration_pb2

KINDS: Final = numbers_of(IntegrationKind, integration_pb2.IntegrationKind, "INTEGRATION_KIND")
_KIND_OF: Final = members_of(KINDS)
_OUTCOMES: Final = numbers_of(Outcome, integration_pb2.IntegrationOutcome, "INTEGRATION_OUTCOME")
_STATES: Final = {
    state: integration_payment_pb2.IntegrationPaymentState.Value(
        f"INTEGRATION_PAYMENT_STATE_{state.upper()}"
    )
    for state in (
        actions.PENDING,
        actions.SUCCEEDED,
        actions.REFUSED,
        actions.UNKNOWN,
        actions.UNSENT,
        actions.REVERSING,
        actions.REVERSED,
    )
}
STATE_OF: Final = {int(number): state for state, number in _STATES.items()}
"""The state of a payment of each wire number."""


def integration_from_proto(
    message: integration_pb2.Integration, path: str, problems: Problems
) -> Integration:
    """Return the integration of a message, without its secrets; what is absent has its default."""
    timeout_ns = TIMEOUT_NS_DEFAULT
    if message.HasField("timeout"):
        timeout_ns = message.timeout.seconds * NS_PER_SECOND + message.timeout.nanos
    for name in (*message.headers, *message.secrets):
        if "\0" in name:
            problems.add(path, Reason.MALFORMED, "expected names without a NUL character")
    return Integration(
        identifier=problems.required_id(path, "id", message.id),
        name=problems.text(path, "name", message.name),
        kind=problems.choice(path, "kind", message.kind, _KIND_OF),
        url=message.url,
        headers=dict(sorted(message.headers.items())),
        timeout_ns=timeout_ns,
        concurrency=message.concurrency or CONCURRENCY_DEFAULT,
        shop_ids=problems.id_set(path, "shop_ids", message.shop_ids),
        market_ids=problems.id_set(path, "market_ids", message.market_ids),
        is_disabled=message.disabled,
    )


def integration_to_proto(
    row: RowMapping, secret_names: Iterable[str]
) -> integration_pb2.Integration:
    """Return the message of a row; it has the names of the secrets and no secret."""
    value = integration_of(row)
    return integration_pb2.Integration(
        id=value.identifier,
        name=value.name,
        kind=KINDS[value.kind],
        url=value.url,
        headers=value.headers,
        timeout=_duration(value.timeout_ns),
        concurrency=value.concurrency,
        shop_ids=value.shop_ids,
        market_ids=value.market_ids,
        disabled=value.is_disabled,
        secret_names=sorted(secret_names),
        revision=row["revision"],
        create_time=time_to_proto(row["created_ns"]),
        update_time=time_to_proto(row["updated_ns"]),
    )


def call_to_proto(row: RowMapping) -> integration_pb2.IntegrationCall:
    """Return the message of a row of the log."""
    return integration_pb2.IntegrationCall(
        call_number=row["call_number"],
        integration_id=row["integration_id"],
        action=row["action"],
        idempotency_key=row["idempotency_key"],
        register_id=row["register_id"],
        outcome=_OUTCOMES[Outcome(row["outcome"])],
        status=row["status"] or 0,
        error=row["error"],
        elapsed=_duration(row["elapsed_ns"]),
        time=time_to_proto(row["ended_ns"]),
    )


def payment_to_proto(row: RowMapping) -> integration_payment_pb2.IntegrationPayment:
    """Return the message of the row of a payment."""
    problem = problem_of(row)
    kind: Any = KINDS[IntegrationKind(row["kind"])] if row["kind"] else 0
    return integration_payment_pb2.IntegrationPayment(
        payment_id=row["action_id"],
        integration_id=row["integration_id"],
        register_id=row["register_id"],
        kind=kind,
        amount_micros=row["amount_micros"],
        currency_code=row["currency_code"],
        state=_STATES[row["state"]],
        error="" if problem is None else problem.message,
        attempt_count=row["attempt_count"],
        create_time=time_to_proto(row["created_ns"]),
        update_time=time_to_proto(row["updated_ns"]),
    )


def _duration(value_ns: int) -> Duration:
    seconds, nanos = divmod(value_ns, NS_PER_SECOND)
    return Duration(seconds=seconds, nanos=nanos)
