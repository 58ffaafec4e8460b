"""Chain and sign the entries of an account's journal.

Appending is pure: the head goes in, the signed entry comes out, and who calls stores both in the
transaction that stores what the entry records. Nothing is ever changed or removed; a correction is
a new entry that refers back. docs/journal.md says what the chain proves and what it does not.
"""

from hashlib import sha256
from typing import Final

import msgspec

from engine.errors import Reason, invalid
from engine.journal.encoding import encode_entry
from engine.journal.keys import PublicKey, Signer
from engine.model import SaleKind
from engine.model.journal import (
    ClockSource,
    CloseTotals,
    Digest,
    EntryKind,
    Head,
    JournalEntry,
    ReceiptAmounts,
    Reference,
    SignedEntry,
)
from engine.model.value import Value

SALT_BYTES_MIN: Final = 16
"""A shorter salt could be guessed together with what it hides."""

KEY_CONTENT_TYPE: Final = "application/pkix-spki"
"""The content of a `signing_key_changed` entry: the next key as SubjectPublicKeyInfo."""

_KINDS_OF_SALES = {
    SaleKind.SALE: EntryKind.SALE,
    SaleKind.RETURN: EntryKind.RETURN,
    SaleKind.EXPENSE: EntryKind.EXPENSES,
}


class Record(Value, frozen=True):
    """What an entry records, before it has its place; see `JournalEntry` for the fields."""

    kind: EntryKind
    instant_ns: int
    timezone: str
    offset_seconds: int
    clock: ClockSource = ClockSource.SERVER
    register: str | None = None
    register_number: int | None = None
    references: tuple[Reference, ...] = ()
    receipt: ReceiptAmounts | None = None
    close: CloseTotals | None = None
    content_type: str = ""
    content: bytes = b""
    digests: tuple[Digest, ...] = ()


def append(record: Record, *, account: str, head: Head, signer: Signer) -> tuple[SignedEntry, Head]:
    """Return the next entry of a journal, chained and signed, and the new head.

    Args:
        record: What happened. Its `register_number` is one more than the register's last.
        account: The legal entity whose journal it is.
        head: The journal's last entry; `Head()` of an empty journal.
        signer: The account's present key.

    Raises:
        OutOfRange: A number does not fit 64 bits, or the entry is too long.
    """
    entry = JournalEntry(
        account=account,
        number=head.number + 1,
        key_id=signer.public_key.key_id,
        key_version=signer.key_version,
        **msgspec.structs.asdict(record),
    )
    encoded = encode_entry(entry)
    entry_hash = chained_hash(head.hash, encoded)
    signed = SignedEntry(entry=encoded, hash=entry_hash, signature=signer.sign(entry_hash))
    return signed, Head(number=entry.number, hash=entry_hash)


def chained_hash(previous_hash: bytes, entry: bytes) -> bytes:
    """Return the hash of an entry: SHA-256 of the previous hash and the canonical bytes."""
    return sha256(previous_hash + entry).digest()


def entry_kind(kind: SaleKind, *, voided: bool) -> EntryKind:
    """Return what a sale is recorded as; one that was voided is a void, whatever it was."""
    return EntryKind.VOID if voided else _KINDS_OF_SALES[kind]


def key_change(
    next_key: PublicKey, *, instant_ns: int, timezone: str, offset_seconds: int
) -> Record:
    """Return the record that hands over to the next signing key; the present key signs it.

    Where the present key is lost, the next key itself signs it, as one version more; verification
    then asks for the next key beforehand.
    """
    return Record(
        kind=EntryKind.SIGNING_KEY_CHANGED,
        instant_ns=instant_ns,
        timezone=timezone,
        offset_seconds=offset_seconds,
        references=(Reference(name="signing_key", identifier=next_key.key_id.hex()),),
        content_type=KEY_CONTENT_TYPE,
        content=next_key.der,
    )


def salted_digest(name: str, document: bytes, *, salt: bytes) -> Digest:
    """Return the hash that stands in the chain for a document with personal data.

    Document and salt are kept beside the chain. Once both are erased, nobody can tell from the hash
    what the document said, and the chain still verifies.

    Args:
        name: What the document is, such as `customer`.
        document: Its bytes, as they are kept.
        salt: At least `SALT_BYTES_MIN` random bytes, a new one for each document.

    Raises:
        InvalidInput: The salt is too short.
    """
    if len(salt) < SALT_BYTES_MIN:
        expected = f"expected at least {SALT_BYTES_MIN} random bytes"
        raise invalid("salt", Reason.OUT_OF_BOUNDS, f"{expected}, was {len(salt)}")
    return Digest(name=name, sha256=sha256(bytes([len(salt)]) + salt + document).digest())
