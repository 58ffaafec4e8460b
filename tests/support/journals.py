"""Make journals of two tills that sell, take back, close and hand over, always the same."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.journal.chain import Record, append, key_change
from engine.journal.encoding import decode_entry
from engine.journal.export import entry_line, header_line
from engine.journal.keys import PrivateKeySigner, PublicKey
from engine.journal.totals import NOTHING, add_receipt, close_totals
from engine.model import TaxType
from engine.model.journal import (
    EntryKind,
    Head,
    JournalEntry,
    ReceiptAmounts,
    Reference,
    RunningTotals,
    SignedEntry,
    TaxTotal,
)

ACCOUNT = "acme"
START_NS = 1_795_341_600_000_000_000
KINDS = (EntryKind.SALE, EntryKind.SALE, EntryKind.RETURN, EntryKind.EXPENSES, EntryKind.VOID)


def p256_signer(name: str, *, key_version: int = 1) -> PrivateKeySigner:
    """Return a signer of P-256 whose key follows from its name."""
    secret = int.from_bytes(sha256(name.encode()).digest(), "big") >> 1
    return PrivateKeySigner(derive_private_key(secret, SECP256R1()), key_version=key_version)


def ed25519_signer(name: str, *, key_version: int = 1) -> PrivateKeySigner:
    """Return a signer of Ed25519 whose key follows from its name."""
    seed = sha256(name.encode()).digest()
    return PrivateKeySigner(Ed25519PrivateKey.from_private_bytes(seed), key_version=key_version)


@dataclass
class Till:
    """The numbers and sums of a register, as a server keeps them."""

    number: int = 0
    sequence_number: int = 0
    close_number: int = 0
    period: RunningTotals = NOTHING
    totals: RunningTotals = NOTHING


@dataclass
class Journal:
    """A journal as a server writes it: each entry in its place, nothing changed afterwards."""

    signer: PrivateKeySigner
    head: Head = field(default_factory=Head)
    entries: list[SignedEntry] = field(default_factory=list)
    heads: list[Head] = field(default_factory=lambda: [Head()])
    keys: list[tuple[int, PublicKey]] = field(default_factory=list)
    tills: dict[str, Till] = field(default_factory=dict)
    account: RunningTotals = NOTHING

    def add(self, record: Record) -> None:
        """Append a record."""
        signed, self.head = append(record, account=ACCOUNT, head=self.head, signer=self.signer)
        self.entries.append(signed)
        self.heads.append(self.head)
        used = (self.signer.key_version, self.signer.public_key)
        if not self.keys or self.keys[-1] != used:
            self.keys.append(used)

    def at_register(self, register: str, kind: EntryKind, **members: object) -> None:
        """Append what happens at a register."""
        till = self.tills.setdefault(register, Till())
        till.number += 1
        self.add(moment(self.head.number, kind, register, till.number, **members))

    def receipt(self, register: str, kind: EntryKind, total_minor: int) -> None:
        """Append a receipt with 25 % VAT inside."""
        till = self.tills.setdefault(register, Till())
        till.sequence_number += 1
        amounts = receipt_of(total_minor, till.sequence_number)
        till.period = add_receipt(till.period, kind, amounts)
        self.account = add_receipt(self.account, kind, amounts)
        self.at_register(
            register,
            kind,
            receipt=amounts,
            references=(Reference(name="sale", identifier=f"{register}-{till.sequence_number}"),),
            content_type="application/json",
            content=b'{"total":%d}' % total_minor,
        )

    def close(self, register: str) -> None:
        """Append a Z report."""
        till = self.tills.setdefault(register, Till())
        till.close_number += 1
        totals = close_totals(
            number=till.close_number,
            currency_code="DKK",
            scale=2,
            period=till.period,
            register_before=till.totals,
            account=self.account,
        )
        till.period, till.totals = NOTHING, totals.register
        self.at_register(register, EntryKind.REGISTER_CLOSED, close=totals)

    def hand_over(self, signer: PrivateKeySigner, *, is_lost: bool = False) -> None:
        """Append the change to another key, signed by the old one unless that is lost."""
        record = key_change(
            signer.public_key,
            instant_ns=START_NS,
            timezone="Europe/Copenhagen",
            offset_seconds=3600,
        )
        if is_lost:
            self.signer = signer
        self.add(record)
        self.signer = signer

    def lines(
        self, *, first: int = 1, keys: list[tuple[int, PublicKey]] | None = None
    ) -> list[bytes]:
        """Return the export from the entry with the number `first` on."""
        chosen = self.entries[first - 1 :]
        header = header_line(
            ACCOUNT, before=self.heads[first - 1], keys=self.keys if keys is None else keys
        )
        return [header, *(entry_line(read(each), each) for each in chosen)]


def read(signed: SignedEntry) -> JournalEntry:
    """Return the entry of its exact bytes."""
    return decode_entry(signed.entry)


def moment(
    index: int, kind: EntryKind, register: str, register_number: int, **members: object
) -> Record:
    """Return a record a second after the one before."""
    values: dict[str, object] = {
        "kind": kind,
        "instant_ns": START_NS + index * 1_000_000_123,
        "timezone": "Europe/Copenhagen",
        "offset_seconds": 3600,
        "register": register,
        "register_number": register_number,
    }
    return Record(**(values | members))  # type: ignore[arg-type]  # the members are the caller's


def receipt_of(total_minor: int, sequence_number: int) -> ReceiptAmounts:
    """Return the amounts of a receipt with 25 % VAT inside."""
    base_minor = total_minor * 4 // 5
    vat = TaxTotal(
        type=TaxType.VAT,
        rate_micros=250_000,
        base_minor=base_minor,
        amount_minor=total_minor - base_minor,
    )
    return ReceiptAmounts(
        currency_code="DKK",
        scale=2,
        sequence_number=sequence_number,
        total_minor=total_minor,
        taxes=(vat,),
    )


def journal(count: int, signer: PrivateKeySigner, *, seed: int = 1) -> Journal:
    """Return a journal of about `count` entries of two registers with several Z reports each."""
    random = Random(seed)
    made = Journal(signer)
    made.add(
        Record(
            kind=EntryKind.SERVER_STARTED,
            instant_ns=START_NS,
            timezone="UTC",
            offset_seconds=0,
        )
    )
    for register in ("till-1", "till-2"):
        made.at_register(register, EntryKind.REGISTER_OPENED)
    while made.head.number < count - 2:
        register = random.choice(("till-1", "till-2"))
        for step in business(random):
            if step is None:
                made.close(register)
            elif step is EntryKind.CASH_DRAWER_OPENED:
                made.at_register(register, step)
            else:
                sign = 1 if step in (EntryKind.SALE, EntryKind.VOID) else -1
                made.receipt(register, step, sign * random.randint(1, 99_999))
    for register in ("till-1", "till-2"):
        made.close(register)
    return made


def business(random: Random) -> Iterator[EntryKind | None]:
    """Yield what happens next at a register; None is a Z report."""
    yield random.choice((*KINDS, EntryKind.CASH_DRAWER_OPENED))
    if random.random() < 0.05:
        yield None
