"""Forge, cut and reorder journals of hundreds of entries: each first bad entry is named."""

from collections.abc import Callable

import msgspec
import pytest

from engine.journal.chain import chained_hash
from engine.journal.encoding import encode_entry
from engine.journal.export import entry_line, header_line
from engine.journal.keys import PrivateKeySigner, PublicKey
from engine.journal.verification import Breach, UnreadableJournalError, Verified, verify
from engine.model import TaxType
from engine.model.journal import (
    ClockSource,
    Digest,
    EntryKind,
    Head,
    JournalEntry,
    Reference,
    SignedEntry,
)
from tests.support.journals import (
    ACCOUNT,
    Journal,
    ed25519_signer,
    journal,
    p256_signer,
    read,
)

replace = msgspec.structs.replace

SIGNER = ed25519_signer("merchant")
STRANGER = ed25519_signer("stranger")
JOURNAL = journal(320, SIGNER)
LINES = JOURNAL.lines()
KEYS = [SIGNER.public_key]


def first_receipt(kind: EntryKind, *, after: int = 100) -> int:
    """Return the number of the first entry of a kind behind another."""
    return next(entry.number for entry in map(read, JOURNAL.entries[after:]) if entry.kind is kind)


SALE = first_receipt(EntryKind.SALE)
CLOSE = first_receipt(EntryKind.REGISTER_CLOSED)


def close_after(number: int) -> int:
    """Return the number of the next Z report; the account's sums show at any register's."""
    every = map(read, JOURNAL.entries[number - 1 :])
    return next(entry.number for entry in every if entry.kind is EntryKind.REGISTER_CLOSED)


def breach(lines: list[bytes], *keys: PublicKey) -> Breach:
    """Return what is wrong with an export."""
    found = verify(lines, keys=keys or KEYS)
    assert isinstance(found, Breach), found
    return found


def replaced(number: int, line: bytes) -> list[bytes]:
    """Return the export with another line for an entry."""
    return [*LINES[:number], line, *LINES[number + 1 :]]


def rewritten(number: int, forged: JournalEntry, signer: PrivateKeySigner) -> list[bytes]:
    """Return the export with an entry forged and everything from it on chained and signed anew."""
    head = JOURNAL.heads[number - 1].hash
    lines = LINES[:number]
    for entry in (forged, *map(read, JOURNAL.entries[number:])):
        entry = msgspec.structs.replace(entry, key_id=signer.public_key.key_id)
        encoded = encode_entry(entry)
        head = chained_hash(head, encoded)
        lines.append(
            entry_line(entry, SignedEntry(entry=encoded, hash=head, signature=signer.sign(head)))
        )
    return lines


# --- sound journals --------------------------------------------------------------------------


@pytest.mark.parametrize("signer", [SIGNER, p256_signer("merchant")])
def test_verify_when_nothing_was_changed_then_sound(signer: PrivateKeySigner) -> None:
    made = journal(320, signer)

    found = verify(made.lines(), keys=[signer.public_key], expected_head=made.head.hash)

    expected = Verified(
        account=ACCOUNT, first_number=1, entry_count=made.head.number, head=made.head
    )
    assert expected == found
    assert made.head.number >= 300


def test_verify_when_journal_is_empty_then_sound() -> None:
    lines = [header_line(ACCOUNT, before=Head(), keys=())]

    assert Verified(account=ACCOUNT, first_number=1, entry_count=0, head=Head()) == verify(
        lines, keys=KEYS
    )


@pytest.mark.parametrize("first", [2, SALE, SALE + 1, CLOSE, CLOSE + 1, len(JOURNAL.entries)])
def test_verify_when_export_begins_in_the_middle_then_sound(first: int) -> None:
    found = verify(JOURNAL.lines(first=first), keys=KEYS, expected_head=JOURNAL.head.hash)

    assert isinstance(found, Verified), found
    assert (first, JOURNAL.head) == (found.first_number, found.head)


def test_verify_when_journal_hands_over_to_a_key_then_only_the_first_is_needed() -> None:
    made = journal(20, SIGNER)
    made.hand_over(p256_signer("next", key_version=2))
    made.receipt("till-1", EntryKind.SALE, 100)
    made.hand_over(ed25519_signer("third", key_version=3))
    made.close("till-1")

    assert isinstance(verify(made.lines(), keys=KEYS), Verified)


def test_verify_when_key_was_lost_then_the_next_one_must_be_given() -> None:
    made = journal(20, SIGNER)
    successor = p256_signer("next", key_version=2)
    made.hand_over(successor, is_lost=True)
    made.receipt("till-1", EntryKind.SALE, 100)

    assert 21 == breach(made.lines()).number
    assert isinstance(verify(made.lines(), keys=[*KEYS, successor.public_key]), Verified)


# --- every kind of field ---------------------------------------------------------------------

NOW = read(JOURNAL.entries[SALE - 1])
assert NOW.receipt is not None
RECEIPT = replace(NOW.receipt, sequence_number=1)
TAX = NOW.receipt.taxes[0]


FORGED: dict[str, JournalEntry] = {
    "account": replace(NOW, account="other"),
    "number": replace(NOW, number=NOW.number + 1),
    "kind": replace(NOW, kind=EntryKind.VOID),
    "register": replace(NOW, register="till-3"),
    "register_number": replace(NOW, register_number=(NOW.register_number or 0) + 1),
    "instant_ns": replace(NOW, instant_ns=NOW.instant_ns + 1),
    "timezone": replace(NOW, timezone="Europe/Oslo"),
    "offset_seconds": replace(NOW, offset_seconds=7200),
    "clock": replace(NOW, clock=ClockSource.REGISTER),
    "reference name": replace(NOW, references=(Reference(name="x", identifier="1"),)),
    "references": replace(NOW, references=()),
    "currency": replace(NOW, receipt=replace(NOW.receipt, currency_code="SEK")),
    "scale": replace(NOW, receipt=replace(NOW.receipt, scale=3)),
    "sequence": replace(
        NOW, receipt=replace(NOW.receipt, sequence_number=NOW.receipt.sequence_number + 1)
    ),
    "total": replace(NOW, receipt=replace(NOW.receipt, total_minor=1)),
    "taxes": replace(NOW, receipt=replace(NOW.receipt, taxes=())),
    "tax type": replace(
        NOW, receipt=replace(NOW.receipt, taxes=(replace(TAX, type=TaxType.SALES_TAX),))
    ),
    "rate": replace(NOW, receipt=replace(NOW.receipt, taxes=(replace(TAX, rate_micros=0),))),
    "base": replace(NOW, receipt=replace(NOW.receipt, taxes=(replace(TAX, base_minor=0),))),
    "tax amount": replace(NOW, receipt=replace(NOW.receipt, taxes=(replace(TAX, amount_minor=0),))),
    "content_type": replace(NOW, content_type="text/plain"),
    "content": replace(NOW, content=NOW.content + b" "),
    "digests": replace(NOW, digests=(Digest(name="customer", sha256=bytes(32)),)),
    "key_id": replace(NOW, key_id=bytes(32)),
    "key_version": replace(NOW, key_version=2),
}


@pytest.mark.parametrize("field", FORGED)
def test_verify_when_a_field_was_changed_then_its_entry_is_named(field: str) -> None:
    forged, was = FORGED[field], JOURNAL.entries[SALE - 1]
    changed = replace(was, entry=encode_entry(forged))

    assert SALE == breach(replaced(SALE, entry_line(forged, changed))).number


@pytest.mark.parametrize("field", FORGED)
def test_verify_when_a_field_and_its_hash_were_changed_then_its_entry_is_named(field: str) -> None:
    forged, was = FORGED[field], JOURNAL.entries[SALE - 1]
    encoded = encode_entry(forged)
    entry_hash = chained_hash(JOURNAL.heads[SALE - 1].hash, encoded)
    changed = SignedEntry(entry=encoded, hash=entry_hash, signature=was.signature)

    assert SALE == breach(replaced(SALE, entry_line(forged, changed))).number


@pytest.mark.parametrize("field", FORGED)
def test_verify_when_another_key_rewrote_the_tail_then_the_first_entry_is_named(field: str) -> None:
    lines = rewritten(SALE, FORGED[field], STRANGER)

    assert SALE == breach(lines).number
    assert SALE == breach(lines, *KEYS, STRANGER.public_key).number


@pytest.mark.parametrize(
    ("field", "number", "message"),
    [
        ("account", SALE, "expected the account acme, was other"),
        ("number", SALE, f"expected the number {SALE}, was {SALE + 1}"),
        ("register", SALE, "expected the register number 1, was"),
        ("register_number", SALE, "expected the register number"),
        ("sequence", SALE, "expected the sequence number"),
        ("key_version", SALE, "expected version 1 of the key, was 2"),
        ("kind", close_after(SALE), ".sales.total_minor"),
        ("total", close_after(SALE), ".sales.total_minor"),
        ("taxes", close_after(SALE), ".sales.taxes"),
        ("tax amount", close_after(SALE), ".sales.taxes"),
        ("currency", close_after(SALE), ".sales.total_minor"),
    ],
)
def test_verify_when_the_own_key_rewrote_the_tail_then_numbers_and_sums_tell(
    field: str, number: int, message: str
) -> None:
    found = breach(rewritten(SALE, FORGED[field], SIGNER))

    assert (number, True) == (found.number, message in found.message), found


def test_verify_when_the_own_key_rewrote_a_text_then_only_the_head_tells() -> None:
    lines = rewritten(SALE, FORGED["content"], SIGNER)

    assert isinstance(verify(lines, keys=KEYS), Verified)
    assert isinstance(verify(lines, keys=KEYS, expected_head=JOURNAL.head.hash), Breach)


# --- Z reports -------------------------------------------------------------------------------

Z = read(JOURNAL.entries[CLOSE - 1])
assert Z.close is not None
TOTALS = Z.close
MORE = replace(TOTALS.period.sales, total_minor=TOTALS.period.sales.total_minor + 1)


@pytest.mark.parametrize(
    ("close", "message"),
    [
        (replace(TOTALS, number=TOTALS.number + 1), "expected the close number"),
        (replace(TOTALS, period=replace(TOTALS.period, sales=MORE)), "period.sales.total_minor"),
        (replace(TOTALS, period=replace(TOTALS.period, voided_count=99)), "period.voided_count"),
        (replace(TOTALS, register=replace(TOTALS.register, returns=MORE)), "register.returns"),
        (replace(TOTALS, account=replace(TOTALS.account, expenses=MORE)), "account.expenses"),
    ],
)
def test_verify_when_a_report_was_signed_with_wrong_sums_then_it_is_named(
    close: object, message: str
) -> None:
    found = breach(rewritten(CLOSE, replace(Z, close=close), SIGNER))

    assert (CLOSE, True) == (found.number, message in found.message), found


def test_verify_when_a_middle_begins_before_wrong_sums_then_they_are_named() -> None:
    closes = [e.number for e in map(read, JOURNAL.entries) if e.close and e.register == "till-1"]
    last = read(JOURNAL.entries[closes[-1] - 1])
    assert last.close is not None
    wrong = replace(last.close, register=replace(last.close.register, sales=MORE))
    lines = rewritten(last.number, replace(last, close=wrong), SIGNER)
    first = closes[-2]
    header = header_line(ACCOUNT, before=JOURNAL.heads[first - 1], keys=JOURNAL.keys)

    assert last.number == breach([header, *lines[first:]]).number


# --- lines -----------------------------------------------------------------------------------

Forgery = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("forge", "number"),
    [
        (lambda lines: [*lines[:50], *lines[51:]], 50),
        (lambda lines: [*lines[:50], lines[51], lines[50], *lines[52:]], 50),
        (lambda lines: [*lines[:50], lines[50], *lines[50:]], 51),
        (lambda lines: [*lines[:50], b"\n", *lines[50:]], 50),
        (lambda lines: [*lines[:50], lines[50].replace(b'"kind"', b' "kind"'), *lines[51:]], 50),
        (lambda lines: [*lines[:50], lines[50][:-1]], 50),
        (lambda lines: [*lines[:50], lines[50][:100]], 50),
        (lambda lines: [lines[0], *lines[2:]], 1),
        (lambda lines: [lines[0], *lines[:0:-1]], 1),
    ],
    ids=["drop", "swap", "repeat", "blank", "space", "no end", "cut", "first", "reverse"],
)
def test_verify_when_lines_were_moved_then_the_first_bad_entry_is_named(
    forge: Forgery, number: int
) -> None:
    assert number == breach(forge(LINES)).number


@pytest.mark.parametrize("count", [1, 2, 100])
def test_verify_when_the_end_is_missing_then_only_the_head_tells(count: int) -> None:
    lines = LINES[:-count]

    assert isinstance(verify(lines, keys=KEYS), Verified)
    found = verify(lines, keys=KEYS, expected_head=JOURNAL.head.hash)
    assert isinstance(found, Breach)
    assert (len(lines), None) == (found.line, found.number)


def test_verify_when_an_earlier_signature_is_bad_then_it_comes_first() -> None:
    entry, signed = read(JOURNAL.entries[9]), JOURNAL.entries[9]
    forged = entry_line(entry, replace(signed, signature=bytes(64)))

    assert 10 == breach([*LINES[:10], forged, *LINES[11:40], b"{}\n"]).number


def test_verify_when_a_shown_member_says_something_else_then_its_entry_is_named() -> None:
    line = LINES[SALE].replace(b'"kind":"sale"', b'"kind":"void"')

    assert SALE == breach(replaced(SALE, line)).number


# --- headers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\n",
        b"{}\n",
        LINES[1],
        LINES[0][:-1],
        LINES[0].replace(b'"version":1', b'"version":2', 1),
        LINES[0].replace(b"tillcore-journal", b"tillcore-journey"),
        LINES[0].replace(b'"previous_hash":"00', b'"previous_hash":"01'),
        LINES[0].replace(b'"first_number":1', b'"first_number":0'),
        LINES[0].replace(b'"first_number":1', b'"first_number":1,"more":1'),
    ],
)
def test_verify_when_there_is_no_header_then_unreadable(header: bytes) -> None:
    with pytest.raises(UnreadableJournalError):
        verify([header, *LINES[1:]], keys=KEYS)


@pytest.mark.parametrize(
    ("keys", "line"),
    [([], 1), ([(2, SIGNER.public_key)], 1), ([(1, STRANGER.public_key)], 1)],
)
def test_verify_when_header_lists_other_keys_then_broken(
    keys: list[tuple[int, PublicKey]], line: int
) -> None:
    assert line == breach(JOURNAL.lines(keys=keys)).line


def test_verify_when_no_given_key_signed_then_the_first_entry_is_named() -> None:
    found = verify(LINES, keys=[STRANGER.public_key])

    assert isinstance(found, Breach)
    assert (2, 1) == (found.line, found.number)


def test_verify_when_a_register_begins_in_the_middle_then_it_begins_with_one() -> None:
    made = Journal(SIGNER)
    made.at_register("till-1", EntryKind.REGISTER_OPENED)
    made.at_register("till-2", EntryKind.REGISTER_OPENED)
    made.tills["till-2"].sequence_number = 1
    made.receipt("till-2", EntryKind.SALE, 100)

    assert 3 == breach(made.lines(first=2)).number


def test_verify_when_receipts_in_another_currency_are_left_open_then_the_report_is_named() -> None:
    made = Journal(SIGNER)
    made.at_register("till-1", EntryKind.SALE, receipt=replace(RECEIPT, currency_code="SEK"))
    made.close("till-1")

    found = breach(made.lines())

    assert (2, True) == (found.number, "the receipts in SEK (2)" in found.message)
