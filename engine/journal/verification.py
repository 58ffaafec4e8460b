"""Verify the export of a journal offline: no database, no private key, in bounded memory.

The lines are read once. Each entry must follow the one before it in number and hash, be signed by
the key in force, number its register's entries, receipts and closes without a gap, and seal the
sums of the receipts in its Z reports. The first entry that does not is named.
"""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from functools import lru_cache
from hashlib import sha256
from typing import Final

from engine.journal.chain import KEY_CONTENT_TYPE, chained_hash
from engine.journal.encoding import MalformedEntryError, decode_entry
from engine.journal.export import (
    FORMAT,
    FORMAT_VERSION,
    ExportedKey,
    ExportHeader,
    entry_line,
    read_header,
    read_line,
)
from engine.journal.keys import BadKeyError, PublicKey, load_public_key
from engine.journal.ledger import Ledger
from engine.model.journal import HASH_BYTES, EntryKind, Head, JournalEntry
from engine.model.value import Value
from engine.strict_json import shown_text

_BATCH_COUNT: Final = 256
"""Signatures that are checked in one go."""

_BATCHES_WAITING_MAX: Final = 16


class UnreadableJournalError(ValueError):
    """The text is no export of a journal; the message says what would be right."""


class Verified(Value, frozen=True):
    """What a sound export holds; `head` is its last entry, or what comes before an empty one."""

    account: str
    first_number: int
    entry_count: int
    head: Head


class Breach(Value, frozen=True):
    """The first thing that is wrong.

    Attributes:
        line: The line of the export; the header is line 1.
        number: The number that the entry of this line should have; None for header and end.
        message: What was expected and what was there.
    """

    line: int
    number: int | None
    message: str


class _BreachError(Exception):
    """Ends the reading at the first thing that is wrong."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(breach.message)
        self.breach = breach


class _Signature(Value, frozen=True):
    """A signature still to be checked, its key as DER, and where it stands."""

    key: bytes
    hash: bytes
    signature: bytes
    line: int
    number: int


def verify(
    lines: Iterable[bytes],
    *,
    keys: Iterable[PublicKey],
    expected_head: bytes | None = None,
    executor: Executor | None = None,
) -> Verified | Breach:
    """Return what an export holds, or the first thing that is wrong with it.

    Args:
        lines: The export, line by line with line ends.
        keys: The keys that are trusted beforehand. A later key needs not be among them where the
            journal itself hands over to it.
        expected_head: The hash of the last entry, from a Z report or from another copy. Without it
            nobody can see that entries are missing at the end.
        executor: Checks signatures beside the reading, best in other processes; None checks them
            here.

    Raises:
        UnreadableJournalError: The first line is no header of this format and version.
    """
    source = iter(lines)
    header = _header(next(source, b""))
    chain = _Chain(header, _KeyRing(keys))
    try:
        _read_all(source, chain, _Signatures(executor))
        chain.finish(expected_head)
    except _BreachError as error:
        return error.breach
    return Verified(
        account=header.account,
        first_number=header.first_number,
        entry_count=chain.head.number - header.first_number + 1,
        head=chain.head,
    )


def _header(line: bytes) -> ExportHeader:
    """Return the header of an export, refusing what this release cannot read."""
    header = read_header(line)
    if header is None or header.format != FORMAT:
        raise UnreadableJournalError(f"expected the header of a {FORMAT} in line 1")
    if header.version != FORMAT_VERSION:
        expected = f"expected version {FORMAT_VERSION} of the format"
        raise UnreadableJournalError(f"{expected}, was {header.version}")
    return header


def _read_all(source: Iterable[bytes], chain: "_Chain", signatures: "_Signatures") -> None:
    """Follow the lines to the end or to the first breach, whichever check finds it."""
    try:
        for text in source:
            signatures.add(chain.follow(text))
    except _BreachError:
        # What stands before this line must be sound, or that is the first breach.
        signatures.finish()
        raise
    signatures.finish()


class _Signatures:
    """Checks signatures in batches, in order, here or elsewhere."""

    def __init__(self, executor: Executor | None) -> None:
        self._executor = executor
        self._batch: list[_Signature] = []
        self._waiting: deque[Future[Breach | None]] = deque()

    def add(self, signature: _Signature) -> None:
        """Take one more; raise _BreachError for the first bad one found so far."""
        self._batch.append(signature)
        if len(self._batch) == _BATCH_COUNT:
            self._begin()

    def finish(self) -> None:
        """Wait for all; raise _BreachError for the first bad one."""
        self._begin()
        while self._waiting:
            _raise(self._waiting.popleft().result())

    def _begin(self) -> None:
        batch, self._batch = self._batch, []
        if self._executor is None:
            _raise(_first_bad(batch))
            return
        self._waiting.append(self._executor.submit(_first_bad, batch))
        if len(self._waiting) > _BATCHES_WAITING_MAX:
            _raise(self._waiting.popleft().result())


def _first_bad(batch: list[_Signature]) -> Breach | None:
    """Return the first signature that is not its key's."""
    for each in batch:
        key = _loaded(each.key)
        if not key.is_signed(each.hash, each.signature):
            message = f"expected a signature of the key {key.key_id.hex()}, was another"
            return Breach(line=each.line, number=each.number, message=message)
    return None


@lru_cache(maxsize=64)
def _loaded(der: bytes) -> PublicKey:
    return load_public_key(der)


def _raise(breach: Breach | None) -> None:
    if breach is not None:
        raise _BreachError(breach)


class _KeyRing:
    """The keys that are trusted, and the one in force."""

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._given = {key.key_id: key for key in keys}
        self._current: PublicKey | None = None
        self._version = 0
        self._used_last: tuple[PublicKey, int] | None = None
        self.used: list[ExportedKey] = []

    def key_of(self, entry: JournalEntry) -> PublicKey | str:
        """Return the key that must have signed an entry, or what is wrong with the one named."""
        current = self._current
        is_takeover = (
            entry.kind is EntryKind.SIGNING_KEY_CHANGED
            and entry.key_id == sha256(entry.content).digest()
        )
        if current is None or (is_takeover and entry.key_id != current.key_id):
            key = self._given.get(entry.key_id)
            if key is None:
                return f"expected a key that was given, was the key {entry.key_id.hex()}"
            version = entry.key_version if current is None else self._version + 1
        else:
            key, version = current, self._version
        if entry.key_id != key.key_id:
            return f"expected the key {key.key_id.hex()}, was {entry.key_id.hex()}"
        if entry.key_version != version:
            return f"expected version {version} of the key, was {entry.key_version}"
        self._current, self._version = key, version
        if self._used_last != (key, version):
            self._used_last = (key, version)
            self.used.append(
                ExportedKey(
                    version=version,
                    algorithm=key.algorithm,
                    id=key.key_id.hex(),
                    public_key=key.der,
                )
            )
        return key

    def hand_over(self, entry: JournalEntry) -> str | None:
        """Put the key in force that an entry hands over to; return what is wrong with it."""
        if entry.kind is not EntryKind.SIGNING_KEY_CHANGED:
            return None
        try:
            key = load_public_key(entry.content)
        except BadKeyError as error:
            return f"content: {error}"
        if entry.content_type != KEY_CONTENT_TYPE or key.der != entry.content:
            return f"expected the next key as {KEY_CONTENT_TYPE}"
        if key.key_id != entry.key_id:
            self._current, self._version = key, entry.key_version + 1
        return None


class _Chain:
    """The journal so far: its head, the key in force, the numbers and sums."""

    def __init__(self, header: ExportHeader, keys: _KeyRing) -> None:
        self._header = header
        self._keys = keys
        self._line = 1
        self._ledger = Ledger(is_whole=header.first_number == 1)
        self.head = Head(number=header.first_number - 1, hash=_hash(header))

    def follow(self, text: bytes) -> _Signature:
        """Take the next line; return the signature that is still to be checked.

        Raises:
            _BreachError: The line is not the next entry.
        """
        self._line += 1
        number = self.head.number + 1
        signed = read_line(text)
        if signed is None or not text.endswith(b"\n"):
            raise self._breach("expected the line of an entry, was something else or cut short")
        try:
            entry = decode_entry(signed.entry)
        except MalformedEntryError as error:
            raise self._breach(str(error)) from None
        if entry.number != number:
            raise self._breach(f"expected the number {number}, was {entry.number}")
        if entry.account != self._header.account:
            right, was = (
                shown_text(each, quote=False) for each in (self._header.account, entry.account)
            )
            raise self._breach(f"expected the account {right}, was {was}")
        if chained_hash(self.head.hash, signed.entry) != signed.hash:
            raise self._breach(
                "expected the hash of the entry before and this entry, was "
                f"{signed.hash.hex()}: one of the two was changed"
            )
        if entry_line(entry, signed) != text:
            raise self._breach("expected the members of the line to say what the entry says")
        key = self._keys.key_of(entry)
        if isinstance(key, str):
            raise self._breach(key)
        complaint = self._keys.hand_over(entry) or self._ledger.follow(entry)
        signature = _Signature(
            key=key.der,
            hash=signed.hash,
            signature=signed.signature,
            line=self._line,
            number=number,
        )
        if complaint is not None:
            # A forged entry is a forgery first, whatever its sums are.
            _raise(_first_bad([signature]))
            raise self._breach(complaint)
        self.head = Head(number=number, hash=signed.hash)
        return signature

    def finish(self, expected_head: bytes | None) -> None:
        """Check what only the end shows.

        Raises:
            _BreachError: The head is another, or other keys signed than the header lists.
        """
        if expected_head is not None and expected_head != self.head.hash:
            message = (
                f"expected the head {expected_head.hex()} at the end, was "
                f"{self.head.hash.hex()}: entries are missing, or the expected head is older"
            )
            raise _BreachError(Breach(line=self._line, number=None, message=message))
        if list(self._header.keys) != self._keys.used:
            message = "expected the header to list the keys that signed, in their order"
            raise _BreachError(Breach(line=1, number=None, message=message))

    def _breach(self, message: str) -> _BreachError:
        return _BreachError(Breach(line=self._line, number=self.head.number + 1, message=message))


def _hash(header: ExportHeader) -> bytes:
    """Return the hash that a header begins from.

    Raises:
        UnreadableJournalError: It is none, or not that of an empty journal where the first entry
            follows.
    """
    try:
        before = bytes.fromhex(header.previous_hash)
    except ValueError:
        before = b""
    if len(before) != HASH_BYTES or before.hex() != header.previous_hash:
        raise UnreadableJournalError("previous_hash: expected 64 hexadecimal digits")
    if header.first_number < 1:
        raise UnreadableJournalError(f"first_number: expected 1 or more, was {header.first_number}")
    if header.first_number == 1 and before != Head().hash:
        raise UnreadableJournalError("previous_hash: expected zeros before the first entry")
    return before
