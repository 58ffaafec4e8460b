"""Write what happens at a register into the journal, with personal data beside the chain."""

import secrets
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from engine.behaviors import SHIPPING, kind_of
from engine.journal.chain import SALT_BYTES_MIN, Record, entry_kind, salted_digest
from engine.journal.totals import receipt_amounts
from engine.model import EvaluatedLine, Sale, SaleSummary, Timing
from engine.model.journal import ClockSource, Digest, EntryKind, Reference
from engine.render_line import ENCODER, Json, carried, customer_members, given
from engine.render_sale import sale_json
from engine.strict_json import is_object
from engine.timings import offset_seconds
from server.storage.journals import Journal
from server.storage.periods import Period

JSON_CONTENT: Final = "application/json"
"""The content type of what entries hold."""

PERSONAL_DATA: Final = "personal_data"
"""The name of the digest that stands for what is kept beside the chain."""

CLOCK_DIFFERENCE_NS_MAX: Final = 5 * 60 * 10**9
"""A register's clock that differs more from the server's is noted in the journal."""

_PERSONAL_MEMBERS: Final = ("address", "customer_info")
"""What a shipping behaviour says of a person."""


class Entered(NamedTuple):
    """The number of an entry, and the salt of its personal data; None where it has none."""

    journal_number: int
    salt: bytes | None


def enter_sale(
    journal: Journal, period: Period, sale: Sale, *, clock: ClockSource, document: bytes
) -> Entered:
    """Add a sale to the journal and to what its period seals.

    Args:
        journal: The end of the account's journal.
        period: The register's open period.
        sale: What is sold.
        clock: Whose clock says when.
        document: The sale as JSON.
    """
    kind = entry_kind(sale.summary.kind, voided=sale.voided)
    receipt = receipt_amounts(
        sale.summary,
        currency_code=sale.base_currency_code,
        scale=period.scale,
        sequence_number=sale.sequence_number,
    )
    bare, salt, digests = without_personal_data(sale.summary)
    if bare is not sale.summary:
        document = sale_json(msgspec.structs.replace(sale, summary=bare))
    timing = sale.timing
    journal.add(
        Record(
            kind=kind,
            instant_ns=timing.timestamp_ns,
            timezone=timing.timezone,
            offset_seconds=offset_seconds(timing),
            clock=clock,
            register=sale.source.register_id,
            references=tuple(_references(sale)),
            receipt=receipt,
            content_type=JSON_CONTENT,
            content=document,
            digests=digests,
        )
    )
    period.add_receipt(kind, receipt)
    return Entered(journal.head.number, salt)


def enter_event(
    journal: Journal,
    kind: EntryKind,
    timing: Timing,
    *,
    register_id: str,
    reference: Reference,
    content: Json | None = None,
    clock: ClockSource = ClockSource.SERVER,
    digests: tuple[Digest, ...] = (),
) -> None:
    """Add an event of a register that is no receipt."""
    journal.add(
        Record(
            kind=kind,
            instant_ns=timing.timestamp_ns,
            timezone=timing.timezone,
            offset_seconds=offset_seconds(timing),
            clock=clock,
            register=register_id,
            references=(reference,),
            content_type="" if content is None else JSON_CONTENT,
            content=b"" if content is None else ENCODER.encode(content),
            digests=digests,
        )
    )


def clock_differs(register_ns: int, *, received_ns: int) -> bool:
    """Return whether a register's clock differs so much from the server's that it is noted."""
    return abs(register_ns - received_ns) > CLOCK_DIFFERENCE_NS_MAX


def enter_clock(
    journal: Journal, timing: Timing, *, register_id: str, received_ns: int, checkout_id: str
) -> None:
    """Note that a register's clock differs much from the server's."""
    if not clock_differs(timing.timestamp_ns, received_ns=received_ns):
        return
    enter_event(
        journal,
        EntryKind.CLOCK_CHANGED,
        Timing(timestamp_ns=received_ns, timezone=timing.timezone),
        register_id=register_id,
        reference=Reference(name="checkout", identifier=checkout_id),
        content={"register_ns": timing.timestamp_ns, "server_ns": received_ns},
    )


def _references(sale: Sale) -> Iterator[Reference]:
    """Yield what a sale's entry refers to."""
    yield Reference(name="sale", identifier=sale.identifier)
    if sale.checkout_identifier is not None:
        yield Reference(name="checkout", identifier=sale.checkout_identifier)
    if sale.summary.return_reference is not None:
        yield Reference(name="return_of", identifier=sale.summary.return_reference)
    if sale.summary.quote_reference is not None:
        yield Reference(name="quote", identifier=sale.summary.quote_reference)


# --- personal data ---------------------------------------------------------------------------


def without_personal_data(
    summary: SaleSummary,
) -> tuple[SaleSummary, bytes | None, tuple[Digest, ...]]:
    """Return a summary without personal data, and the salt and the hash that stand for them."""
    document = personal_data(summary)
    if document is None:
        return summary, None, ()
    bare = msgspec.structs.replace(
        summary, customer=None, line_items=tuple(map(_without_address, summary.line_items))
    )
    salt = secrets.token_bytes(SALT_BYTES_MIN)
    return bare, salt, (salted_digest(PERSONAL_DATA, document, salt=salt),)


def personal_data(summary: SaleSummary) -> bytes | None:
    """Return the personal data of a sale as the journal hashes them, None where it has none.

    They are `{"customer", "line_items"}` with the members of the stored sale: the customer, and by
    the id of a line what its shipping behaviour says of a person.
    """
    shipped: Json = {
        line.line_item_id: given({name: content.get(name) for name in _PERSONAL_MEMBERS})
        for line in summary.line_items
        if (content := _shipping(line)) is not None
    }
    found = given({"customer": customer_members(summary.customer), "line_items": shipped or None})
    return ENCODER.encode(carried(found)) if found else None


def _shipping(line: EvaluatedLine) -> Json | None:
    """Return what a shipping behaviour says, None where it says nothing of a person."""
    if line.behavior is None or kind_of(line.behavior) != SHIPPING:
        return None
    content = line.behavior.get(SHIPPING)
    if not is_object(content) or not any(name in content for name in _PERSONAL_MEMBERS):
        return None
    return content


def _without_address(line: EvaluatedLine) -> EvaluatedLine:
    content = _shipping(line)
    if content is None:
        return line
    kept = {name: value for name, value in content.items() if name not in _PERSONAL_MEMBERS}
    assert line.behavior is not None, "it ships"
    return msgspec.structs.replace(line, behavior=line.behavior | {SHIPPING: kept})
