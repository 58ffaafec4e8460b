"""The kinds of things that a catalogue consists of: bodies, ids and checks of each."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from engine.campaigns import read_campaign
from engine.catalog import read_product, read_product_rules
from engine.customers import customer_of
from engine.errors import FieldProblem, InvalidInput, Reason, invalid
from engine.expenses import read_expense
from engine.fields import read_whole
from engine.import_bodies import ImportBody, listed_body, products_body
from engine.model import Market, Product, Tax
from engine.readers import id_complaint
from engine.strict_json import is_object
from engine.tax_table import TaxTable, without_sales_tax
from server.catalog import definitions
from server.storage.catalogs import PRODUCTS

Document = dict[str, object]
Check = Callable[[Document, Market], None]
"""Raises InvalidInput with every bad field of an object in a market."""

FOLDERS_ID: Final = "folders"
"""The id of the one entry that holds the whole hierarchy of folders."""


class Kind(NamedTuple):
    """A kind of entries.

    Attributes:
        name: Its name in the store and in the paths of the import endpoints.
        noun: What one is called.
        member: The list in the body of an import.
        key: The member of an object that identifies it.
        check: Checks an object; the market is only asked by what `is_of_market`.
        is_of_market: Whether each market has its own; otherwise the account has them.
        has_parent: Whether ids are unique below another id only.
        body: Takes the body of an import apart.
    """

    name: str
    noun: str
    member: str
    key: str
    check: Check
    is_of_market: bool = False
    has_parent: bool = False
    body: Callable[[object], ImportBody] | None = None

    def documents(self, value: object) -> ImportBody:
        """Return what the body of an import lists.

        Raises:
            InvalidInput: The body has another shape.
        """
        if self.body is not None:
            return self.body(value)
        return listed_body(value, member=self.member, key=self.key)

    def id_of(self, document: Document) -> str:
        """Return the id of an object.

        Raises:
            InvalidInput: It has none that can be one.
        """
        value = document.get(self.key)
        if not isinstance(value, str):
            raise invalid(self.key, Reason.REQUIRED, "expected an id, was absent or no text")
        complaint = id_complaint(value)
        if complaint is not None:
            raise invalid(self.key, *complaint)
        return value


# --- checks ----------------------------------------------------------------------------------


def _check_product(document: Document, market: Market) -> None:
    product = read_product(document, market_id=market.id)
    _check_taxes(product)


def _check_taxes(product: Product) -> None:
    """Refuse taxes that no plan can be compiled with, which would keep all others from one."""
    lists: dict[str, tuple[Tax, ...]] = {
        f"taxes_map.{type_}": taxes for type_, taxes in product.taxes_map.items()
    }
    if product.taxes is not None:
        lists["taxes"] = product.taxes
    for field, taxes in lists.items():
        table = TaxTable()
        table.number_of(taxes, field)
        table.number_of(without_sales_tax(taxes), field)


def _check_campaign(document: Document, market: Market) -> None:
    del market
    read_campaign(document)


def _check_product_rule(document: Document, market: Market) -> None:
    del market
    try:
        read_product_rules([document])
    except InvalidInput as error:
        raise _inside(error) from error


def _check_expense(document: Document, market: Market) -> None:
    read_expense(document, market_id=market.id)


def _check_customer(document: Document, market: Market) -> None:
    del market
    read_whole(document, customer_of)


def _defined(check: Callable[[object], None]) -> Check:
    return lambda document, _: check(document)


def _inside(error: InvalidInput) -> InvalidInput:
    """Return an error about the only entry of a list with the paths inside that entry."""
    return InvalidInput(
        FieldProblem(
            problem.field.removeprefix("[0]").removeprefix("."), problem.reason, problem.message
        )
        for problem in error.problems
    )


# --- bodies ----------------------------------------------------------------------------------


def _folders_body(value: object) -> ImportBody:
    """Take the hierarchy of folders as the one thing that it is."""
    return ImportBody(documents=({"id": FOLDERS_ID, "folders": value},))


def _customers_body(value: object) -> ImportBody:
    """Take customers apart: an array, or an object by identifier."""
    if is_object(value) and "customers" not in value:
        value = {"customers": value}
    return listed_body(value, member="customers", key="identifier")


def _assets_body(value: object) -> ImportBody:
    """Take `{"assets": {"<product id>": [...]}}` apart."""
    assets = value.get("assets") if is_object(value) and len(value) == 1 else None
    if not is_object(assets):
        expected = 'expected {"assets": {"<product id>": [...]}}, was something else'
        raise invalid("", Reason.WRONG_TYPE, expected)
    return ImportBody(
        documents=tuple({"product_id": id_, "assets": each} for id_, each in assets.items())
    )


PRODUCT: Final = Kind(
    PRODUCTS, "product", "products", "id", _check_product, is_of_market=True, body=products_body
)
CAMPAIGN: Final = Kind(
    "discount_campaigns", "campaign", "campaigns", "id", _check_campaign, is_of_market=True
)
PRODUCT_RULE: Final = Kind(
    "product_rules", "product_rule", "product_rules", "id", _check_product_rule, is_of_market=True
)
EXPENSE: Final = Kind("expenses", "expense", "expenses", "id", _check_expense, is_of_market=True)
PRODUCT_GROUP: Final = Kind(
    "product_groups",
    "product_group",
    "product_groups",
    "group",
    _defined(definitions.check_product_group),
)
TAG: Final = Kind("tags", "tag", "tags", "tag", _defined(definitions.check_tag))
ATTRIBUTE: Final = Kind(
    "attributes", "attribute", "attributes", "id", _defined(definitions.check_attribute)
)
CUSTOMER: Final = Kind(
    "customers", "customer", "customers", "identifier", _check_customer, body=_customers_body
)

CUSTOMER_ATTRIBUTE: Final = Kind(
    "customer_attributes",
    "customer_attribute",
    "customer_attributes",
    "id",
    _defined(definitions.check_attribute),
)
ATTRIBUTE_GROUP: Final = Kind(
    "attribute_groups",
    "attribute_group",
    "attribute_groups",
    "id",
    _defined(definitions.check_attribute_group),
)
FOLDER: Final = Kind(
    "folders",
    "folder",
    "folders",
    "id",
    _defined(definitions.check_folders),
    body=_folders_body,
)
RECOMMENDATION_CATEGORY: Final = Kind(
    "recommendation_categories",
    "recommendation_category",
    "recommendation_categories",
    "id",
    _defined(definitions.check_recommendation_category),
)
RECOMMENDATION: Final = Kind(
    "recommendations",
    "recommendation",
    "products",
    "product_id",
    _defined(definitions.check_recommendations),
    has_parent=True,
)
PRODUCT_ASSET: Final = Kind(
    "product_assets",
    "product_asset",
    "assets",
    "product_id",
    _defined(definitions.check_assets),
    body=_assets_body,
)

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        PRODUCT,
        CAMPAIGN,
        PRODUCT_RULE,
        EXPENSE,
        PRODUCT_GROUP,
        TAG,
        ATTRIBUTE,
        CUSTOMER,
        CUSTOMER_ATTRIBUTE,
        ATTRIBUTE_GROUP,
        FOLDER,
        RECOMMENDATION_CATEGORY,
        RECOMMENDATION,
        PRODUCT_ASSET,
    )
}
"""Every kind by its name; an import endpoint finds its kind by the last part of its path."""
