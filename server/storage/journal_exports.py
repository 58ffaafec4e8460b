"""Read a journal back, for an export that can be verified without the database."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, select

from engine.journal.encoding import decode_entry
from engine.journal.export import entry_line, header_line
from engine.journal.keys import PublicKey, load_public_key
from engine.model.journal import Head, JournalEntry, SignedEntry
from server.storage.journal_tables import journal_entry, journal_head, journal_key


class Exported(NamedTuple):
    """Some lines of an export, and the number of the last entry among them."""

    lines: bytes
    last_number: int


def find_head(connection: Connection, *, account_id: str) -> Head:
    """Return the end of a journal."""
    own = select(journal_head).where(journal_head.c.account_id == account_id)
    row = connection.execute(own).mappings().first()
    return Head() if row is None else Head(number=row["number"], hash=row["hash"])


def export_header(connection: Connection, *, account_id: str, first: int, last: int) -> bytes:
    """Return the first line of an export.

    Args:
        connection: A transaction.
        account_id: Whose journal it is.
        first: The number of the first entry, which is there.
        last: The number of the last entry, which is there.
    """
    before = Head()
    if first > 1:
        own = select(journal_entry.c.hash).where(
            journal_entry.c.account_id == account_id, journal_entry.c.number == first - 1
        )
        before = Head(number=first - 1, hash=connection.execute(own).scalar_one())
    versions = [_key_version(connection, account_id, number) for number in (first, last)]
    return header_line(account_id, before=before, keys=_keys(connection, account_id, *versions))


def _key_version(connection: Connection, account_id: str, number: int) -> int:
    """Return the version of the key that signs an entry, which is there."""
    found = _entries(connection, account_id, after=number - 1, last=number, count=1)
    return next(found)[0].key_version


def export_lines(
    connection: Connection, *, account_id: str, after: int, last: int, count: int
) -> Exported:
    """Return the lines of the next entries of an export.

    Args:
        connection: A transaction.
        account_id: Whose journal it is.
        after: The number of the last entry that was exported.
        last: The number of the last entry of the export.
        count: How many at most.
    """
    lines: list[bytes] = []
    for entry, signed in _entries(connection, account_id, after=after, last=last, count=count):
        lines.append(entry_line(entry, signed))
        after = entry.number
    return Exported(b"".join(lines), after)


def _entries(
    connection: Connection, account_id: str, *, after: int, last: int, count: int
) -> Iterator[tuple[JournalEntry, SignedEntry]]:
    """Yield entries, read and as they are stored."""
    columns = journal_entry.c
    statement = select(columns.entry, columns.hash, columns.signature).where(
        columns.account_id == account_id, columns.number > after, columns.number <= last
    )
    for row in connection.execute(statement.order_by(columns.number).limit(count)):
        yield (
            decode_entry(row.entry),
            SignedEntry(entry=row.entry, hash=row.hash, signature=row.signature),
        )


def _keys(
    connection: Connection, account_id: str, first_version: int, last_version: int
) -> list[tuple[int, PublicKey]]:
    """Return the keys that sign the entries of an export, in order."""
    columns = journal_key.c
    statement = select(columns.key_version, columns.public_key).where(
        columns.account_id == account_id,
        columns.key_version.between(first_version, last_version),
    )
    rows = connection.execute(statement.order_by(columns.key_version))
    return [(row.key_version, load_public_key(row.public_key)) for row in rows]
