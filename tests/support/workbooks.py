"""Read a workbook as a spreadsheet program does: its texts, and what it would work out or fetch."""

import io
import zipfile
from typing import Final, NamedTuple
from xml.etree import ElementTree

_SHEET: Final = "xl/worksheets/sheet1.xml"
_STRING_TYPES: Final = frozenset({"s", "inlineStr"})
"""Cells of these types are shown as they are; those of type `str` hold what a formula came to."""

_ACTIVE: Final = frozenset(
    {"f", "ddeLink", "definedName", "externalLink", "hyperlink", "oleObject"}
)
"""Elements that a spreadsheet program computes, fetches or follows."""


class Workbook(NamedTuple):
    """What the XML of a workbook says.

    Attributes:
        strings: The texts of all cells of the first sheet that are strings, row by row.
        active: The names of the elements of all parts that are more than content.
    """

    strings: list[str]
    active: list[str]


def read_workbook(body: bytes) -> Workbook:
    """Return the strings and the active elements of a workbook."""
    with zipfile.ZipFile(io.BytesIO(body)) as parts:
        names = [name for name in parts.namelist() if name.endswith((".xml", ".rels"))]
        roots = {name: ElementTree.fromstring(parts.read(name)) for name in names}
    shared = roots.get("xl/sharedStrings.xml")
    texts = [] if shared is None else ["".join(each.itertext()) for each in shared]
    strings: list[str] = []
    for cell in roots[_SHEET].iterfind(".//{*}c"):
        if (kind := cell.get("t")) in _STRING_TYPES:
            content = "".join(cell.itertext())
            strings.append(texts[int(content)] if kind == "s" else content)
    elements = (each.tag.rpartition("}")[2] for root in roots.values() for each in root.iter())
    return Workbook(strings, [name for name in elements if name in _ACTIVE])
