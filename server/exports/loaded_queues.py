"""Queues made ready to be dispatched: configuration read, secrets opened, delivery set up."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from server.exports.linking import linked
from server.exports.outcome import Deliverer
from server.exports.queue import (
    Configuration,
    Cron,
    Delivery,
    Order,
    Secrets,
    configuration_from_json,
)
from server.exports.secrets import SecretsError
from server.links import Links
from server.storage.export_lanes import Row
from server.storage.exports import ExportKind, QueueName

KEPT_MAX: Final = 1_024
"""Queues that are kept ready; the least lately used one leaves first."""

_MADE_OF: Final = ("kind", "name", "configuration", "secrets", "revision")

NewDeliverer = Callable[[Delivery, str], Deliverer]
OpenSecrets = Callable[[bytes, QueueName], Secrets]


class Unusable(Exception):
    """A queue cannot be dispatched until somebody mends it; the message says what."""


class LoadedQueue(NamedTuple):
    """A queue that is ready to be dispatched.

    Attributes:
        name: Its name among those of all accounts.
        title: Its name for people.
        kind: What is in it.
        revision: Of the row that it was read from.
        configuration: What happens with its entries.
        secrets: What the delivery must not show.
        deliverer: Makes the attempts.
    """

    name: QueueName
    title: str
    kind: ExportKind
    revision: int
    configuration: Configuration
    secrets: Secrets
    deliverer: Deliverer

    @property
    def is_cron(self) -> bool:
        """Whether it is exported in batches."""
        return isinstance(self.configuration.trigger, Cron)

    @property
    def is_in_order(self) -> bool:
        """Whether no element may overtake another."""
        return self.configuration.order is Order.STRICT


class LoadedQueues:
    """Keeps queues ready, each until its row changes."""

    def __init__(
        self,
        *,
        new_deliverer: NewDeliverer,
        open_secrets: OpenSecrets,
        links: Links | None = None,
    ) -> None:
        """Keep none yet.

        Args:
            new_deliverer: Sets up a delivery of an account.
            open_secrets: Opens the sealed secrets of a queue; it raises SecretsError.
            links: Signs the links that transforms make; without it there are none.
        """
        self._new_deliverer = new_deliverer
        self._open_secrets = open_secrets
        self._links = links
        self._kept: OrderedDict[QueueName, tuple[tuple[object, ...], LoadedQueue]] = OrderedDict()

    def load(self, row: Row) -> LoadedQueue:
        """Return the queue of a row of `export_queue`.

        Raises:
            Unusable: Its secrets cannot be opened, or it was written by another version.
        """
        name = QueueName(row["account_id"], row["queue_id"])
        # Not the revision alone: a queue that is made anew under an old name begins at 1 again.
        values = tuple(row[column] for column in _MADE_OF)
        kept = self._kept.get(name)
        if kept is None or kept[0] != values:
            kept = self._kept[name] = (values, self._made(name, row))
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        self._kept.move_to_end(name)
        return kept[1]

    def _made(self, name: QueueName, row: Row) -> LoadedQueue:
        try:
            configuration = configuration_from_json(row["configuration"])
            sealed: bytes | None = row["secrets"]
            secrets = {} if sealed is None else self._open_secrets(sealed, name)
            deliverer = self._new_deliverer(configuration.delivery, name.account_id)
            transform = linked(
                configuration.transform, account_id=name.account_id, links=self._links
            )
            configuration = msgspec.structs.replace(configuration, transform=transform)
        except msgspec.DecodeError as error:
            raise Unusable(f"the configuration cannot be read: {error}") from error
        except ImportError as error:
            raise Unusable(f"this server was installed without the delivery: {error}") from error
        except (SecretsError, ValueError) as error:
            raise Unusable(str(error)) from error
        return LoadedQueue(
            name=name,
            title=row["name"],
            kind=ExportKind(row["kind"]),
            revision=row["revision"],
            configuration=configuration,
            secrets=secrets,
            deliverer=deliverer,
        )
