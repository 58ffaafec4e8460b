"""Name the few tags, shops, customers and moments that random contexts and baskets share."""

from engine.instants import instant_ns, zone_of
from engine.model import AttributeValue, TextAttribute
from tests.support.random_values import MICRO

TAGS = ("retro", "food", "popular", "summer")
GROUPS = ("beverages", "desserts", None)
PURCHASE_TYPES = ("dine_out", "delivery")
CURRENCIES = ("DKK", "DKK", "DKK", "EUR", "HUF", "JPY", "KWD")
FOREIGN_CURRENCIES = ("SEK", "EUR", "JPY", "CHF")
SHOPS = ("north", "south")
COUPONS = ("TEN", "SUN")
CUSTOMERS = ("C1", "C2")
CUSTOMER_GROUPS = ("gold", "staff")
ATTRIBUTES: tuple[tuple[str, AttributeValue], ...] = (
    ("grape", "merlot"),
    ("length", 2 * MICRO),
    ("misc", TextAttribute(text="Old")),
)
TIMEZONE = "Europe/Copenhagen"
INSTANTS = (
    "2026-03-01",
    "2026-03-29T02:30",
    "2026-03-29T12:00:00Z",
    "2026-10-25T02:30:00",
    "2026-10-25",
)
"""Where validities begin and end: dates, local times of both clock changes, and a time in UTC."""

MOMENTS_NS = tuple(
    instant_ns(text, zone_of(TIMEZONE), end=is_end) + shift
    for text in INSTANTS
    for is_end in (False, True)
    for shift in (-1, 0, 1)
)
"""The ends of all validities, and the nanoseconds beside them."""

CLOCK_CHANGES_NS = tuple(
    instant_ns(text, zone_of(TIMEZONE), end=False)
    for text in ("2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z")
)
"""When the clocks of the time zone go forward and back."""
