"""Keep how much of every sold line came back: never more than was sold, also with two tills."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from engine.model.value import Value
from server.storage.checkouts import get_sale
from server.storage.sale_tables import returned_line
from server.storage.statements import insert


class ReturnedUnits(Value, frozen=True):
    """Units of a sold line that come back: from `start_micros` of it to `end_micros`."""

    sale_id: str
    line_item_id: str
    sold_micros: int
    start_micros: int
    end_micros: int


def returned_micros(connection: Connection, *, account_id: str, sale_id: str) -> dict[str, int]:
    """Return how much of a sale's lines came back, in micros by line; others are left out."""
    statement = select(returned_line.c.line_item_id, returned_line.c.returned_micros).where(
        returned_line.c.account_id == account_id, returned_line.c.sale_id == sale_id
    )
    return {row.line_item_id: row.returned_micros for row in connection.execute(statement)}


def lock_returns(
    connection: Connection, *, account_id: str, returned: Sequence[ReturnedUnits]
) -> bool:
    """Lock the sales of which units come back; return whether they are as they were looked at.

    Raises:
        NotFound: The account has no such sale.
    """
    starts: dict[tuple[str, str], int] = {}
    for each in returned:
        starts.setdefault((each.sale_id, each.line_item_id), each.start_micros)
    is_same = True
    for sale_id in sorted({each.sale_id for each in returned}):
        get_sale(connection, account_id=account_id, sale_id=sale_id, is_locked=True)
        before = returned_micros(connection, account_id=account_id, sale_id=sale_id)
        own = {line_id: start for (of_sale, line_id), start in starts.items() if of_sale == sale_id}
        is_same = is_same and all(before.get(line_id, 0) == start for line_id, start in own.items())
    return is_same


def take_returned(
    connection: Connection, *, account_id: str, returned: Sequence[ReturnedUnits]
) -> None:
    """Note that units come back of sales that `lock_returns` has locked."""
    for each in returned:
        assert each.start_micros < each.end_micros <= each.sold_micros, each
        _write(connection, account_id, each)


def _write(connection: Connection, account_id: str, units: ReturnedUnits) -> None:
    statement = insert(connection, returned_line).values(
        account_id=account_id,
        sale_id=units.sale_id,
        line_item_id=units.line_item_id,
        sold_micros=units.sold_micros,
        returned_micros=units.end_micros,
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "sale_id", "line_item_id"],
            set_={"returned_micros": statement.excluded.returned_micros},
        )
    )
