"""Stock: how much of what is where, and every event that changed it (export: stock events).

Quantities are in micros of a piece or of the unit that a product is priced by; stock may be
negative, since what is sold is not always counted first.
"""

from enum import Enum

from engine.model.value import Value


class StockItem(Value, frozen=True):
    """What is counted: a product, or one of its variants; ordered by product and variant."""

    product_id: str
    variant_id: str | None = None

    @property
    def order(self) -> tuple[str, str]:
        """Return what items are sorted by."""
        return self.product_id, self.variant_id or ""


class StockLevel(Value, frozen=True):
    """How much of an item one stock location has."""

    stock_location_id: str
    item: StockItem
    quantity_micros: int


class StockEventType(Enum):
    """Why stock changed."""

    RETURN = "return"
    SALE = "sale"
    RECEIVED = "received"
    STOCK_COUNT_RESET = "stock_count_reset"
    EXTERNAL_RESET = "external_reset"
    EXTERNAL_ADJUSTMENT = "external_adjustment"


class StockEvent(Value, frozen=True):
    """One change of the stock of one item.

    Attributes:
        stock_location_id: Where.
        item: Of what.
        type: Why.
        timestamp_ns: When, nanoseconds since 1970-01-01 UTC.
        adjustment_micros: What was added, negative for what left; or else
        new_stock_value_micros: what the stock was set to. One of the two is given.
        sale_id: The sale or return that changed it.
        stock_count_id: The stock count that set it, with what was expected and the difference.
        stock_count_expected_micros: The stock before the count.
        stock_count_diff_micros: What was counted less what was expected.
    """

    stock_location_id: str
    item: StockItem
    type: StockEventType
    timestamp_ns: int
    adjustment_micros: int | None = None
    new_stock_value_micros: int | None = None
    sale_id: str | None = None
    stock_count_id: str | None = None
    stock_count_expected_micros: int | None = None
    stock_count_diff_micros: int | None = None


class StockCountState(Enum):
    """Where a stock count is; the last two are final."""

    OPEN = "open"
    COMPLETED = "completed"
    ABANDONED = "abandoned"


class StockCount(Value, frozen=True):
    """A count of some items at one location, from its start to its completion.

    Attributes:
        identifier: The id that its events carry.
        stock_location_id: Where.
        started_ns: When it began, nanoseconds since 1970-01-01 UTC.
        state: Whether it goes on.
        counted_micros: What was counted so far, by item in the order of the items.
        ended_ns: When it was completed or abandoned.
        comment: What the counting person said.
    """

    identifier: str
    stock_location_id: str
    started_ns: int
    state: StockCountState = StockCountState.OPEN
    counted_micros: tuple[tuple[StockItem, int], ...] = ()
    ended_ns: int | None = None
    comment: str | None = None
