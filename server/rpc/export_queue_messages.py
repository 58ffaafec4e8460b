"""Convert export queues and how they are doing between messages and values."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import RowMapping

from engine.model.stock import StockEventType
from engine.rpc.convert.fields import Problems, members_of, numbers_of
from engine.rpc.convert.stock import EVENT_TYPES
from engine.rpc.convert.time import time_to_proto
from server.exports.kinds import ExportKind
from server.exports.queue import (
    Configuration,
    Cron,
    ExportQueue,
    Order,
    QueueState,
    RealTime,
    RetryPreset,
    Trigger,
)
from server.rpc.export_delivery_messages import delivery_from_proto, delivery_to_proto
from server.rpc.export_transform_messages import transform_from_proto, transform_to_proto
from server.storage.export_queues import QueueStatus, queue_of
from tillcore.v1 import export_queue_pb2 as pb

KINDS: Final = numbers_of(ExportKind, pb.ExportKind, "EXPORT_KIND")
KIND_OF: Final = members_of(KINDS)
"""The kind of each wire number."""

_RETRIES: Final = numbers_of(RetryPreset, pb.ExportRetryPreset, "EXPORT_RETRY_PRESET")
_ORDERS: Final = numbers_of(Order, pb.ExportOrder, "EXPORT_ORDER")
_STATES: Final = numbers_of(QueueState, pb.ExportQueueState, "EXPORT_QUEUE_STATE")

_RETRY_OF: Final = members_of(_RETRIES)
_ORDER_OF: Final = members_of(_ORDERS)
_STOCK_NUMBERS: Final = {each.value: number for number, each in EVENT_TYPES.items()}

_CONCURRENCY: Final = 8


def queue_from_proto(message: pb.ExportQueue, path: str, problems: Problems) -> ExportQueue:
    """Return the queue of a message, without its secrets; what is absent has its default."""
    kind = problems.choice(path, "kind", message.kind, KIND_OF)
    order = problems.choice(path, "order", message.order, _ORDER_OF, Order.NONE)
    delivery = delivery_from_proto(message.delivery, f"{path}.delivery", problems)
    retry = problems.choice(path, "retry", message.retry, _RETRY_OF, RetryPreset.REFERENCE)
    configuration = Configuration(
        trigger=_trigger(message.trigger),
        transform=transform_from_proto(message.transform, f"{path}.transform", problems),
        delivery=delivery,
        retry=retry,
        order=order,
        concurrency=message.concurrency or (1 if order is Order.STRICT else _CONCURRENCY),
        rate_per_second=message.rate_per_second,
    )
    types = message.ignored_stock_event_types
    return ExportQueue(
        identifier=problems.required_id(path, "id", message.id),
        name=message.name,
        kind=kind,
        ignored_types=tuple(_ignored(types, path, problems)),
        configuration=configuration,
    )


def queue_to_proto(row: RowMapping, secret_names: Iterable[str]) -> pb.ExportQueue:
    """Return the message of the row of a queue; it has the names of the secrets and no secret."""
    queue = queue_of(row)
    configuration = queue.configuration
    return pb.ExportQueue(
        id=queue.identifier,
        name=queue.name,
        kind=KINDS[queue.kind],
        trigger=_trigger_to_proto(configuration.trigger),
        transform=transform_to_proto(configuration.transform),
        delivery=delivery_to_proto(configuration.delivery),
        retry=_RETRIES[configuration.retry],
        order=_ORDERS[configuration.order],
        concurrency=configuration.concurrency,
        rate_per_second=configuration.rate_per_second,
        ignored_stock_event_types=[_STOCK_NUMBERS[each] for each in queue.ignored_types],  # type: ignore[misc]  # the numbers are those of the enum
        secret_names=sorted(secret_names),
        state=_STATES[queue.state],
        state_reason=queue.state_reason,
        revision=row["revision"],
        create_time=time_to_proto(row["created_ns"]),
        update_time=time_to_proto(row["updated_ns"]),
    )


def status_to_proto(status: QueueStatus, *, now_ns: int) -> pb.ExportQueueStatus:
    """Return the message of how a queue is doing at a moment."""
    moments = {
        "oldest_waiting_time": status.oldest_ns,
        "closed_until_time": status.closed_until_ns if status.closed_until_ns > now_ns else None,
        "next_run_time": status.due_ns,
    }
    return pb.ExportQueueStatus(
        waiting_count=status.waiting_count,
        failed_count=status.failed_count,
        **{name: time_to_proto(ns) for name, ns in moments.items() if ns is not None},
    )


def _trigger(message: pb.ExportTrigger) -> Trigger:
    if message.WhichOneof("kind") != "cron":
        return RealTime()
    cron = message.cron
    return Cron(expression=cron.expression, timezone=cron.timezone or "UTC")


def _trigger_to_proto(trigger: Trigger) -> pb.ExportTrigger:
    match trigger:
        case Cron():
            cron = pb.ExportCron(expression=trigger.expression, timezone=trigger.timezone)
            return pb.ExportTrigger(cron=cron)
        case RealTime():
            return pb.ExportTrigger(real_time=pb.ExportRealTime())


def _ignored(numbers: Iterable[Any], path: str, problems: Problems) -> Iterable[str]:
    for index, number in enumerate(numbers):
        name = f"ignored_stock_event_types[{index}]"
        each: StockEventType = problems.choice(path, name, number, EVENT_TYPES)
        yield each.value
