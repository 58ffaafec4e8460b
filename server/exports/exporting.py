"""Run the exports of a process: everything that a dispatcher needs, and the dispatcher."""

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiohttp
from structlog.typing import FilteringBoundLogger

from server.exports.attempts import Attempts, Transformer
from server.exports.deliverers import new_deliverer
from server.exports.deliveries.web_hook import web_hook_session
from server.exports.dispatcher import Dispatcher, dispatching
from server.exports.lane import RealTimeLane
from server.exports.loaded_queues import LoadedQueues, NewDeliverer
from server.exports.mail_server import MailServer
from server.exports.network import Rules
from server.exports.outcome import Deliverer
from server.exports.pace import Pace
from server.exports.purging import KEEP_DAYS, purging
from server.exports.queue import Delivery, Folder, Secrets
from server.exports.recorder import recording
from server.exports.retry import SCHEDULE, Schedule
from server.exports.secrets import SecretBox
from server.exports.tools import Tools
from server.links import Links
from server.observability.export_counts import ExportCounts
from server.storage import Store
from server.storage.exports import QueueName

_OWNER_ONLY: Final = 0o700

Dispatching = Callable[[Tools], AbstractAsyncContextManager[None]]
"""Dispatches in a block, and finishes what is under way at its end."""


@asynccontextmanager
async def exporting(
    store: Store,
    box: SecretBox,
    transformer: Transformer,
    *,
    rules: Rules,
    mail_server: MailServer | None,
    folder_root: Path | None,
    owner: str,
    is_alone: bool,
    clock: Callable[[], int],
    monotonic_ns: Callable[[], int],
    random: Callable[[], float],
    log: FilteringBoundLogger,
    counts: ExportCounts,
    keep_days: int = KEEP_DAYS,
    on_recorded: Callable[[], None] = lambda: None,
    links: Links | None = None,
    dispatching: Dispatching | None = None,
    tls: ssl.SSLContext | None = None,
    pace: Pace = Pace(),  # noqa: B008 - it cannot be changed
    schedule: Schedule = SCHEDULE,
) -> AsyncGenerator[Tools, None]:
    """Export until the end of the block; what is under way is then finished.

    Args:
        store: Where the entries are.
        box: Opens the secrets of queues.
        transformer: A sandbox, which outlives the block.
        rules: What the operator allows deliveries to reach.
        mail_server: The operator's; None for none.
        folder_root: Below which each account has a folder of its own; None for none.
        owner: What this process is called in leases; another one in every life.
        is_alone: Whether no other process uses the database.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        monotonic_ns: Nanoseconds that never go back.
        random: A number from 0 up to 1, for the jitter of waits.
        log: Takes what somebody has to know.
        counts: Counts the attempts.
        keep_days: For how long what has ended can be looked up and sent again.
        on_recorded: Called when rows of logs are committed.
        links: Signs the links that transforms make; without it there are none.
        dispatching: Dispatches; lanes in this process unless told otherwise.
        tls: Whom web hooks trust; the system's authorities when None.
        pace: How often is looked, and how long is waited.
        schedule: How long to wait between attempts.
    """
    async with (
        web_hook_session(rules, tls) as session,
        recording(store, log=log, on_recorded=on_recorded) as recorder,
    ):
        timed = partial(Attempts, clock=clock, monotonic_ns=monotonic_ns, random=random)
        attempts = timed(transformer, log=log, counts=counts, schedule=schedule)
        tools = Tools(
            store=store,
            queues=LoadedQueues(
                new_deliverer=_setting_up(session, rules, mail_server, folder_root),
                open_secrets=_opening(box),
                links=links,
            ),
            attempts=attempts,
            recorder=recorder,
            clock=clock,
            log=log,
            pace=pace,
        )
        dispatch = dispatching or partial(embedded, owner=owner, is_alone=is_alone)
        async with purging(store, clock=clock, log=log, keep_days=keep_days), dispatch(tools):
            yield tools


def embedded(tools: Tools, *, owner: str, is_alone: bool) -> AbstractAsyncContextManager[None]:
    """Dispatch in lanes of this process; see `Dispatcher`."""
    dispatcher = Dispatcher(tools, RealTimeLane, owner=owner, is_alone=is_alone)
    return dispatching(dispatcher, tools)


def _setting_up(
    session: aiohttp.ClientSession,
    rules: Rules,
    mail_server: MailServer | None,
    folder_root: Path | None,
) -> NewDeliverer:
    """Return what sets up the deliveries of accounts, as `LoadedQueues` asks for it."""

    def set_up(delivery: Delivery, account_id: str) -> Deliverer:
        root = None
        if folder_root is not None and isinstance(delivery, Folder):
            # An id may hold anything; a dot alone would name another folder.
            root = folder_root / quote(account_id, safe="").replace(".", "%2E")
            root.mkdir(mode=_OWNER_ONLY, exist_ok=True)
        return new_deliverer(
            delivery, session=session, rules=rules, mail_server=mail_server, folder_root=root
        )

    return set_up


def _opening(box: SecretBox) -> Callable[[bytes, QueueName], Secrets]:
    """Return what opens the secrets of queues, as `LoadedQueues` asks for it."""

    def open_secrets(sealed: bytes, name: QueueName) -> Secrets:
        return box.open(sealed, name=name)

    return open_secrets
