"""Give out lists of the catalogue, and the ids that a call needs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Final

from sqlalchemy import Connection, RowMapping
from sqlalchemy import Table as SqlTable
from starlette.requests import Request
from starlette.responses import Response

from engine.model import Product, Variant
from engine.numbers import format_micros
from engine.plan import PricePlan
from engine.strict_json import decode, is_object
from server.auth import Principal
from server.catalog.kinds import CUSTOMER, PRODUCT_GROUP
from server.catalog.kinds import Kind as CatalogKind
from server.exports.order_hook import DELIVERY_METHODS
from server.http.operations import Handler
from server.http.tools import HttpTools
from server.http.web_services.answers import table_answer, table_format
from server.http.web_services.parameters import Parameters, query_parameters
from server.http.web_services.sale_call import CASHIER, KEY_NAMES, QUOTED, SAVED, SHOP_NAMES
from server.http.web_services.sales import READ_SCOPES
from server.http.web_services.settings import WebServiceSettings
from server.reports.writer import Writer
from server.storage.account_tables import cashier, payment_type, register, shop
from server.storage.catalogs import list_entries
from server.storage.periods import find_open_period
from server.storage.resources import get_row, list_rows
from server.tables.formats import ROWS_MAX, TableFormat, check_row_count
from server.tables.table import Cell, Column, Kind, Table

Rows = tuple[tuple[Cell, ...], ...]

_ID: Final = Column(name="id", title="ID")
_NAME: Final = Column(name="name", title="Name")
_ROWS_MAX: Final = max(ROWS_MAX.values())
_FIRST: Final = ("", "")


class ListHandlers:
    """Answers with lists; each takes the format and, where prices are in it, the shop."""

    def __init__(self, tools: HttpTools, settings: WebServiceSettings) -> None:
        """Answer over the store of a server."""
        self._tools = tools
        self._settings = settings

    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each list, by its name in paths."""
        read: dict[str, Callable[[Connection, str], Table]] = {
            "customers": _customers,
            "departments": _departments,
            "payment-methods": _payment_methods,
            "registers": _registers,
            "shops": _shops,
            "users": _users,
        }
        return {
            "items": self._items,
            "delivery-methods": self._delivery_methods,
            **{name: partial(self._stored, read=each) for name, each in read.items()},
        }

    async def _items(self, request: Request) -> Response:
        parameters, principal = await self._let_in(request)
        account_id, shop_id = principal.account_id, parameters.one(*SHOP_NAMES)
        row = await self._tools.store.read(
            partial(get_row, table=shop, account_id=account_id, row_id=shop_id)
        )
        plan = await self._tools.plans.plan(
            account_id=account_id, market_id=row["market_id"], shop_id=shop_id
        )
        return await self._answer(parameters, _item_table(plan, parameters.one("language")))

    async def _delivery_methods(self, request: Request) -> Response:
        parameters, _ = await self._let_in(request)
        rows = tuple((str(number), name) for number, name in enumerate(DELIVERY_METHODS))
        columns = (_ID, Column(name="purchase_type", title="Purchase type"))
        return await self._answer(parameters, _table("delivery-methods", columns, rows))

    async def _stored(
        self, request: Request, *, read: Callable[[Connection, str], Table]
    ) -> Response:
        parameters, principal = await self._let_in(request)
        table = await self._tools.store.read(
            lambda connection: read(connection, principal.account_id)
        )
        return await self._answer(parameters, table)

    async def _let_in(self, request: Request) -> tuple[Parameters, Principal]:
        parameters = query_parameters(request)
        key = parameters.one(*KEY_NAMES)
        principal = await self._tools.gate.let_in(request, READ_SCOPES, query_key=key)
        return parameters, principal

    async def _answer(self, parameters: Parameters, table: Table) -> Response:
        chosen = table_format(parameters.one("format"), default=TableFormat.JSON)
        check_row_count(len(table.rows), chosen)
        return await table_answer(table, chosen, self._settings.rendering, file_name=table.name)


def _table(name: str, columns: tuple[Column, ...], rows: Rows, *, currency_code: str = "") -> Table:
    title = name.replace("-", " ").capitalize()
    return Table(name=name, title=title, columns=columns, rows=rows, currency_code=currency_code)


# --- items -----------------------------------------------------------------------------------


def _item_table(plan: PricePlan, language: str) -> Table:
    """Return what can be sold in a shop; the id is what `itemsList` takes."""
    writer = Writer(language)
    columns = (
        _ID,
        Column(name="product_id", title="Product"),
        Column(name="variant_id", title="Variant"),
        _NAME,
        Column(name="barcode", title="Barcode"),
        Column(name="department", title="Department"),
        Column(name="price", title="Price", kind=Kind.AMOUNT),
        Column(name="per", title="Per"),
        Column(name="taxes", title="Taxes"),
    )
    rows = tuple(
        row
        for product in plan.products.values()
        for variant in product.variants or (None,)
        if (row := _item_row(plan, product, variant, writer)) is not None
    )
    code = plan.market.currency_code
    return _table("items", columns, rows, currency_code=code)


def _item_row(
    plan: PricePlan, product: Product, variant: Variant | None, writer: Writer
) -> tuple[Cell, ...] | None:
    """Return the row of an item; None where the market has no price for it."""
    article = plan.article(product, variant, None)
    if not article.is_sold_here:
        return None
    name = writer.text(product.name) or product.id
    variant_name = "" if variant is None else writer.text(variant.name) or variant.id
    per = "1"
    if article.is_unit_priced and product.unit_pricing is not None:
        measured = product.unit_pricing
        per = f"{format_micros(measured.multiplicity_micros)} {measured.unit.partition('/')[2]}"
    return (
        product.id if variant is None else f"{product.id}/{variant.id}",
        product.id,
        None if variant is None else variant.id,
        f"{name}, {variant_name}" if variant_name else name,
        (None if variant is None else variant.barcode) or product.barcode,
        product.product_group,
        article.row[0] if article.is_priced else None,
        per,
        ", ".join(
            f"{writer.text(tax.name)} {format_micros(tax.rate_micros * 100)} %"
            for tax in article.taxes
        ),
    )


# --- what the store has ----------------------------------------------------------------------


def _customers(connection: Connection, account_id: str) -> Table:
    names = ("name", "organization_number", "email", "phone", "street", "postal_code", "city")
    columns = (_ID, *(Column(name=each, title=_title(each)) for each in names))
    rows = tuple(
        (str(row["entry_id"]), *(_text(document.get(each)) for each in names))
        for row, document in _entries(connection, CUSTOMER, account_id)
    )
    return _table("customers", columns, rows)


def _departments(connection: Connection, account_id: str) -> Table:
    writer = Writer("")
    rows = tuple(
        (str(row["entry_id"]), _name(document.get("name"), writer))
        for row, document in _entries(connection, PRODUCT_GROUP, account_id)
    )
    return _table("departments", (_ID, _NAME), rows)


def _payment_methods(connection: Connection, account_id: str) -> Table:
    own: Rows = (
        (SAVED, "Not paid: put aside as a basket"),
        (QUOTED, "Not paid: agreed as a quote"),
    )
    rows = (
        (row["payment_type_id"], row["name"]) for row in _rows(connection, payment_type, account_id)
    )
    return _table("payment-methods", (_ID, _NAME), (*own, *rows))


def _users(connection: Connection, account_id: str) -> Table:
    rows = tuple(
        (row["cashier_id"], row["display_name"]) for row in _rows(connection, cashier, account_id)
    )
    return _table("users", (_ID, _NAME), ((CASHIER, "Web services"), *rows))


def _shops(connection: Connection, account_id: str) -> Table:
    columns = (_ID, _NAME, Column(name="market", title="Market"))
    rows = tuple(
        (row["shop_id"], row["name"], row["market_id"])
        for row in _rows(connection, shop, account_id)
    )
    return _table("shops", columns, rows)


def _registers(connection: Connection, account_id: str) -> Table:
    columns = (
        _ID,
        _NAME,
        Column(name="shop", title="Shop"),
        Column(name="state", title="State"),
    )

    def state(register_id: str) -> str:
        period = find_open_period(
            connection, account_id=account_id, register_id=register_id, is_locked=False
        )
        return "closed" if period is None else "open"

    rows = tuple(
        (row["register_id"], row["name"], row["shop_id"], state(row["register_id"]))
        for row in _rows(connection, register, account_id)
    )
    return _table("registers", columns, rows)


def _rows(connection: Connection, table: SqlTable, account_id: str) -> Iterable[RowMapping]:
    found = list_rows(
        connection, table, account_id=account_id, conditions={}, after_id="", count=_ROWS_MAX
    )
    return found.rows


def _entries(
    connection: Connection, kind: CatalogKind, account_id: str
) -> Iterator[tuple[RowMapping, dict[str, object]]]:
    """Yield the entries of a kind that belongs to the account, one more than any format takes."""
    for row in list_entries(
        connection,
        account_id=account_id,
        market_id="",
        kinds=(kind.name,),
        after=_FIRST,
        count=_ROWS_MAX + 1,
    ):
        document = decode(row["document"])
        yield row, document if is_object(document) else {}


def _name(value: object, writer: Writer) -> str:
    if is_object(value):
        return writer.text({code: str(text) for code, text in value.items()})
    return _text(value) or ""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
