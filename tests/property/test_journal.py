"""Change exports of the journal at random: nothing goes unseen, and each entry has one form."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.journal.encoding import MalformedEntryError, decode_entry, encode_entry
from engine.journal.verification import Breach, UnreadableJournalError, Verified, verify
from engine.model import TaxType
from engine.model.journal import (
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
from tests.support.journals import ed25519_signer, journal, p256_signer

MUTATION_COUNT = 2_500
SIGNER = p256_signer("merchant")


def mutated(data: bytes, random: Random) -> tuple[bytes, int]:
    """Return other bytes, and where they differ first at the latest."""
    at = random.randrange(len(data))
    length = random.choice((1, 1, 1, 2, 8))
    match random.randrange(4):
        case 0:
            changed = data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
        case 1:
            changed = data[:at] + data[at + length :]
        case 2:
            changed = data[:at] + random.randbytes(length) + data[at:]
        case _:
            other = random.randrange(len(data))
            changed = data[:at] + data[other : other + length] + data[at + length :]
    return changed, at


def test_verify_when_any_byte_is_changed_then_it_is_seen_where_it_is() -> None:
    made = journal(24, SIGNER)
    made.hand_over(ed25519_signer("next", key_version=2))
    made.receipt("till-1", EntryKind.SALE, 100)
    made.close("till-1")
    data = b"".join(made.lines())
    random = Random(29)
    seen_count = 0
    for _ in range(MUTATION_COUNT):
        changed, at = mutated(data, random)
        if changed == data:
            continue
        same = next((i for i, (a, b) in enumerate(zip(data, changed, strict=False)) if a != b), at)
        line = data.count(b"\n", 0, same) + 1
        try:
            found = verify(
                changed.splitlines(keepends=True),
                keys=[SIGNER.public_key],
                expected_head=made.head.hash,
            )
        except UnreadableJournalError:
            assert 1 == line
        else:
            assert isinstance(found, Breach), (at, changed[at - 20 : at + 20])
            assert line == found.line or line == 1, (line, found)
        seen_count += 1

    assert seen_count > MUTATION_COUNT * 9 // 10


@pytest.mark.parametrize("seed", range(3))
def test_verify_when_journal_is_random_then_sound(seed: int) -> None:
    made = journal(150, SIGNER, seed=seed)

    found = verify(made.lines(), keys=[SIGNER.public_key], expected_head=made.head.hash)

    assert isinstance(found, Verified), found


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
IDS = TEXTS.filter(bool)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
HASHES = st.binary(min_size=32, max_size=32)
TAXES = st.lists(
    st.builds(
        TaxTotal,
        type=st.sampled_from(TaxType),
        rate_micros=INTEGERS,
        base_minor=INTEGERS,
        amount_minor=INTEGERS,
    ),
    max_size=3,
).map(tuple)
KIND_TOTALS = st.builds(KindTotals, total_minor=INTEGERS, count=INTEGERS, taxes=TAXES)
TOTALS = st.builds(
    RunningTotals,
    sales=KIND_TOTALS,
    returns=KIND_TOTALS,
    expenses=KIND_TOTALS,
    voided_count=INTEGERS,
)
RECEIPTS = st.builds(
    ReceiptAmounts,
    currency_code=TEXTS,
    scale=INTEGERS,
    sequence_number=INTEGERS,
    total_minor=INTEGERS,
    taxes=TAXES,
)
CLOSES = st.builds(
    CloseTotals,
    number=INTEGERS,
    currency_code=TEXTS,
    scale=INTEGERS,
    period=TOTALS,
    register=TOTALS,
    account=TOTALS,
)
COMMON = {
    "account": TEXTS,
    "number": INTEGERS,
    "instant_ns": INTEGERS,
    "timezone": TEXTS,
    "offset_seconds": INTEGERS,
    "clock": st.sampled_from(ClockSource),
    "references": st.lists(st.builds(Reference, name=TEXTS, identifier=TEXTS), max_size=3).map(
        tuple
    ),
    "content_type": TEXTS,
    "content": st.binary(max_size=20),
    "digests": st.lists(st.builds(Digest, name=TEXTS, sha256=HASHES), max_size=2).map(tuple),
    "key_id": HASHES,
    "key_version": INTEGERS,
}
AT_REGISTER = COMMON | {"register": IDS, "register_number": INTEGERS}
ENTRIES = st.one_of(
    st.builds(JournalEntry, kind=st.just(EntryKind.LOGIN), **COMMON),
    st.builds(JournalEntry, kind=st.just(EntryKind.LOGIN), **AT_REGISTER),
    st.builds(JournalEntry, kind=st.just(EntryKind.RETURN), receipt=RECEIPTS, **AT_REGISTER),
    st.builds(JournalEntry, kind=st.just(EntryKind.REGISTER_CLOSED), close=CLOSES, **AT_REGISTER),
)


@given(ENTRIES)
def test_entry_when_encoded_and_decoded_then_the_same(entry: JournalEntry) -> None:
    assert entry == decode_entry(encode_entry(entry))


@settings(max_examples=400)
@given(ENTRIES, st.randoms(use_true_random=False))
def test_decode_when_bytes_are_changed_then_refused_or_of_one_form(
    entry: JournalEntry, random: Random
) -> None:
    changed, _ = mutated(encode_entry(entry), random)
    try:
        decoded = decode_entry(changed)
    except MalformedEntryError:
        return
    assert changed == encode_entry(decoded)
