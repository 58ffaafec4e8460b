"""Read the expenses of an import, and pay one out at a till (models: Expense)."""

from engine import limits
from engine.behaviors import EXPENSE
from engine.fields import Fields, keyed_objects, read_whole, refuse_repeated
from engine.markets import MarketTaxes
from engine.model import BasketLine, Product
from engine.model.expense import Expense
from engine.readers import NO_TEXT, Problems, l10n, product_identifier


def read_expenses(value: object, *, market_id: str) -> tuple[Expense, ...]:
    """Return the expenses of an import.

    Args:
        value: `{"expenses": [{"id", "name", "taxes"?}]}`, or the list by id.
        market_id: The market whose taxes are taken where an expense has taxes by market.

    Raises:
        InvalidInput: With every bad field, among them an id that occurs twice.
    """
    problems = Problems()
    fields = Fields(value, "", problems)
    listed = fields.raw("expenses")
    if listed is None:
        fields.missing("expenses", "an array of expenses")
    every = () if listed is None else keyed_objects(listed, fields.at("expenses"), problems)
    expenses = tuple(_expense(each, market_id) for each in every)
    ids = ((each.path, expense.id) for each, expense in zip(every, expenses, strict=True))
    refuse_repeated(ids, problems, noun="expense")
    fields.refuse_unknown()
    problems.finish()
    return expenses


def read_expense(value: object, *, market_id: str) -> Expense:
    """Return one expense of an import, with the taxes of a market.

    Raises:
        InvalidInput: With every bad field.
    """
    return read_whole(value, lambda fields: _expense(fields, market_id))


def _expense(fields: Fields, market_id: str) -> Expense:
    expense = Expense(
        id=fields.required("id", product_identifier, otherwise=""),
        name=fields.required("name", l10n, otherwise=NO_TEXT),
        taxes=fields.optional("taxes", MarketTaxes(market_id)),
    )
    fields.refuse_unknown()
    return expense


def expense_line(
    expense: Expense, *, amount_micros: int, image_urls: tuple[str, ...] = ()
) -> BasketLine:
    """Return the basket line that pays out an expense.

    Args:
        expense: The kind of expense; its taxes are those of the line.
        amount_micros: What is paid out, more than 0, VAT included.
        image_urls: Pictures of the voucher.
    """
    return BasketLine(
        product=Product(id=expense.id, name=expense.name),
        quantity_micros=-limits.MICROS_PER_UNIT,
        retail_price_micros=amount_micros,
        taxes=expense.taxes,
        behavior={EXPENSE: {"identifier": expense.id, "image_urls": list(image_urls)}},
    )
