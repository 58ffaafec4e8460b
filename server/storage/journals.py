"""Add entries to the journal of an account, in the transaction that makes what they record."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import msgspec
from sqlalchemy import Connection, Executable, bindparam, select, update

from engine.journal.chain import Record, append, key_change
from engine.journal.keys import Signer
from engine.journal.totals import NOTHING, add_receipt
from engine.model.journal import Head, RunningTotals, SignedEntry
from server.journal_key import JournalKey
from server.storage.counters import Draw, next_numbers
from server.storage.journal_tables import journal_entry, journal_head, journal_key
from server.storage.statements import RowsInsert, insert_into

_TOTALS = msgspec.json.Decoder(dict[str, RunningTotals])
_ENCODER = msgspec.json.Encoder(order="sorted")

_REGISTER_ENTRIES = "journal"
"""The counter of a register's entries."""

_HEAD = (
    select(journal_head.c.number, journal_head.c.hash, journal_head.c.totals)
    .where(journal_head.c.account_id == bindparam("account_id"))
    .with_for_update()
)
_WRITE_HEAD = update(journal_head).where(journal_head.c.account_id == bindparam("of_account"))
_WRITE_ENTRIES = RowsInsert(journal_entry)
_LATEST_KEY = (
    select(journal_key.c.key_version, journal_key.c.public_key)
    .where(journal_key.c.account_id == bindparam("account_id"))
    .order_by(journal_key.c.key_version.desc())
    .limit(1)
)


class Journal:
    """The end of an account's journal while its row is locked; entries are written at the end."""

    def __init__(
        self,
        connection: Connection,
        *,
        account_id: str,
        signer: Signer,
        head: Head,
        totals: dict[str, RunningTotals],
    ) -> None:
        self._connection = connection
        self._account_id = account_id
        self._signer = signer
        self._totals = totals
        self._rows: list[tuple[object, ...]] = []
        self._reserved: dict[str, range] = {}
        self.head = head

    def totals(self, currency_code: str) -> RunningTotals:
        """Return the sums of all receipts in a currency, those just added included."""
        return self._totals.get(currency_code, NOTHING)

    def reserve(self, counts: Mapping[str, int]) -> None:
        """Draw the numbers of the next entries of registers at once; all of them are added.

        Args:
            counts: How many entries of which register, at least one of each.
        """
        assert not self._reserved, "what was reserved is added first"
        registers = sorted(counts)
        draws = [Draw(_REGISTER_ENTRIES, each, counts[each]) for each in registers]
        if not draws:
            return
        firsts = next_numbers(self._connection, account_id=self._account_id, draws=draws)
        self._reserved = {
            register: range(first, first + counts[register])
            for register, first in zip(registers, firsts, strict=True)
        }

    def _register_number(self, register: str) -> int:
        """Return the number of a register's next entry."""
        if register not in self._reserved:
            self.reserve({register: 1})
        numbers = self._reserved.pop(register)
        if len(numbers) > 1:
            self._reserved[register] = numbers[1:]
        return numbers[0]

    def add(self, record: Record) -> SignedEntry:
        """Add an entry: it gets its numbers, is chained and signed.

        Raises:
            OutOfRange: A number does not fit 64 bits, or the entry is too long.
        """
        if record.register is not None:
            number = self._register_number(record.register)
            record = msgspec.structs.replace(record, register_number=number)
        signed, self.head = append(
            record, account=self._account_id, head=self.head, signer=self._signer
        )
        if record.receipt is not None:
            currency_code = record.receipt.currency_code
            self._totals[currency_code] = add_receipt(
                self.totals(currency_code), record.kind, record.receipt
            )
        self._rows.append(
            (
                self._account_id,
                self.head.number,
                record.kind.value,
                record.register,
                record.instant_ns,
                signed.entry,
                signed.hash,
                signed.signature,
            )
        )
        return signed

    def write(self) -> None:
        """Write the entries and the new head."""
        assert not self._reserved, "what is reserved leaves no gap"
        if not self._rows:
            return
        _WRITE_ENTRIES.execute(self._connection, self._rows)
        values = {
            "of_account": self._account_id,
            "number": self.head.number,
            "hash": self.head.hash,
            "totals": _ENCODER.encode(self._totals).decode(),
        }
        self._connection.execute(_WRITE_HEAD, values)
        self._rows.clear()


@contextmanager
def open_journal(
    connection: Connection, *, account_id: str, key: JournalKey, now_ns: int
) -> Iterator[Journal]:
    """Lock the end of a journal, and write what was added when the block ends without an error.

    A key other than the account's last one takes over with an entry of its own.

    Args:
        connection: The transaction.
        account_id: Whose journal it is.
        key: Signs the entries.
        now_ns: When a new key takes over.
    """
    head, totals = _locked_head(connection, account_id)
    version, is_new = _key_version(connection, account_id, key, now_ns)
    signer = key.signer(version)
    journal = Journal(connection, account_id=account_id, signer=signer, head=head, totals=totals)
    if is_new and version > 1:
        taking_over = key_change(
            signer.public_key, instant_ns=now_ns, timezone="UTC", offset_seconds=0
        )
        journal.add(taking_over)
    yield journal
    journal.write()


def _locked_head(connection: Connection, account_id: str) -> tuple[Head, dict[str, RunningTotals]]:
    """Return the last entry and the totals so far, with their row locked."""
    own = {"account_id": account_id}
    row = connection.execute(_HEAD, own).first()
    if row is None:
        empty = Head()
        values = {**own, "number": empty.number, "hash": empty.hash, "totals": "{}"}
        connection.execute(_first_head(connection.dialect.name), values)
        row = connection.execute(_HEAD, own).one()
    return Head(number=row.number, hash=row.hash), _TOTALS.decode(row.totals)


@cache
def _first_head(dialect_name: str) -> Executable:
    """Return the statement that begins a journal, unless a twin was faster."""
    statement = insert_into(journal_head, dialect_name=dialect_name)
    return statement.on_conflict_do_nothing(index_elements=["account_id"])


def _key_version(
    connection: Connection, account_id: str, key: JournalKey, now_ns: int
) -> tuple[int, bool]:
    """Return the version of the key in this journal, and whether it is new to it."""
    row = connection.execute(_LATEST_KEY, {"account_id": account_id}).one_or_none()
    if row is not None and row.public_key == key.public_der:
        return row.key_version, False
    version = 1 if row is None else row.key_version + 1
    connection.execute(
        journal_key.insert().values(
            account_id=account_id,
            key_version=version,
            public_key=key.public_der,
            created_ns=now_ns,
        )
    )
    return version, True
