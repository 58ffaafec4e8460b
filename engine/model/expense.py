"""Expenses: what a till pays out, each with its taxes (models: Expense)."""

from engine.model.market import Tax
from engine.model.value import L10nString, Value


class Expense(Value, frozen=True):
    """A kind of expense; its VAT is incoming tax. Taxes of None are the market's defaults."""

    id: str
    name: L10nString
    taxes: tuple[Tax, ...] | None = None
