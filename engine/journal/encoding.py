"""Write and read the canonical bytes of journal entries: what is hashed, signed and kept for ever.

An entry is a fixed sequence of fields, each with its length before it in 4 bytes, big-endian. An
integer is 8 bytes, two's complement, big-endian; a text is UTF-8; a group is fields inside a field.
The first field names the version. docs/journal.md lists the fields one by one. Each entry has one
form only: what `decode_entry` accepts, `encode_entry` writes byte for byte.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from struct import Struct
from typing import Final, TypeVar

from engine import limits
from engine.errors import OutOfRange
from engine.model import TaxType
from engine.model.journal import (
    HASH_BYTES,
    ClockSource,
    CloseTotals,
    Digest,
    EntryKind,
    JournalEntry,
    KindTotals,
    ReceiptAmounts,
    Reference,
    RunningTotals,
    TaxTotal,
)

T = TypeVar("T")

VERSION: Final = b"tillcore.journal.v1"
"""The first field of every entry of this form; no other signed text begins like it."""

RECEIPT_KINDS: Final = frozenset(
    {EntryKind.SALE, EntryKind.RETURN, EntryKind.EXPENSES, EntryKind.VOID}
)
"""The kinds of entry that carry the amounts of a receipt."""

_LENGTH = Struct(">I")
_INTEGER = Struct(">q")
_INTEGER_FIELD = Struct(">Iq")
_TAX_NUMBERS = Struct(">IqIqIq")
_INTEGER_END = 2**63
_FIELD_COUNT = 18


class MalformedEntryError(ValueError):
    """The bytes are no entry of version 1; the message says what would be right."""


def encode_entry(entry: JournalEntry) -> bytes:
    """Return the canonical bytes of an entry.

    Raises:
        OutOfRange: A number does not fit 64 bits, or the entry is longer than
            `limits.JOURNAL_ENTRY_BYTES_MAX`.
    """
    _assert_whole(entry)
    encoded = b"".join(
        (
            _field(VERSION),
            _word(entry.account),
            _integer(entry.number, "number"),
            _word(entry.kind.value),
            _word(entry.register or ""),
            _field(b"")
            if entry.register_number is None
            else _integer(entry.register_number, "register_number"),
            _integer(entry.instant_ns, "instant_ns"),
            _word(entry.timezone),
            _integer(entry.offset_seconds, "offset_seconds"),
            _word(entry.clock.value),
            _group([_word(each.name) + _text(each.identifier) for each in entry.references]),
            _group(() if entry.receipt is None else _receipt(entry.receipt)),
            _group(() if entry.close is None else _close(entry.close)),
            _word(entry.content_type),
            _field(entry.content),
            _group([_word(each.name) + _field(each.sha256) for each in entry.digests]),
            _field(entry.key_id),
            _integer(entry.key_version, "key_version"),
        )
    )
    if len(encoded) > limits.JOURNAL_ENTRY_BYTES_MAX:
        most = f"expected at most {limits.JOURNAL_ENTRY_BYTES_MAX} bytes"
        raise OutOfRange("content", f"{most}, was {len(encoded)}")
    return encoded


def _assert_whole(entry: JournalEntry) -> None:
    """Hold what a caller must have seen to; verification asks the same of what it reads."""
    complaint = _incoherence(entry)
    assert complaint is None, complaint
    assert len(entry.key_id) == HASH_BYTES
    assert all(len(each.sha256) == HASH_BYTES for each in entry.digests)


def _incoherence(entry: JournalEntry) -> str | None:
    """Return what the parts of an entry contradict each other in, None for nothing."""
    if entry.register == "":
        return "expected a register, or none"
    if (entry.register is None) != (entry.register_number is None):
        return "expected a register number exactly where there is a register"
    if (entry.receipt is not None) != (entry.kind in RECEIPT_KINDS):
        return f"expected the amounts of a receipt exactly on receipts, was {entry.kind.value}"
    if (entry.close is not None) != (entry.kind is EntryKind.REGISTER_CLOSED):
        return f"expected closing totals exactly on register_closed, was {entry.kind.value}"
    if entry.register is None and (entry.receipt is not None or entry.close is not None):
        return f"expected a register for {entry.kind.value}, was none"
    return None


# --- writing ---------------------------------------------------------------------------------


def _field(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value


def _text(value: str) -> bytes:
    return _field(value.encode())


@lru_cache(4096)
def _word(value: str) -> bytes:
    """Return a text that many entries have, such as the name of a register or a currency."""
    return _text(value)


def _integer(value: int, name: str) -> bytes:
    if not -_INTEGER_END <= value < _INTEGER_END:
        raise OutOfRange(name, f"expected a number of 64 bits, was one of {value.bit_length()}")
    return _INTEGER_FIELD.pack(_INTEGER.size, value)


def _group(parts: Iterable[bytes]) -> bytes:
    return _field(b"".join(parts))


def _receipt(receipt: ReceiptAmounts) -> tuple[bytes, ...]:
    return (
        _word(receipt.currency_code),
        _integer(receipt.scale, "receipt.scale"),
        _integer(receipt.sequence_number, "receipt.sequence_number"),
        _integer(receipt.total_minor, "receipt.total_minor"),
        _taxes(receipt.taxes, "receipt.taxes"),
    )


def _close(close: CloseTotals) -> tuple[bytes, ...]:
    return (
        _integer(close.number, "close.number"),
        _text(close.currency_code),
        _integer(close.scale, "close.scale"),
        _totals(close.period, "close.period"),
        _totals(close.register, "close.register"),
        _totals(close.account, "close.account"),
    )


def _totals(totals: RunningTotals, name: str) -> bytes:
    return _group(
        (
            _kind_totals(totals.sales, f"{name}.sales"),
            _kind_totals(totals.returns, f"{name}.returns"),
            _kind_totals(totals.expenses, f"{name}.expenses"),
            _integer(totals.voided_count, f"{name}.voided_count"),
        )
    )


def _kind_totals(totals: KindTotals, name: str) -> bytes:
    return _group(
        (
            _integer(totals.total_minor, f"{name}.total_minor"),
            _integer(totals.count, f"{name}.count"),
            _taxes(totals.taxes, f"{name}.taxes"),
        )
    )


def _taxes(taxes: tuple[TaxTotal, ...], name: str) -> bytes:
    return _group(
        _word(each.type.value)
        + _integer(each.rate_micros, f"{name}.rate_micros")
        + _integer(each.base_minor, f"{name}.base_minor")
        + _integer(each.amount_minor, f"{name}.amount_minor")
        for each in taxes
    )


# --- reading ---------------------------------------------------------------------------------

_KINDS = {kind.value.encode(): kind for kind in EntryKind}
_CLOCKS = {clock.value.encode(): clock for clock in ClockSource}
_TAX_TYPES = {tax.value.encode(): tax for tax in TaxType}


def decode_entry(data: bytes) -> JournalEntry:
    """Return the entry that canonical bytes hold.

    Raises:
        MalformedEntryError: The bytes are not what `encode_entry` writes.
    """
    if len(data) > limits.JOURNAL_ENTRY_BYTES_MAX:
        most = f"expected at most {limits.JOURNAL_ENTRY_BYTES_MAX} bytes"
        raise MalformedEntryError(f"{most}, was {len(data)}")
    fields = _fields(data, "entry")
    if not fields or fields[0] != VERSION:
        raise MalformedEntryError(f"expected an entry of the version {VERSION.decode()}")
    _expect_count(fields, _FIELD_COUNT, "entry")
    register_number = fields[5]
    entry = JournalEntry(
        account=_as_text(fields[1], "account"),
        number=_as_integer(fields[2], "number"),
        kind=_one_of(_KINDS, fields[3], "kind"),
        register=_as_text(fields[4], "register") or None,
        register_number=_as_integer(register_number, "register_number")
        if register_number
        else None,
        instant_ns=_as_integer(fields[6], "instant_ns"),
        timezone=_as_text(fields[7], "timezone"),
        offset_seconds=_as_integer(fields[8], "offset_seconds"),
        clock=_one_of(_CLOCKS, fields[9], "clock"),
        references=_each(fields[10], 2, "references", _as_reference),
        receipt=_as_receipt(fields[11]) if fields[11] else None,
        close=_as_close(fields[12]) if fields[12] else None,
        content_type=_as_text(fields[13], "content_type"),
        content=fields[14],
        digests=_each(fields[15], 2, "digests", _as_digest),
        key_id=_as_hash(fields[16], "key_id"),
        key_version=_as_integer(fields[17], "key_version"),
    )
    complaint = _incoherence(entry)
    if complaint is not None:
        raise MalformedEntryError(complaint)
    return entry


def _fields(data: bytes, name: str) -> list[bytes]:
    """Return the fields of a group; they fill it exactly."""
    fields: list[bytes] = []
    add, unpack = fields.append, _LENGTH.unpack_from
    at, end = 0, len(data)
    while at + 4 <= end:
        (length,) = unpack(data, at)
        start = at + 4
        at = start + length
        add(data[start:at])
    if at != end:
        raise MalformedEntryError(f"{name}: expected a field, was cut short")
    return fields


def _expect_count(fields: list[bytes], count: int, name: str) -> None:
    if len(fields) != count:
        raise MalformedEntryError(f"{name}: expected {count} fields, was {len(fields)}")


def _each(data: bytes, width: int, name: str, build: Callable[[list[bytes]], T]) -> tuple[T, ...]:
    """Return what `build` makes of each `width` fields of a group."""
    if not data:
        return ()
    fields = _fields(data, name)
    if len(fields) % width:
        raise MalformedEntryError(f"{name}: expected {width} fields each, was {len(fields)} in all")
    return tuple(build(fields[at : at + width]) for at in range(0, len(fields), width))


def _as_text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedEntryError(f"{name}: expected UTF-8") from None


def _as_integer(data: bytes, name: str) -> int:
    if len(data) != 8:
        raise MalformedEntryError(f"{name}: expected 8 bytes, was {len(data)}")
    return int.from_bytes(data, "big", signed=True)


def _as_hash(data: bytes, name: str) -> bytes:
    if len(data) != HASH_BYTES:
        raise MalformedEntryError(f"{name}: expected {HASH_BYTES} bytes, was {len(data)}")
    return data


def _one_of(known: dict[bytes, T], data: bytes, name: str) -> T:
    value = known.get(data)
    if value is None:
        raise MalformedEntryError(f"{name}: expected a word that this release knows")
    return value


def _as_reference(fields: list[bytes]) -> Reference:
    name, identifier = fields
    return Reference(
        name=_as_text(name, "references.name"),
        identifier=_as_text(identifier, "references.identifier"),
    )


def _as_digest(fields: list[bytes]) -> Digest:
    name, sha256 = fields
    return Digest(name=_as_text(name, "digests.name"), sha256=_as_hash(sha256, "digests.sha256"))


def _as_taxes(data: bytes) -> tuple[TaxTotal, ...]:
    """Return the taxes of a group; each is a text and three integers."""
    taxes: list[TaxTotal] = []
    at, end = 0, len(data)
    while at < end:
        type_length = int.from_bytes(data[at : at + 4], "big")
        numbers_at = at + 4 + type_length
        at, start = numbers_at + _TAX_NUMBERS.size, at + 4
        if at > end:
            raise MalformedEntryError("taxes: expected a field, was cut short")
        rate_length, rate, base_length, base, length, amount = _TAX_NUMBERS.unpack_from(
            data, numbers_at
        )
        if not rate_length == base_length == length == _INTEGER.size:
            raise MalformedEntryError(f"taxes: expected numbers of {_INTEGER.size} bytes")
        taxes.append(
            TaxTotal(
                type=_one_of(_TAX_TYPES, data[start:numbers_at], "taxes.type"),
                rate_micros=rate,
                base_minor=base,
                amount_minor=amount,
            )
        )
    return tuple(taxes)


def _as_receipt(data: bytes) -> ReceiptAmounts:
    fields = _fields(data, "receipt")
    _expect_count(fields, 5, "receipt")
    return ReceiptAmounts(
        currency_code=_as_text(fields[0], "receipt.currency_code"),
        scale=_as_integer(fields[1], "receipt.scale"),
        sequence_number=_as_integer(fields[2], "receipt.sequence_number"),
        total_minor=_as_integer(fields[3], "receipt.total_minor"),
        taxes=_as_taxes(fields[4]),
    )


def _as_close(data: bytes) -> CloseTotals:
    fields = _fields(data, "close")
    _expect_count(fields, 6, "close")
    return CloseTotals(
        number=_as_integer(fields[0], "close.number"),
        currency_code=_as_text(fields[1], "close.currency_code"),
        scale=_as_integer(fields[2], "close.scale"),
        period=_as_totals(fields[3], "close.period"),
        register=_as_totals(fields[4], "close.register"),
        account=_as_totals(fields[5], "close.account"),
    )


def _as_totals(data: bytes, name: str) -> RunningTotals:
    fields = _fields(data, name)
    _expect_count(fields, 4, name)
    return RunningTotals(
        sales=_as_kind_totals(fields[0], f"{name}.sales"),
        returns=_as_kind_totals(fields[1], f"{name}.returns"),
        expenses=_as_kind_totals(fields[2], f"{name}.expenses"),
        voided_count=_as_integer(fields[3], f"{name}.voided_count"),
    )


def _as_kind_totals(data: bytes, name: str) -> KindTotals:
    fields = _fields(data, name)
    _expect_count(fields, 3, name)
    return KindTotals(
        total_minor=_as_integer(fields[0], f"{name}.total_minor"),
        count=_as_integer(fields[1], f"{name}.count"),
        taxes=_as_taxes(fields[2]),
    )
