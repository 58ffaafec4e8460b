"""Gap-free numbers: from a locked row in the transaction that uses them, never a sequence."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, Executable, text


class Draw(NamedTuple):
    """Numbers to be taken of a counter.

    Attributes:
        kind: What is counted, such as `sale`.
        scope_id: What the numbers are unique in, such as the id of a register.
        length: How many numbers are taken.
    """

    kind: str
    scope_id: str
    length: int = 1


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
    draw = Draw(kind, scope_id, count)
    return next_numbers(connection, account_id=account_id, draws=(draw,))[0]


def next_numbers(
    connection: Connection, *, account_id: str, draws: Sequence[Draw]
) -> tuple[int, ...]:
    """Return the first number of each draw; the counters are locked in the order of the draws.

    Args:
        connection: The transaction that uses the numbers.
        account_id: Whose counters they are.
        draws: What is taken, from different counters.
    """
    values: dict[str, object] = {"account_id": account_id}
    for index, draw in enumerate(draws):
        assert draw.length >= 1, draw
        values |= {
            f"kind_{index}": draw.kind,
            f"scope_id_{index}": draw.scope_id,
            f"value_{index}": draw.length,
        }
    drawn = connection.execute(_drawing(len(draws)), values)
    # The database may return the rows in another order.
    last = {(kind, scope_id): value for kind, scope_id, value in drawn}
    assert len(last) == len(draws), "draws are from different counters"
    return tuple(last[draw.kind, draw.scope_id] - draw.length + 1 for draw in draws)


@cache
def _drawing(count: int) -> Executable:
    """Return the statement that draws from so many counters, which both databases understand.

    It is a text because SQLAlchemy would compile an INSERT of several rows each time anew.
    """
    rows = ", ".join(
        f"(:account_id, :kind_{index}, :scope_id_{index}, :value_{index})" for index in range(count)
    )
    return text(
        f"INSERT INTO counter (account_id, kind, scope_id, value) VALUES {rows} "
        "ON CONFLICT (account_id, kind, scope_id) "
        "DO UPDATE SET value = counter.value + excluded.value RETURNING kind, scope_id, value"
    )
