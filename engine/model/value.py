"""The base of all models, and the two kinds of value that the whole system shares."""

import msgspec

L10nString = str | dict[str, str]
"""A plain text, or texts by language code."""

MarketPrice = int | dict[str, int]
"""An amount in micros for every market, or amounts by market id."""


class Value(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all models: compared by value, never changed.

    Values hold no references back to what holds them, so the cycle collector need not visit them.
    """
