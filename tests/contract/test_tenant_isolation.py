"""Hold every RPC of every service to one account: another account's ids are not found."""

import grpc
from google.protobuf import message_factory
from sqlalchemy import select

from server.auth import Scope
from server.storage import Connection, Store
from server.storage.tables import METADATA
from tests.support.foreign_ids import CASES, Case, populate
from tests.support.server import METHODS, THEIRS, running_server


def rows_of(connection: Connection, account_id: str) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of an account by table."""
    return {
        name: [
            tuple(row)
            for row in connection.execute(select(table).where(table.c.account_id == account_id))
        ]
        for name, table in METADATA.tables.items()
    }


def test_cases_when_compared_then_every_rpc_has_one() -> None:
    assert sorted(METHODS) == sorted(CASES)


def test_tables_when_listed_then_each_begins_with_the_account() -> None:
    firsts = {table.name: next(iter(table.primary_key)).name for table in METADATA.sorted_tables}

    assert firsts == dict.fromkeys(firsts, "account_id")


async def test_rpc_when_id_is_of_another_account_then_as_if_there_were_none(store: Store) -> None:
    async with running_server(store) as served:
        foreign = await populate(served)
        caller = await served.caller(*(scope for scope in Scope if scope is not Scope.PUBLIC))
        before = await store.read(lambda c: rows_of(c, THEIRS))
        codes = {
            name: [await send(caller, foreign) for send in each.sends]
            for name, each in CASES.items()
            if isinstance(each, Case)
        }
        after = await store.read(lambda c: rows_of(c, THEIRS))

    expected = {
        name: [each.code] * len(each.sends)
        for name, each in CASES.items()
        if isinstance(each, Case)
    }
    assert expected == codes
    assert before == after


async def test_rpc_when_id_is_its_own_then_found(store: Store) -> None:
    """Show that the cases fail for the account and for nothing else."""
    not_found = grpc.StatusCode.NOT_FOUND.value[0]
    # What is deleted is not found afterwards; the caller's own account is not the one named.
    names = sorted(set(CASES) - {"UpdateAccount"}, key=lambda name: name.startswith("Delete"))
    async with running_server(store) as served:
        foreign = await populate(served)
        owner = await served.caller(Scope.OWNER, account_id=THEIRS)
        missing = [
            name
            for name in names
            if isinstance(each := CASES[name], Case) and each.code == not_found
            for send in each.sends
            if await send(owner, foreign) == not_found
        ]

    assert [] == missing


async def test_lists_when_another_account_has_entries_then_only_our_own(store: Store) -> None:
    async with running_server(store) as served:
        await populate(served)
        counts = {}
        for name in sorted(name for name in CASES if name.startswith("List")):
            # They list what one shop or one queue has, and need one of the account's own.
            if name in ("ListStock", "ListExportLog", "ListExportEntries"):
                continue
            kind = message_factory.GetMessageClass(METHODS[name].input_type)
            answer = await served.owner.call(kind())
            (entries,) = (field for field in answer.DESCRIPTOR.fields if field.is_repeated)
            counts[name] = len(getattr(answer, entries.name))

    # The key of the caller itself.
    assert dict.fromkeys(counts, 0) | {"ListApiKeys": 1} == counts
