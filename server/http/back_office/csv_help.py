"""Say what the JSON of a CSV transform may hold, in the words of the .proto files."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from server.http.proto_comments import read_comments
from tillcore.v1 import export_transform_pb2 as pb

_MESSAGES: Final = (
    ("columns[]", pb.ExportCsvColumn.DESCRIPTOR),
    ("rows[]", pb.ExportCsvRow.DESCRIPTOR),
)
_ENUMS: Final = (
    ("rows[].type", pb.DESCRIPTOR.enum_types_by_name["ExportCsvRowType"]),
    ("rows[].total_type", pb.DESCRIPTOR.enum_types_by_name["ExportTotalType"]),
    ("encoding", pb.DESCRIPTOR.enum_types_by_name["ExportCsvEncoding"]),
)


@lru_cache(maxsize=1)
def csv_parts() -> list[dict[str, Any]]:
    """Return the parts of the settings with the names and the words of what they may hold."""
    comments = read_comments()
    whole = pb.ExportCsv.DESCRIPTOR
    parts: list[dict[str, Any]] = [{"name": "{}", "rows": list(_fields(whole, comments))}]
    parts += [{"name": name, "rows": list(_fields(kind, comments))} for name, kind in _MESSAGES]
    parts += [
        {
            "name": name,
            "rows": [
                {"name": value.name, "words": comments.get(_value_name(enum, value.name), "")}
                for value in enum.values
                if value.number
            ],
        }
        for name, enum in _ENUMS
    ]
    return parts


def _fields(kind: Any, comments: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for field in kind.fields:
        yield {"name": field.name, "words": comments.get(field.full_name, "")}


def _value_name(enum: Any, name: str) -> str:
    """Return the full name of a value, as the build writes the comments of it."""
    return f"{enum.full_name}.{name}"
