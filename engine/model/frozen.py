"""What a basket holds as a record: returned lines of earlier sales, and agreed quotes."""

from engine.model.line import EvaluatedLine
from engine.model.value import Value


class ReturnedLine(Value, frozen=True):
    """A line of an earlier sale that comes back, whole or in part.

    Quantities are in micros of a piece, or of the unit of a line that was priced by count.

    Attributes:
        line_item: The line as the sale recorded it.
        quantity_micros: How many come back now, more than 0; None for all that is left.
        returned_before_micros: How many came back before this basket.
    """

    line_item: EvaluatedLine
    quantity_micros: int | None = None
    returned_before_micros: int = 0


class ReturnedSale(Value, frozen=True):
    """What comes back of one earlier sale; `return_reference` is the identifier of that sale."""

    return_reference: str
    line_items: tuple[ReturnedLine, ...]


class Quote(Value, frozen=True):
    """An agreed price for given lines, such as a sales quote or an order that is collected."""

    quote_reference: str
    line_items: tuple[EvaluatedLine, ...]
