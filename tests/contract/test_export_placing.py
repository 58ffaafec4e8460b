"""Place events in export queues: with what they are of, or not at all, and announced afterwards."""

import asyncio

import pytest
from sqlalchemy import Connection

from server.exports.kinds import ExportKind
from server.storage import Store
from server.storage.export_tables import export_entry
from server.storage.exports import ExportEvent, QueueName, place_all
from tests.support.export_queues import TO_FOLDER, insert_queue
from tests.support.exports import ACCOUNT, NOW_NS, add_queues, place, rows, states


class Listener:
    """Keeps what is announced, with what was stored in that moment."""

    def __init__(self) -> None:
        self.names: list[frozenset[QueueName]] = []
        self._news = asyncio.Event()

    def __call__(self, names: frozenset[QueueName]) -> None:
        """Hear of an announcement."""
        self.names.append(names)
        self._news.set()

    async def heard(self) -> frozenset[QueueName]:
        """Wait for an announcement, and return all names that have been announced."""
        async with asyncio.timeout(30):
            await self._news.wait()
        self._news.clear()
        return frozenset().union(*self.names)


class _Refused(Exception):
    pass


def add_edits(connection: Connection) -> None:
    """Store a queue of product edits."""
    insert_queue(connection, account_id=ACCOUNT, queue_id="edits", kind=ExportKind.PRODUCT_EDIT)


def edited_and_refused(connection: Connection) -> None:
    """Place a product edit, and then fail."""
    event = ExportEvent(ExportKind.PRODUCT_EDIT, "e-1", b"{}")
    place_all(connection, account_id=ACCOUNT, events=[event], now_ns=NOW_NS)
    raise _Refused


def names(*queue_ids: str) -> frozenset[QueueName]:
    """Return the names of queues."""
    return frozenset(QueueName(ACCOUNT, each) for each in queue_ids)


async def test_place_when_several_queues_then_an_entry_in_each_in_their_order(
    store: Store,
) -> None:
    await add_queues(store, dict.fromkeys(("a", "b", "c"), TO_FOLDER))

    await place(store, "s-1", "s-2")
    await place(store, "s-3")

    expected = [
        (queue_id, number, f"s-{number}") for queue_id in ("a", "b", "c") for number in (1, 2, 3)
    ]
    assert expected == [
        (row["queue_id"], row["entry_number"], row["element_key"])
        for row in await rows(store, export_entry)
    ]


async def test_place_when_the_transaction_fails_then_no_entry_and_no_announcement(
    store: Store,
) -> None:
    await add_queues(store, {"q": TO_FOLDER, "other": TO_FOLDER})
    await store.write(add_edits)
    listener = Listener()
    with store.announcements.listening(listener):
        for _ in range(8):
            with pytest.raises(_Refused):
                await store.write(edited_and_refused)
        # What is announced later shows that nothing was before it, by any connection.
        await asyncio.gather(*(place(store, f"s-{number}") for number in range(8)))
        await listener.heard()

    assert {names("q", "other")} == set(listener.names)
    assert {} == await states(store, "edits")


async def test_announcement_when_heard_then_the_entry_is_there_for_others(store: Store) -> None:
    await add_queues(store, {"q": TO_FOLDER})
    found: asyncio.Queue[asyncio.Task[list[dict[str, object]]]] = asyncio.Queue()

    def listener(_: frozenset[QueueName]) -> None:
        found.put_nowait(asyncio.create_task(rows(store, export_entry)))

    counts = []
    with store.announcements.listening(listener):
        for number in range(5):
            await place(store, f"s-{number}")
            counts.append(len(await (await found.get())))

    assert [1, 2, 3, 4, 5] == counts


async def test_announcement_when_works_share_a_commit_then_only_of_those_that_are_stored(
    store: Store,
) -> None:
    await add_queues(store, {"q": TO_FOLDER})
    await store.write(add_edits)
    listener = Listener()
    with store.announcements.listening(listener):
        # Begun together, so that the writer of SQLite has them in one group.
        refused = [asyncio.create_task(store.write(edited_and_refused)) for _ in range(8)]
        stored = [asyncio.create_task(place(store, f"s-{number}")) for number in range(8)]
        ended = await asyncio.gather(*refused, return_exceptions=True)
        await asyncio.gather(*stored)
        await listener.heard()

    assert {_Refused} == {type(each) for each in ended}
    assert names("q") == frozenset().union(*listener.names)
    assert 8 == len(await states(store))
    assert {} == await states(store, "edits")


async def test_place_when_a_queue_ignores_types_then_the_others_of_the_transaction(
    store: Store,
) -> None:
    def work(connection: Connection) -> None:
        for queue_id, ignored in (("all", ()), ("some", ("sale", "return"))):
            insert_queue(
                connection,
                account_id=ACCOUNT,
                queue_id=queue_id,
                kind=ExportKind.STOCK_EVENT,
                ignored_types=ignored,
            )
        events = [
            ExportEvent(ExportKind.STOCK_EVENT, f"{number}", b"{}", event_type)
            for number, event_type in enumerate(("sale", "adjustment", "return", "transfer"))
        ]
        place_all(connection, account_id=ACCOUNT, events=events, now_ns=NOW_NS)

    await add_queues(store, {})

    await store.write(work)

    assert ["0", "1", "2", "3"] == list(await states(store, "all"))
    assert ["1", "3"] == list(await states(store, "some"))


async def test_listening_when_ended_then_nothing_is_heard_any_more(store: Store) -> None:
    await add_queues(store, {"q": TO_FOLDER})
    early, late = Listener(), Listener()

    with store.announcements.listening(early):
        pass
    with store.announcements.listening(late):
        await place(store, "s-1")
        await late.heard()

    assert [] == early.names
