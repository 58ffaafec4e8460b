"""Keep the baskets of a chunk as columns: small enough to send, and exact.

Stored checkouts become columns once. What repeats, such as lines, customers and manual discounts,
stands in a table of the chunk once; a basket is a row of numbers. A chunk is one message of
MessagePack, the same for the same baskets, and needs only the history of its catalogue beside it.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from engine.errors import Reason, invalid
from engine.model import Basket, BasketLine, Customer, ManualDiscount
from engine.outcome import Given, Source, Sums
from engine.render_line import carried_json
from engine.strict_json import decode, is_object
from server.replay.tally import SUM_COUNT, Kept

T = TypeVar("T")

FORM: Final = 1
"""The form of the columns; another version refuses those of this one when it is changed."""

NONE: Final = -1
"""The place of what a basket has not."""

Table = npt.NDArray[np.int64]
_INT64: Final = np.dtype("<i8")
_NO_NUMBERS: Final = np.array((), dtype=_INT64)


class Column(IntEnum):
    """What the numbers of a basket's row are; then come its sums, and those of its records."""

    DAY = 0
    MOMENT_NS = 1
    REVISION = 2
    SHOP = 3
    PURCHASE_TYPE = 4
    CUSTOMER = 5
    COUPONS = 6
    DISCOUNTS = 7
    LINE_COUNT = 8
    GIVEN_COUNT = 9
    KEPT = 10
    IS_INFERRED = 11
    HAS_RECORDS = 12


LIVE_SUMS: Final = len(Column)
RECORD_SUMS: Final = LIVE_SUMS + SUM_COUNT
COLUMN_COUNT: Final = RECORD_SUMS + SUM_COUNT

GIVEN_COLUMNS: Final = 4
"""What a source took off a basket: source, whether of a record, units, amount in micros."""

REASONS: Final = tuple(Kept)


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk of baskets.

    Attributes:
        form: FORM.
        days: Local days, YYYY-MM-DD.
        shops: Ids of shops.
        purchase_types: Ids of purchase types.
        customers: Customers: id, groups and exemption.
        coupons: Lists of coupons.
        discounts: Lists of manual discounts on the basket.
        sources: Where discounts come from: kind and id.
        lines: Lines without ids.
        behaviors: The behaviour of each line as JSON, empty for none.
        baskets: int64, a row of COLUMN_COUNT for each basket.
        line_numbers: int64, the lines of all baskets one after the other.
        given: int64, rows of GIVEN_COLUMNS of all baskets one after the other.
    """

    form: int
    days: tuple[str, ...]
    shops: tuple[str, ...]
    purchase_types: tuple[str, ...]
    customers: tuple[Customer, ...]
    coupons: tuple[tuple[str, ...], ...]
    discounts: tuple[tuple[ManualDiscount, ...], ...]
    sources: tuple[tuple[str, str], ...]
    lines: tuple[BasketLine, ...]
    behaviors: tuple[bytes, ...]
    baskets: bytes
    line_numbers: bytes
    given: bytes


_ENCODER: Final = msgspec.msgpack.Encoder(order="sorted")
_DECODER: Final = msgspec.msgpack.Decoder(Columns)


class StoredBasket(NamedTuple):
    """A basket as it was, in the numbers of its chunk's tables.

    Attributes:
        day: Its local day.
        revision: The revision of the catalogue that it met.
        head: The basket without its lines.
        kept: Why it is not evaluated again; None when it is.
        is_inferred: Whether coupons or groups were concluded from its discounts.
        has_records: Whether it has sales beside that are records.
        sums: What was evaluated of it came to.
        record_sums: What its records come to.
        given: What sources took off it.
        record_given: What sources took off its records.
        line_numbers: Its lines by their places in the table; none before it is in one.
    """

    day: str
    revision: int
    head: Basket
    kept: Kept | None
    is_inferred: bool
    has_records: bool
    sums: Sums
    record_sums: Sums
    given: Mapping[Source, Given]
    record_given: Mapping[Source, Given]
    line_numbers: Table = _NO_NUMBERS


# --- writing ---------------------------------------------------------------------------------


class _Places(Generic[T]):
    """Numbers values by their first appearance."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._places: dict[Hashable, int] = {}

    def place(self, value: T, key: Hashable) -> int:
        """Return the place of a value, adding it when its key is new."""
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = len(self.values)
            self.values.append(value)
        return found


class ColumnsWriter:
    """Collects the baskets of a chunk."""

    def __init__(self) -> None:
        """Start without baskets."""
        self._days = _Places[str]()
        self._shops = _Places[str]()
        self._types = _Places[str]()
        self._customers = _Places[Customer]()
        self._coupons = _Places[tuple[str, ...]]()
        self._discounts = _Places[tuple[ManualDiscount, ...]]()
        self._sources = _Places[tuple[str, str]]()
        self._lines = _Places[tuple[BasketLine, bytes]]()
        self._baskets: list[tuple[int, ...]] = []
        self._line_numbers: list[int] = []
        self._given: list[tuple[int, int, int, int]] = []

    def add(self, stored: StoredBasket, lines: Sequence[BasketLine]) -> None:
        """Add a basket with its lines, which get their places here."""
        head = stored.head
        self._line_numbers += [self._line(line) for line in lines]
        for is_record, given in ((0, stored.given), (1, stored.record_given)):
            for source, each in given.items():
                place = self._sources.place((source.kind, source.id), source)
                self._given.append((place, is_record, each.units, each.amount_micros))
        customer = head.customer
        if customer is not None:
            # The sale has the customer's name; what is computed with needs no more than this.
            customer = Customer(
                identifier=customer.identifier, groups=customer.groups, exempt=customer.exempt
            )
        row = {
            Column.DAY: self._days.place(stored.day, stored.day),
            Column.MOMENT_NS: head.evaluate_time_ns or 0,
            Column.REVISION: stored.revision,
            Column.SHOP: _place(self._shops, head.shop),
            Column.PURCHASE_TYPE: _place(self._types, head.purchase_type),
            Column.CUSTOMER: _place(self._customers, customer),
            Column.COUPONS: self._coupons.place(head.coupons, head.coupons),
            Column.DISCOUNTS: self._discounts.place(head.discounts, _key(head.discounts)),
            Column.LINE_COUNT: len(lines),
            Column.GIVEN_COUNT: len(stored.given) + len(stored.record_given),
            Column.KEPT: NONE if stored.kept is None else REASONS.index(stored.kept),
            Column.IS_INFERRED: stored.is_inferred,
            Column.HAS_RECORDS: stored.has_records,
        }
        numbers = (row[column] for column in Column)
        self._baskets.append((*numbers, *stored.sums, *stored.record_sums))

    def _line(self, line: BasketLine) -> int:
        """Return the place of a line without what is only printed of it."""
        behavior = b"" if line.behavior is None else carried_json(line.behavior)
        bare = msgspec.structs.replace(
            line,
            line_item_id=None,
            comment=None,
            behavior=None,
            ecom_id=line.ecom_id if behavior else None,
        )
        return self._lines.place((bare, behavior), (_key(bare), behavior))

    def columns(self) -> Columns:
        """Return the chunk."""
        return Columns(
            form=FORM,
            days=tuple(self._days.values),
            shops=tuple(self._shops.values),
            purchase_types=tuple(self._types.values),
            customers=tuple(self._customers.values),
            coupons=tuple(self._coupons.values),
            discounts=tuple(self._discounts.values),
            sources=tuple(self._sources.values),
            lines=tuple(line for line, _ in self._lines.values),
            behaviors=tuple(behavior for _, behavior in self._lines.values),
            baskets=_bytes(self._baskets),
            line_numbers=_bytes(self._line_numbers),
            given=_bytes(self._given),
        )


def _key(value: Any) -> bytes:
    """Return the same bytes for equal values: names may be objects by language, which differ."""
    return _ENCODER.encode(value)


def _place(places: _Places[T], value: T | None) -> int:
    return NONE if value is None else places.place(value, _key(value))


def _bytes(rows: Sequence[Any]) -> bytes:
    return np.array(rows, dtype=_INT64).tobytes()


def columns_to_bytes(columns: Columns) -> bytes:
    """Return a chunk as MessagePack."""
    return _ENCODER.encode(columns)


# --- reading ---------------------------------------------------------------------------------


def columns_from_bytes(data: bytes) -> Columns:
    """Return the chunk of its MessagePack.

    Raises:
        InvalidInput: It is none, or one of another version.
    """
    try:
        columns = _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise invalid("columns", Reason.MALFORMED, f"expected a chunk, was none: {error}") from None
    if columns.form != FORM:
        message = f"expected columns of form {FORM}, was {columns.form}: gather them anew"
        raise invalid("columns", Reason.OUT_OF_BOUNDS, message)
    return columns


def lines_of(columns: Columns) -> tuple[BasketLine, ...]:
    """Return the table of lines with their behaviours."""
    return tuple(
        line if not behavior else msgspec.structs.replace(line, behavior=_behavior(behavior))
        for line, behavior in zip(columns.lines, columns.behaviors, strict=True)
    )


def _behavior(data: bytes) -> dict[str, object]:
    value = decode(data)
    assert is_object(value), "a behaviour is an object"
    return value


def baskets_of(columns: Columns) -> Iterator[StoredBasket]:
    """Yield the baskets of a chunk in their order."""
    rows = np.frombuffer(columns.baskets, dtype=_INT64).reshape(-1, COLUMN_COUNT).tolist()
    line_numbers = np.frombuffer(columns.line_numbers, dtype=_INT64)
    given = np.frombuffer(columns.given, dtype=_INT64).reshape(-1, GIVEN_COLUMNS).tolist()
    sources = [Source(*each) for each in columns.sources]
    lines_begin = given_begin = 0
    for row in rows:
        lines_end = lines_begin + row[Column.LINE_COUNT]
        given_end = given_begin + row[Column.GIVEN_COUNT]
        of_basket = given[given_begin:given_end]
        yield StoredBasket(
            day=columns.days[row[Column.DAY]],
            revision=row[Column.REVISION],
            head=_head(columns, row),
            kept=None if row[Column.KEPT] == NONE else REASONS[row[Column.KEPT]],
            is_inferred=bool(row[Column.IS_INFERRED]),
            has_records=bool(row[Column.HAS_RECORDS]),
            sums=Sums(*row[LIVE_SUMS:RECORD_SUMS]),
            record_sums=Sums(*row[RECORD_SUMS:]),
            given={sources[s]: Given(u, a) for s, is_record, u, a in of_basket if not is_record},
            record_given={sources[s]: Given(u, a) for s, is_record, u, a in of_basket if is_record},
            line_numbers=line_numbers[lines_begin:lines_end],
        )
        lines_begin, given_begin = lines_end, given_end


def _head(columns: Columns, row: Sequence[int]) -> Basket:
    def at(values: Sequence[T], column: Column) -> T | None:
        return None if row[column] == NONE else values[row[column]]

    return Basket(
        evaluate_time_ns=row[Column.MOMENT_NS],
        shop=at(columns.shops, Column.SHOP),
        purchase_type=at(columns.purchase_types, Column.PURCHASE_TYPE),
        customer=at(columns.customers, Column.CUSTOMER),
        coupons=columns.coupons[row[Column.COUPONS]],
        discounts=columns.discounts[row[Column.DISCOUNTS]],
    )
