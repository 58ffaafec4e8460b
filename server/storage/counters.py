"""Gap-free numbers: from a locked row in the transaction that uses them, never a sequence."""

from sqlalchemy import Connection

from server.storage.counter_tables import counter
from server.storage.statements import insert


def next_number(
    connection: Connection, *, account_id: str, kind: str, scope_id: str, count: int = 1
) -> int:
    """Return the next number of a counter, the first of `count` consecutive ones; 1 begins.

    The counter stays locked until the transaction ends, and a rollback takes the numbers back, so
    there are no gaps. Transactions that draw from several counters do so in the same order.

    Args:
        connection: The transaction that uses the numbers.
        account_id: Whose counter it is.
        kind: What is counted, such as `sale`.
        scope_id: What the numbers are unique in, such as the id of a register.
        count: How many numbers are taken.
    """
    assert count >= 1, count
    statement = insert(connection, counter).values(
        account_id=account_id, kind=kind, scope_id=scope_id, value=count
    )
    statement = statement.on_conflict_do_update(
        index_elements=["account_id", "kind", "scope_id"], set_={"value": counter.c.value + count}
    )
    last: int = connection.execute(statement.returning(counter.c.value)).scalar_one()
    return last - count + 1
