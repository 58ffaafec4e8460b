"""Write lines that are like any other of their product: the same text with other numbers.

Most lines of a shop differ from others of their product in their numbers alone. Of those the text
between the numbers is kept, as `LineWriter` writes it; what is out of the ordinary is left to it.
"""

import re
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

import msgspec

from engine.model import ContributionStatus, EvaluatedLine, Product, TaxType, Variant
from engine.numbers import CURRENCY_SCALES
from engine.render_line import ENCODER, LineWriter, given
from ext.literals import TEXT, filled

T = TypeVar("T")

TEMPLATES_MAX: Final = 16_384
"""Templates that are kept; beyond them all are made anew as they are needed."""

SEEN_MAX: Final = 4_096
"""Shapes that were written once, and get a template when they come again; a line that was read from
a record has a product of its own and does not."""

_NUMBERS: Final = (
    "quantity_micros",
    "retail_price_micros",
    "sub_total_micros",
    "base_price_micros",
    "total_micros",
    "vat_amount_micros",
    "sales_tax_amount_micros",
    "total_tax_amount_micros",
    "cost_price_micros",
    "margin_micros",
    "margin_total_micros",
    "unit_count_micros",
)
"""The numbers of a line that a template leaves open; those of its taxes come after them."""

_QUANTITIES: Final = frozenset({_NUMBERS.index("quantity_micros"), len(_NUMBERS) - 1})
_NAME: Final = len(_NUMBERS)
"""The place of the line's id among what is left open."""

_numbers_of = attrgetter(*_NUMBERS)
_MARK = re.compile(rb"\x01(\d+)\x02")


class _Shape(NamedTuple):
    """What lines have in common that share a template, beside their product and variant."""

    product_id: int
    variant_id: int
    absent: tuple[bool, ...]
    unit: str | None
    status: ContributionStatus | None
    taxes: tuple[tuple[str, int, TaxType], ...]


class _Template(NamedTuple):
    """The texts of a line, and which number stands between which of them.

    Attributes:
        product: Whose lines it is for; kept, so that no other product has its place in memory.
        variant: Of the product.
        texts: One more than there are places.
        digits: For each place how a number is written there; see `ext.literals.filled`.
        places: For each place what of the line stands there.
    """

    product: Product | None
    variant: Variant | None
    texts: tuple[bytes, ...]
    digits: bytes
    places: tuple[int, ...]


class LineTemplates:
    """The templates of one currency, which threads may share."""

    def __init__(self, currency_code: str) -> None:
        """Begin without templates."""
        self._currency_code = currency_code
        self._writer = LineWriter(currency_code)
        self._templates: dict[_Shape, _Template] = {}
        self._seen: dict[_Shape, tuple[Product | None, Variant | None]] = {}

    def line_json(self, line: EvaluatedLine) -> msgspec.Raw:
        """Return a line item as `LineWriter` writes it."""
        if not _is_ordinary(line):
            return self._written(line)
        numbers = _numbers_of(line)
        shape = _Shape(
            id(line.product),
            id(line.variant),
            tuple([number is None for number in numbers]),
            line.unit,
            line.contribution_status,
            tuple([(str(tax.name), tax.rate_micros, tax.type) for tax in line.taxes]),
        )
        template = self._templates.get(shape)
        if template is None:
            if shape not in self._seen:
                _keep(self._seen, shape, (line.product, line.variant), SEEN_MAX)
                return self._written(line)
            template = _template(line, self._currency_code)
            _keep(self._templates, shape, template, TEMPLATES_MAX)
            self._seen.pop(shape, None)
        values = (*numbers, _text_json(line.line_item_id))
        values += tuple([tax.amount_micros for tax in line.taxes])
        chosen = tuple([values[place] for place in template.places])
        return msgspec.Raw(filled(template.texts, template.digits, chosen))

    def _written(self, line: EvaluatedLine) -> msgspec.Raw:
        """Return a line item as `LineWriter` writes it, by letting it do so."""
        return msgspec.Raw(ENCODER.encode(given(self._writer.line(line))))


def _keep(kept: dict[_Shape, T], shape: _Shape, value: T, count_max: int) -> None:
    if len(kept) >= count_max:
        kept.clear()
    kept[shape] = value


@lru_cache
def line_templates(currency_code: str) -> LineTemplates:
    """Return the templates of a currency."""
    return LineTemplates(currency_code)


@lru_cache(1024)
def _text_json(text: str) -> bytes:
    """Return a text as JSON; most ids of lines are small numbers."""
    return ENCODER.encode(text)


def _is_ordinary(line: EvaluatedLine) -> bool:
    """Return whether only numbers tell a line from others of its shape."""
    product = line.product
    return (
        not line.discounts
        and line.behavior is None
        and line.frozen is None
        and line.comment is None
        and line.ecom_id is None
        and line.bundle_label is None
        and (product is None or not product.bundles)
        and all(type(tax.name) is str for tax in line.taxes)
    )


def _template(line: EvaluatedLine, currency_code: str) -> _Template:
    """Return the template of a line: it as it is written, with marks in place of numbers."""
    marked = {name: place for place, name in enumerate(_NUMBERS) if getattr(line, name) is not None}
    taxes = tuple(
        msgspec.structs.replace(tax, amount_micros=_NAME + 1 + index)
        for index, tax in enumerate(line.taxes)
    )
    sample = msgspec.structs.replace(line, taxes=taxes, **marked)
    written = ENCODER.encode(given(_MarkWriter(currency_code).line(sample)))
    texts = _MARK.split(written)
    places = tuple(map(int, texts[1::2]))
    scale = CURRENCY_SCALES.get(currency_code, 2)
    digits = bytes(
        TEXT if place == _NAME else 0 if place in _QUANTITIES else scale for place in places
    )
    return _Template(line.product, line.variant, tuple(texts[::2]), digits, places)


class _MarkWriter(LineWriter):
    """Writes marks, which are no JSON: the numbers of a sample are the places of what they are."""

    def amount(self, micros: int) -> msgspec.Raw:
        """Return the mark of an amount."""
        return _mark(micros)

    def quantity(self, micros: int) -> msgspec.Raw:
        """Return the mark of a quantity."""
        return _mark(micros)

    def identifier(self, text: str) -> msgspec.Raw:
        """Return the mark of the line's id."""
        del text
        return _mark(_NAME)


def _mark(place: int) -> msgspec.Raw:
    # Control characters are escaped in JSON, so no text has these bytes.
    return msgspec.Raw(b"\x01%d\x02" % place)
