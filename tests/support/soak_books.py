"""Check the books of an account in its database: what must hold whatever was killed, and when."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, RowMapping, Table, make_url, select

from engine.journal.encoding import decode_entry
from engine.journal.keys import PublicKey
from engine.journal.verification import Verified, verify
from engine.model import Sale
from engine.records.sales import read_sale
from engine.register.totals import RegisterTotals
from engine.strict_json import decode
from server.storage import StoreSettings
from server.storage.export_tables import export_entry, export_queue
from server.storage.exports import ExportKind
from server.storage.journal_exports import export_header, export_lines, find_head
from server.storage.journal_tables import journal_entry
from server.storage.periods import Period, totals_from_text
from server.storage.postgres import postgres_engine
from server.storage.register_tables import register_close, register_period
from server.storage.sale_tables import checkout, returned_line, sale
from server.storage.sqlite import DATABASE_FILE
from server.storage.sqlite_connections import reader_engine
from server.storage.stock_tables import stock_level
from tests.support.soak_ledger import Facts

UNIT = 1_000_000
RECEIPTS = {"sale", "return", "void"}
"""The kinds of entries of sales, of what comes back, and of abandoned checkouts."""


class Books(NamedTuple):
    """What is stored of an account, when it was checked."""

    checkouts: dict[str, Facts]
    closes: dict[tuple[str, int], int]
    sale_count: int
    entry_count: int


@contextmanager
def reading(settings: StoreSettings) -> Iterator[Engine]:
    """Yield an engine that reads beside the server, each transaction on one snapshot."""
    engine: Engine
    if settings.url:
        engine = postgres_engine(make_url(settings.url), connection_count=1).execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
    else:
        engine = reader_engine(settings.directory / DATABASE_FILE)
    try:
        yield engine
    finally:
        engine.dispose()


def check_books(connection: Connection, account_id: str, key: PublicKey) -> Books:
    """Check everything that holds of an account between two transactions.

    Args:
        connection: A transaction that sees one moment.
        account_id: The account.
        key: What its journal is signed with.

    Raises:
        AssertionError: Something does not hold.
    """
    sales = _rows(connection, sale, account_id)
    checkouts = _rows(connection, checkout, account_id)
    periods = _rows(connection, register_period, account_id)
    closes = _rows(connection, register_close, account_id)
    _check_numbers(sales, checkouts)
    _check_totals(sales, periods, closes)
    _check_returns(sales, _rows(connection, returned_line, account_id))
    _check_stock(sales, _rows(connection, stock_level, account_id))
    _check_exports(connection, account_id, checkouts, sales, closes)
    entry_count = _check_journal(connection, account_id, key, sales)
    return Books(
        checkouts=_facts(checkouts, sales),
        closes={
            (row["register_id"], row["sequence_number"]): row["total_minor"] * 10**4
            for row in closes
        },
        sale_count=len(sales),
        entry_count=entry_count,
    )


def _rows(connection: Connection, table: Table, account_id: str) -> list[RowMapping]:
    own = select(table).where(table.c.account_id == account_id)
    return list(connection.execute(own.order_by(*table.primary_key)).mappings())


@lru_cache(maxsize=100_000)
def _sale_of(document: bytes) -> Sale:
    """Return a stored sale; what was read for an earlier check is not read again."""
    return read_sale(decode(document))


def _check_gap_free(numbers: Iterable[int], name: str) -> None:
    was = sorted(numbers)
    assert list(range(1, len(was) + 1)) == was, f"{name}: expected no gap, was {was}"


def _grouped(rows: Iterable[RowMapping], *names: str) -> dict[tuple[Any, ...], list[RowMapping]]:
    groups: dict[tuple[Any, ...], list[RowMapping]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups


def _facts(checkouts: Sequence[RowMapping], sales: Sequence[RowMapping]) -> dict[str, Facts]:
    """Return the numbers of every checkout as an answer has them."""
    groups = _grouped(sales, "checkout_id")
    return {
        row["checkout_id"]: tuple(
            (
                each["sale_id"],
                each["sequence_number"],
                each["account_number"],
                each["journal_number"],
                each["total_minor"] * 10**4,
            )
            for each in sorted(groups[row["checkout_id"],], key=lambda each: each["position"])
        )
        for row in checkouts
    }


# --- what must hold --------------------------------------------------------------------------


def _check_numbers(sales: Sequence[RowMapping], checkouts: Sequence[RowMapping]) -> None:
    """Numbers have no gaps, and each checkout has all of its sales."""
    _check_gap_free((row["account_number"] for row in sales), "account")
    for (register_id,), own in _grouped(sales, "register_id").items():
        _check_gap_free((row["sequence_number"] for row in own), register_id)
    groups = _grouped(sales, "checkout_id")
    assert {row["checkout_id"] for row in checkouts} == {name for (name,) in groups}
    for row in checkouts:
        document = decode(row["document"])
        parts = sorted(groups[row["checkout_id"],], key=lambda each: each["position"])
        stated = [(part["identifier"], part["sequence_number"]) for part in _members(document)]
        assert [(each["sale_id"], str(each["sequence_number"])) for each in parts] == [
            (sale_id, str(number)) for sale_id, number in stated
        ], row["checkout_id"]
        assert row["total_minor"] == sum(each["total_minor"] for each in parts)


def _members(document: Any) -> Any:
    return document["sales"]


def _check_totals(
    sales: Sequence[RowMapping], periods: Sequence[RowMapping], closes: Sequence[RowMapping]
) -> None:
    """Running totals and Z reports are the sums of the stored sales."""
    by_period = _grouped(sales, "register_id", "period_number")
    closed = {(row["register_id"], row["period_number"]): row for row in closes}
    for row in periods:
        name = (row["register_id"], row["period_number"])
        own = sorted(by_period.pop(name, []), key=lambda each: each["sequence_number"])
        period, totals = Period(row), RegisterTotals(row["currency_code"])
        for each in own:
            totals.add(_sale_of(each["document"]))
        assert totals == period.totals, name
        assert (row["closed_ns"] is None) == (name not in closed), name
        if name in closed:
            _check_close(closed.pop(name), own, totals)
    assert not by_period, "a sale of no period"
    assert not closed, "a close of no period"
    for register_id, own_closes in _grouped(closes, "register_id").items():
        _check_gap_free((row["sequence_number"] for row in own_closes), f"Z {register_id}")
    for register_id, own_periods in _grouped(periods, "register_id").items():
        _check_gap_free((row["period_number"] for row in own_periods), f"period {register_id}")
        assert sum(row["closed_ns"] is None for row in own_periods) <= 1


def _check_close(row: RowMapping, sales: Sequence[RowMapping], totals: RegisterTotals) -> None:
    """The Z report is the sum of its sales: once by the engine, once by plain addition."""
    assert totals == totals_from_text(row["totals"])
    counted = [each for each in sales if not each["voided"]]
    total = sum(each["total_minor"] for each in counted)
    statement: Any = decode(row["document"])
    summary = statement["register_summary"]
    assert total == row["total_minor"]
    assert Decimal(total).scaleb(-2) == Decimal(str(summary["all"]["total"]))
    assert str(len(counted)) == str(summary["all"]["count"])
    assert str(len(sales) - len(counted)) == str(summary["voided_count"])


def _check_returns(sales: Sequence[RowMapping], returned: Sequence[RowMapping]) -> None:
    """What came back is what the returns say, and never more than was sold."""
    came_back: Counter[tuple[str, str]] = Counter()
    for row in sales:
        if row["voided"] or row["return_reference"] is None:
            continue
        for line in _sale_of(row["document"]).summary.line_items:
            assert line.frozen is not None
            came_back[row["return_reference"], line.frozen.line_item_id] -= line.quantity_micros
    stored = {(row["sale_id"], row["line_item_id"]): row for row in returned}
    assert came_back == {name: row["returned_micros"] for name, row in stored.items()}
    assert all(0 < row["returned_micros"] <= row["sold_micros"] for row in returned)


def _check_stock(sales: Sequence[RowMapping], levels: Sequence[RowMapping]) -> None:
    """The stock is what was sold and came back, of a shop that began with nothing."""
    expected: Counter[tuple[str, str, str]] = Counter()
    for row in sales:
        if not row["voided"]:
            for line in _sale_of(row["document"]).summary.line_items:
                assert line.product is not None
                variant_id = "" if line.variant is None else line.variant.id
                expected[row["shop_id"], line.product.id, variant_id] -= line.quantity_micros
    was = {
        (row["stock_location_id"], row["product_id"], row["variant_id"]): row["quantity_micros"]
        for row in levels
    }
    assert {name: quantity for name, quantity in expected.items() if quantity} == {
        name: quantity for name, quantity in was.items() if quantity
    }


def _check_exports(
    connection: Connection,
    account_id: str,
    checkouts: Sequence[RowMapping],
    sales: Sequence[RowMapping],
    closes: Sequence[RowMapping],
) -> None:
    """Every queue has each of its events once, in the order of its numbers."""
    expected: Mapping[str, list[str]] = {
        ExportKind.CHECKOUT.value: sorted(row["checkout_id"] for row in checkouts),
        ExportKind.SALE.value: sorted(row["sale_id"] for row in sales),
        ExportKind.REGISTER_CLOSE_STATEMENT.value: sorted(
            f"{row['register_id']}-{row['sequence_number']}" for row in closes
        ),
    }
    entries = _grouped(_rows(connection, export_entry, account_id), "queue_id")
    for queue in _rows(connection, export_queue, account_id):
        own = entries.pop((queue["queue_id"],), [])
        _check_gap_free((row["entry_number"] for row in own), queue["queue_id"])
        assert expected[queue["kind"]] == sorted(row["element_key"] for row in own)
    assert not entries, "entries of no queue"


def _check_journal(
    connection: Connection, account_id: str, key: PublicKey, sales: Sequence[RowMapping]
) -> int:
    """The journal verifies up to its stored head, and has one entry for each sale."""
    head = find_head(connection, account_id=account_id)
    if head.number == 0:
        assert not sales
        return 0
    last = head.number
    header = export_header(connection, account_id=account_id, first=1, last=last)
    lines = export_lines(connection, account_id=account_id, after=0, last=last, count=last)
    result = verify([header, *lines.lines.splitlines(keepends=True)], keys=[key])
    assert isinstance(result, Verified), result
    assert head == result.head
    assert last == result.entry_count
    stated: dict[int, str] = {}
    for row in _rows(connection, journal_entry, account_id):
        if row["kind"] in RECEIPTS:
            references = decode_entry(row["entry"]).references
            stated[row["number"]] = next(r.identifier for r in references if r.name == "sale")
    assert {row["journal_number"]: row["sale_id"] for row in sales} == stated
    return last
