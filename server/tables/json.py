"""Write a table as JSON: numbers are literals with exactly the value of the cell."""

from collections.abc import Iterator
from typing import Final

import msgspec

from server.tables.table import Cell, Kind, Table, clean, exact_text

CONTENT_TYPE: Final = "application/json"
_CHUNK_ROWS: Final = 200
_NUMBERS: Final = frozenset({Kind.AMOUNT, Kind.NUMBER, Kind.COUNT})
_ENCODER: Final = msgspec.json.Encoder()


def pieces(table: Table) -> Iterator[bytes]:
    """Yield an object piece by piece: what the table is, its columns, its rows, its total."""
    head = {
        "name": table.name,
        "title": clean(table.title),
        "currency": table.currency_code,
        "timezone": table.timezone,
        **{fact.name: clean(fact.value) for fact in table.facts},
        "columns": [
            {"name": each.name, "title": clean(each.title), "kind": each.kind.value}
            for each in table.columns
        ],
    }
    yield _ENCODER.encode(head)[:-1] + b',"rows":['
    for start in range(0, len(table.rows), _CHUNK_ROWS):
        some = b",".join(_object(table, row) for row in table.rows[start : start + _CHUNK_ROWS])
        yield b"," + some if start else some
    total = b"null" if table.total is None else _object(table, table.total)
    yield b'],"total":' + total + b"}"


def _object(table: Table, row: tuple[Cell, ...]) -> bytes:
    members: dict[str, object] = {}
    for column, cell in zip(table.columns, row, strict=True):
        text = exact_text(table, column, cell)
        is_literal = text is not None and column.kind in _NUMBERS
        members[column.name] = msgspec.Raw(text.encode()) if is_literal and text else text
    return _ENCODER.encode(members)
