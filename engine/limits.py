"""State every maximum of the engine once.

Sources: section 1 of docs/evaluation.md for numbers, section 5 of docs/interfaces.md for messages.
Amounts, quantities and rates are in micros (10^-6 of their unit).
"""

from typing import Final

MICROS_PER_UNIT: Final = 1_000_000

AMOUNT_MICROS_END: Final = 10**12 * MICROS_PER_UNIT
"""Every amount, given or computed, is smaller than this in absolute value."""

QUANTITY_MICROS_MAX: Final = 10**6 * MICROS_PER_UNIT
"""Largest quantity of one line, in absolute value."""

RATE_MICROS_MAX: Final = 10 * MICROS_PER_UNIT
"""Largest tax rate: 1000 %."""

INTEGER_DIGITS_MAX: Final = 12
FRACTION_DIGITS_MAX: Final = 6

LINES_PER_BASKET_MAX: Final = 10_000
BASKETS_PER_BATCH_MAX: Final = 1_000
CHECKOUTS_PER_BATCH_MAX: Final = 1_000
CHECKOUTS_UNANSWERED_MAX: Final = 128
"""How many checkouts of one stream are under way before the server reads no further."""

DISCOUNTS_PER_LINE_MAX: Final = 32
DISCOUNTS_PER_BASKET_MAX: Final = 32
PAYMENTS_PER_BASKET_MAX: Final = 200
RETURNS_PER_BASKET_MAX: Final = 100
QUOTES_PER_BASKET_MAX: Final = 100
TAXES_PER_LIST_MAX: Final = 16
COUPONS_PER_BASKET_MAX: Final = 100
IMAGE_URLS_PER_EXPENSE_MAX: Final = 32
CAMPAIGNS_PER_PLAN_MAX: Final = 100_000
PURCHASE_TYPES_MAX: Final = 62
BUNDLE_PARTS_MAX: Final = 7
GROUP_COUNT_MAX: Final = 1_000_000
TRIGGER_LINES_MAX: Final = 32
"""A discount record names the triggering units line by line up to this many lines."""

ID_CHARACTERS_MAX: Final = 255
RECORD_ID_CHARACTERS_MAX: Final = 1_000
"""An id that was composed of others, such as `<parent id>/<rule id>`, is at most this long."""

TEXT_CHARACTERS_MAX: Final = 10_000
JSON_DEPTH_MAX: Final = 32
PROBLEMS_REPORTED_MAX: Final = 32
PROBLEM_BYTES_MAX: Final = 4_096

EVALUATE_MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024

JOURNAL_ENTRY_BYTES_MAX: Final = 16 * 1024 * 1024
"""Longest entry of the journal; a sale of 10,000 lines as JSON takes about 10 MB."""

ORDERS_PER_IMPORT_MAX: Final = 1_000
STOCK_ITEMS_PER_IMPORT_MAX: Final = 100_000
STOCK_ITEMS_PER_REQUEST_MAX: Final = 10_000
STOCK_MICROS_MAX: Final = 10**9 * MICROS_PER_UNIT
"""Largest stock of one product at one location, in absolute value."""

assert AMOUNT_MICROS_END < 2**63, "amounts fit a signed 64-bit integer"
assert AMOUNT_MICROS_END == 10**INTEGER_DIGITS_MAX * MICROS_PER_UNIT
assert MICROS_PER_UNIT == 10**FRACTION_DIGITS_MAX
assert QUANTITY_MICROS_MAX // MICROS_PER_UNIT < 2**31, "unit indexes fit 32 bits"
assert LINES_PER_BASKET_MAX * QUANTITY_MICROS_MAX < 2**63, "unit counts add up in 64 bits"
