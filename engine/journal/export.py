"""Write and read the export of a journal: a header line, then one line for each entry.

Every line is a JSON object. The base64 of an entry's exact bytes is what is verified; the members
beside it repeat a few of its fields for people to read, and verification refuses a line whose
members say anything else than its bytes. Each line is read by itself, in bounded memory.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from engine import limits
from engine.journal.keys import PublicKey
from engine.model.journal import Head, JournalEntry, SignedEntry

FORMAT: Final = "tillcore-journal"
FORMAT_VERSION: Final = 1

LINE_BYTES_MAX: Final = 2 * limits.JOURNAL_ENTRY_BYTES_MAX
"""Longest line; base64 is a third longer than the bytes, and the members beside it are short."""

_NS_PER_SECOND = 10**9
_NS_PER_MINUTE = 60 * _NS_PER_SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


class ExportedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A public key in a header: its version, algorithm, id (hex) and DER (base64)."""

    version: int
    algorithm: str
    id: str
    public_key: bytes


class ExportHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of an export.

    Attributes:
        format: Always `tillcore-journal`.
        version: The version of the export's form, 1.
        account: The legal entity whose journal it is.
        first_number: The number of the first entry that follows, 1 for a whole journal.
        previous_hash: The hash (hex) of the entry before the first; zeros for a whole journal.
        keys: The keys that sign what follows, in the order in which they do.
    """

    format: str
    version: int
    account: str
    first_number: int
    previous_hash: str
    keys: tuple[ExportedKey, ...]


class ExportLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry of an export; `entry` and `signature` are base64, `hash` is hex."""

    number: int
    kind: str
    time: str
    hash: str
    entry: bytes
    signature: bytes
    register: str | None = None
    register_number: int | None = None


_ENCODER = msgspec.json.Encoder()
_HEADER_DECODER = msgspec.json.Decoder(ExportHeader)
_LINE_DECODER = msgspec.json.Decoder(ExportLine)


def header_line(account: str, *, before: Head, keys: Iterable[tuple[int, PublicKey]]) -> bytes:
    """Return the first line of an export.

    Args:
        account: The legal entity whose journal it is.
        before: The last entry that the export leaves out; `Head()` for a whole journal.
        keys: The version and public part of each key that signs an entry of the export, in order.
    """
    header = ExportHeader(
        format=FORMAT,
        version=FORMAT_VERSION,
        account=account,
        first_number=before.number + 1,
        previous_hash=before.hash.hex(),
        keys=tuple(
            ExportedKey(
                version=version, algorithm=key.algorithm, id=key.key_id.hex(), public_key=key.der
            )
            for version, key in keys
        ),
    )
    return _ENCODER.encode(header) + b"\n"


def entry_line(entry: JournalEntry, signed: SignedEntry) -> bytes:
    """Return the line of an entry, given as read and as stored."""
    line = ExportLine(
        number=entry.number,
        kind=entry.kind.value,
        time=local_time_text(entry.instant_ns, offset_seconds=entry.offset_seconds),
        hash=signed.hash.hex(),
        entry=signed.entry,
        signature=signed.signature,
        register=entry.register,
        register_number=entry.register_number,
    )
    return _ENCODER.encode(line) + b"\n"


def read_header(line: bytes) -> ExportHeader | None:
    """Return the header of an export, None when the line is not one, byte for byte."""
    try:
        header = _HEADER_DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return header if _ENCODER.encode(header) + b"\n" == line else None


def read_line(line: bytes) -> SignedEntry | None:
    """Return the signed entry of a line, None when the line is none; nothing is verified."""
    try:
        read = _LINE_DECODER.decode(line)
        entry_hash = bytes.fromhex(read.hash)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return None
    return SignedEntry(entry=read.entry, hash=entry_hash, signature=read.signature)


def local_time_text(instant_ns: int, *, offset_seconds: int) -> str:
    """Return an instant as ISO 8601 in local time, with nanoseconds and the offset."""
    local_ns = instant_ns + offset_seconds * _NS_PER_SECOND
    minutes, rest_ns = divmod(local_ns, _NS_PER_MINUTE)
    seconds, fraction_ns = divmod(rest_ns, _NS_PER_SECOND)
    minute = _minute_text(minutes)
    return f"{minute}:{seconds:02d}.{fraction_ns:09d}{_offset_text(offset_seconds)}"


@lru_cache(maxsize=1024)
def _minute_text(minutes: int) -> str:
    """Return a minute since 1970 as `2026-11-22T09:30`."""
    try:
        return (_EPOCH + timedelta(minutes=minutes)).isoformat(timespec="minutes")
    except OverflowError:
        # Only an offset of thousands of years leads here; verification still compares the text.
        return f"minute {minutes}"


@lru_cache(maxsize=1024)
def _offset_text(offset_seconds: int) -> str:
    """Return an offset from UTC as `+01:00`, with seconds where it has them."""
    minutes, seconds = divmod(abs(offset_seconds), 60)
    sign = "-" if offset_seconds < 0 else "+"
    text = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{text}:{seconds:02d}" if seconds else text
