"""Read the entries of `itemsList`: which item or department, how many or how much, and its title.

An entry is `<item>_<quantity>_<title>`, or `-<department>_<price>_<title>`; the title may be left
out with its underscore. `<item>` is the id of a product, or `<product>/<variant>`. Ids and titles
may have underscores too, so an entry is read in every way in which a number stands between two of
them, and the one way counts whose id the catalogue knows; of several ways the one whose title is a
name of its item (design: models.md section 7).
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from engine import limits
from engine.errors import Reason
from engine.numbers import NotADecimalError, parse_decimal
from engine.readers import PRODUCT_ID_FORBIDDEN, Problems
from engine.strict_json import shown_text

FIELD: Final = "itemsList"
_NUMBER: Final = re.compile(r"_([0-9]+(?:\.[0-9]+)?)(?=_|$)")
_FORM: Final = "<item>_<quantity>_<title> or -<department>_<price>_<title>"
_DEPARTMENT: Final = "-"
_VARIANT: Final = "/"


class Entry(NamedTuple):
    """One way to read an entry.

    Attributes:
        item_id: As it stands in the entry: a product, a product and a variant, or a department.
        number_micros: The quantity of an item, the price of a department.
        title: What the caller calls it; may be empty.
    """

    item_id: str
    number_micros: int
    title: str

    @property
    def product_id(self) -> str:
        """The id of the product."""
        return self.item_id.partition(_VARIANT)[0]

    @property
    def variant_id(self) -> str:
        """The id of the variant; empty for none."""
        return self.item_id.partition(_VARIANT)[2]


class Readings(NamedTuple):
    """Every way to read an entry: of an item, or of a department."""

    is_department: bool
    ways: tuple[Entry, ...]


def readings(text: str, index: int, problems: Problems) -> Readings:
    """Return the ways to read an entry; none after a problem."""
    is_department = text.startswith(_DEPARTMENT)
    ways = tuple(_ways(text.removeprefix(_DEPARTMENT) if is_department else text))
    if not ways:
        was = shown_text(text)
        problems.add(f"{FIELD}[{index}]", Reason.MALFORMED, f"expected {_FORM}, was {was}")
    return Readings(is_department, ways)


def _ways(text: str) -> Iterator[Entry]:
    for match in _NUMBER.finditer(text):
        item_id = text[: match.start()]
        try:
            micros = parse_decimal(match[1])
        except NotADecimalError:
            continue
        if item_id and micros > 0 and len(item_id) <= limits.ID_CHARACTERS_MAX:
            yield Entry(item_id, micros, text[match.end() + 1 :].strip())


def chosen(
    ways: Sequence[Entry], known: Mapping[str, Collection[str]], index: int, problems: Problems
) -> Entry | None:
    """Return the way to read an entry whose id is known; None after a problem.

    Args:
        ways: The ways, at least one.
        known: Those of their ids that the catalogue has, each with the names of its item.
        index: Of the entry.
        problems: Gets what is wrong.
    """
    fitting = [each for each in ways if each.item_id in known]
    if len(fitting) > 1:
        named = [each for each in fitting if each.title in known[each.item_id]]
        fitting = named if len(named) == 1 else fitting
    if len(fitting) == 1:
        return fitting[0]
    ids = ", ".join(shown_text(each.item_id) for each in ways[: limits.PROBLEMS_REPORTED_MAX])
    if fitting:
        message = (
            f"expected one way to read it, was several items: {ids}; give its own name as title"
        )
        problems.add(f"{FIELD}[{index}]", Reason.MALFORMED, message)
    else:
        message = f"expected an id of the catalogue, was {ids}"
        problems.add(f"{FIELD}[{index}]", Reason.UNKNOWN_ID, message)
    return None


def department_product_id(department_id: str) -> str:
    """Return the id of the product that a department is sold as, without forbidden characters."""
    safe = "".join("-" if each in PRODUCT_ID_FORBIDDEN else each for each in department_id)
    return f"department-{safe}"[: limits.ID_CHARACTERS_MAX]
