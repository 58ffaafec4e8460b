"""Chain, sign, encode and add up entries of the journal, and read the journals of old releases."""

from hashlib import sha256
from pathlib import Path
from struct import unpack_from

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from engine.errors import InvalidInput, OutOfRange
from engine.journal.chain import Record, append, entry_kind, salted_digest
from engine.journal.encoding import MalformedEntryError, decode_entry, encode_entry
from engine.journal.export import local_time_text, read_line
from engine.journal.keys import (
    BadKeyError,
    PrivateKeySigner,
    load_public_key,
    load_signer,
)
from engine.journal.totals import NOTHING, add_receipt, add_totals, receipt_amounts
from engine.journal.verification import Verified, verify
from engine.model import (
    EvaluatedLine,
    SaleKind,
    SaleSummary,
    TaxAmount,
    TaxType,
)
from engine.model.journal import (
    EntryKind,
    Head,
    KindTotals,
    ReceiptAmounts,
    RunningTotals,
    SignedEntry,
    TaxTotal,
)
from engine.model.register import RegisterEvent
from tests.support.journals import (
    ACCOUNT,
    ed25519_signer,
    journal,
    moment,
    p256_signer,
    receipt_of,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "journal"
SIGNERS = [ed25519_signer("a"), p256_signer("a")]
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def first(signer: PrivateKeySigner, **members: object) -> tuple[SignedEntry, Head]:
    """Return the first entry of a journal."""
    record = moment(0, EntryKind.REGISTER_OPENED, "till-1", 1, **members)
    return append(record, account=ACCOUNT, head=Head(), signer=signer)


# --- chain and signatures --------------------------------------------------------------------


@pytest.mark.parametrize("signer", SIGNERS)
def test_append_when_entries_follow_then_each_hash_covers_the_one_before(
    signer: PrivateKeySigner,
) -> None:
    one, head = first(signer)
    two, after = append(
        moment(1, EntryKind.CASH_DRAWER_OPENED, "till-1", 2),
        account=ACCOUNT,
        head=head,
        signer=signer,
    )

    assert sha256(bytes(32) + one.entry).digest() == one.hash == head.hash
    assert sha256(one.hash + two.entry).digest() == two.hash == after.hash
    assert (1, 2) == (head.number, after.number)
    assert signer.public_key.is_signed(two.hash, two.signature)
    assert not signer.public_key.is_signed(one.hash, two.signature)


@pytest.mark.parametrize("make", [ed25519_signer, p256_signer])
def test_journal_when_written_twice_then_same_bytes(make: type) -> None:
    assert journal(60, make("a")).lines() == journal(60, make("a")).lines()


def test_signature_when_s_is_mirrored_then_refused() -> None:
    signer = p256_signer("a")
    entry_hash = sha256(b"entry").digest()
    signature = signer.sign(entry_hash)
    mirrored = P256_ORDER - int.from_bytes(signature[32:], "big")

    assert signer.public_key.is_signed(entry_hash, signature)
    assert not signer.public_key.is_signed(
        entry_hash, signature[:32] + mirrored.to_bytes(32, "big")
    )


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64])
def test_signature_when_it_is_none_then_refused(signer: PrivateKeySigner, signature: bytes) -> None:
    assert not signer.public_key.is_signed(sha256(b"entry").digest(), signature)


# --- keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "private", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()]
)
def test_keys_when_loaded_from_their_files_then_the_same(
    private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer = load_signer(pem, key_version=3)
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    for loaded in (load_public_key(der), load_public_key(signer.public_key.pem())):
        assert (sha256(der).digest(), der) == (loaded.key_id, loaded.der)
        assert loaded.is_signed(bytes(32), signer.sign(bytes(32)))
    assert 3 == signer.key_version


def test_keys_when_of_another_kind_then_refused() -> None:
    for private in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(BadKeyError):
            load_signer(pem, key_version=1)
        with pytest.raises(BadKeyError):
            load_public_key(public)


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PUBLIC KEY-----\nAA", b"\x30\x00"])
def test_keys_when_no_key_then_refused(data: bytes) -> None:
    with pytest.raises(BadKeyError):
        load_public_key(data)
    with pytest.raises(BadKeyError):
        load_signer(data, key_version=1)


# --- canonical bytes -------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(0, 200, 7))
def test_decode_when_bytes_are_cut_then_malformed(at: int) -> None:
    encoded = first(SIGNERS[0])[0].entry

    with pytest.raises(MalformedEntryError):
        decode_entry(encoded[:at])


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        (b"tillcore.journal.v1", b"tillcore.journal.v2", "version"),
        (b"register_opened", b"register_opener", "kind"),
        (b"register_opened", b"register_closed", "register_closed"),
        (b"till-1", b"till\xff1", "register: expected UTF-8"),
        (b"\x06server", b"\x06sERVER", "clock"),
        (b"\x00\x00\x00\x06till-1", b"\x00\x00\x00\x00", "register number"),
    ],
)
def test_decode_when_a_field_is_wrong_then_it_is_named(
    was: bytes, becomes: bytes, message: str
) -> None:
    encoded = first(SIGNERS[0])[0].entry
    assert 1 == encoded.count(was)

    with pytest.raises(MalformedEntryError, match=message):
        decode_entry(encoded.replace(was, becomes))


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_append_when_a_total_does_not_fit_then_out_of_range(value: int) -> None:
    record = moment(0, EntryKind.SALE, "till-1", 1, receipt=receipt_of(value, 1))

    with pytest.raises(OutOfRange, match="total_minor"):
        append(record, account=ACCOUNT, head=Head(), signer=SIGNERS[0])


def test_append_when_content_is_too_long_then_out_of_range() -> None:
    with pytest.raises(OutOfRange, match="at most 16777216 bytes"):
        first(SIGNERS[0], content=bytes(16 * 1024 * 1024))


# --- kinds, digests, times -------------------------------------------------------------------


def test_kinds_when_compared_with_the_events_of_a_register_then_all_are_there() -> None:
    assert {each.value for each in RegisterEvent} <= {each.value for each in EntryKind}


@pytest.mark.parametrize(
    ("kind", "voided", "expected"),
    [
        (SaleKind.SALE, False, EntryKind.SALE),
        (SaleKind.RETURN, False, EntryKind.RETURN),
        (SaleKind.EXPENSE, False, EntryKind.EXPENSES),
        (SaleKind.RETURN, True, EntryKind.VOID),
    ],
)
def test_entry_kind_when_sale_is_recorded_then_as_what_it_counts(
    kind: SaleKind, *, voided: bool, expected: EntryKind
) -> None:
    assert expected is entry_kind(kind, voided=voided)


def test_digest_when_salt_or_document_differs_then_another() -> None:
    salt = bytes(range(16))
    digest = salted_digest("customer", b"Ada", salt=salt)

    assert sha256(b"\x10" + salt + b"Ada").digest() == digest.sha256
    assert digest != salted_digest("customer", b"Ada", salt=bytes(16))
    assert digest.sha256 != salted_digest("customer", b"da", salt=salt + b"A").sha256
    with pytest.raises(InvalidInput, match="expected at least 16 random bytes, was 15"):
        salted_digest("customer", b"Ada", salt=bytes(15))


@pytest.mark.parametrize(
    ("instant_ns", "offset_seconds", "expected"),
    [
        (0, 0, "1970-01-01T00:00:00.000000000+00:00"),
        (-1, -3600, "1969-12-31T22:59:59.999999999-01:00"),
        (1_795_341_600_123_456_789, 19_800, "2026-11-22T15:30:00.123456789+05:30"),
        (0, 561, "1970-01-01T00:09:21.000000000+00:09:21"),
    ],
)
def test_local_time_when_written_then_iso_8601(
    instant_ns: int, offset_seconds: int, expected: str
) -> None:
    assert expected == local_time_text(instant_ns, offset_seconds=offset_seconds)


# --- totals ----------------------------------------------------------------------------------


def test_totals_when_receipts_are_added_then_kinds_and_rates_apart() -> None:
    low = TaxTotal(type=TaxType.VAT, rate_micros=60_000, base_minor=100, amount_minor=6)
    mixed = ReceiptAmounts(
        currency_code="DKK",
        scale=2,
        sequence_number=2,
        total_minor=1106,
        taxes=(low, *receipt_of(1000, 1).taxes),
    )

    totals = NOTHING
    for kind, receipt in (
        (EntryKind.SALE, receipt_of(500, 1)),
        (EntryKind.SALE, mixed),
        (EntryKind.RETURN, receipt_of(-500, 3)),
        (EntryKind.VOID, receipt_of(700, 4)),
    ):
        totals = add_receipt(totals, kind, receipt)

    high = TaxTotal(type=TaxType.VAT, rate_micros=250_000, base_minor=1200, amount_minor=300)
    assert KindTotals(total_minor=1606, count=2, taxes=(low, high)) == totals.sales
    assert (-500, 1, 1, 1106) == (
        totals.returns.total_minor,
        totals.returns.count,
        totals.voided_count,
        totals.net_minor,
    )
    assert RunningTotals() == NOTHING
    assert 4 == add_totals(totals, totals).sales.count


def summary(*, total_micros: int) -> SaleSummary:
    """Return a sale of one line with VAT and of one without."""
    vat = TaxAmount(name="Moms", rate_micros=250_000, type=TaxType.VAT, amount_micros=2_000_000)
    taxed = EvaluatedLine(
        line_item_id="1",
        quantity_micros=1_000_000,
        retail_price_micros=10_000_000,
        sub_total_micros=10_000_000,
        base_price_micros=8_000_000,
        total_micros=10_000_000,
        vat_amount_micros=2_000_000,
        sales_tax_amount_micros=0,
        total_tax_amount_micros=2_000_000,
        taxes=(vat,),
    )
    return SaleSummary(
        base_price_micros=total_micros - 2_000_000,
        sub_total_micros=total_micros,
        total_micros=total_micros,
        vat_amount_micros=2_000_000,
        sales_tax_amount_micros=0,
        total_tax_amount_micros=2_000_000,
        total_discounts_micros=0,
        line_items=(taxed, msgspec.structs.replace(taxed, line_item_id="2", taxes=())),
        taxes=(vat,),
    )


def test_receipt_amounts_when_lines_bear_a_tax_then_their_base_prices() -> None:
    amounts = receipt_amounts(
        summary(total_micros=20_000_000), currency_code="DKK", scale=2, sequence_number=7
    )

    vat = TaxTotal(type=TaxType.VAT, rate_micros=250_000, base_minor=800, amount_minor=200)
    assert (2000, 7, (vat,)) == (amounts.total_minor, amounts.sequence_number, amounts.taxes)


def test_receipt_amounts_when_total_has_more_digits_then_out_of_range() -> None:
    with pytest.raises(OutOfRange, match="total: expected at most 2 digits"):
        receipt_amounts(
            summary(total_micros=20_001_000), currency_code="DKK", scale=2, sequence_number=7
        )


# --- journals of old releases ----------------------------------------------------------------


def test_golden_when_verified_then_sound_and_byte_for_byte() -> None:
    lines = (GOLDEN / "version_1.ndjson").read_bytes().splitlines(keepends=True)
    keys = [load_public_key((GOLDEN / "version_1.pem").read_bytes())]

    found = verify(lines, keys=keys)

    assert isinstance(found, Verified), found
    head = "7a8760d8381310bb8f10045ec96594629f1ed5a387e720bbb32089a50e154911"
    assert ("acme", 1, 58, head) == (
        found.account,
        found.first_number,
        found.entry_count,
        found.head.hash.hex(),
    )
    for line in lines[1:]:
        signed = read_line(line)
        assert signed is not None
        assert signed.entry == encode_entry(decode_entry(signed.entry))


def test_golden_when_verified_by_the_document_alone_then_sound() -> None:
    """Follow docs/journal.md with a JSON reader, SHA-256 and ECDSA, and nothing of the engine."""
    lines = (GOLDEN / "version_1.ndjson").read_bytes().splitlines()
    key = load_pem_public_key((GOLDEN / "version_1.pem").read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    previous = bytes.fromhex(msgspec.json.decode(lines[0])["previous_hash"])
    kinds = []
    for line in lines[1:30]:
        shown = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        entry = msgspec.json.decode(shown["entry"], type=bytes)
        signature = msgspec.json.decode(shown["signature"], type=bytes)
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        message = previous + entry
        key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
        previous = sha256(message).digest()
        assert previous.hex() == msgspec.json.decode(shown["hash"])
        fields, at = [], 0
        while at < len(entry):
            (length,) = unpack_from(">I", entry, at)
            fields.append(entry[at + 4 : at + 4 + length])
            at += 4 + length
        assert (b"tillcore.journal.v1", b"acme", 18) == (fields[0], fields[1], len(fields))
        kinds.append(fields[3].decode())

    assert {"sale", "return", "register_closed"} <= set(kinds)


def test_record_when_made_without_a_register_then_none_is_written() -> None:
    record = Record(kind=EntryKind.SERVER_STARTED, instant_ns=0, timezone="UTC", offset_seconds=0)
    signed, _ = append(record, account=ACCOUNT, head=Head(), signer=SIGNERS[0])

    entry = decode_entry(signed.entry)
    assert (None, None) == (entry.register, entry.register_number)
