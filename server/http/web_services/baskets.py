"""Make the basket of a call: its entries as lines, its client as a customer."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from engine import limits
from engine.customers import customer_of
from engine.errors import InvalidInput, Reason
from engine.fields import read_whole
from engine.model import Customer, L10nString, Product, Variant
from engine.plan import PricePlan
from engine.readers import Problems
from engine.rpc.convert.customer import customer_to_proto
from engine.strict_json import decode, is_object, shown_text
from server.catalog.kinds import CUSTOMER, PRODUCT_GROUP
from server.http.web_services.entries import Entry, Readings, chosen, department_product_id
from server.http.web_services.sale_call import CLIENT_FIELDS, SaleCall
from server.storage import Store
from server.storage.catalogs import Key, find_entries, find_entry
from tillcore.v1 import basket_pb2, localized_string_pb2, money_pb2, product_pb2

_ONE: Final = limits.MICROS_PER_UNIT
_ACCOUNT_LEVEL: Final = ""
"""The market of what belongs to the account as a whole."""

_CLIENT_ID_DIGITS: Final = 24

Names = Mapping[str, L10nString]


async def basket_of(
    store: Store, call: SaleCall, plan: PricePlan, *, account_id: str
) -> basket_pb2.Basket:
    """Return the basket of a call, without payments.

    Raises:
        InvalidInput: The catalogue has no such item, department or customer.
    """
    problems = Problems()
    asked = {way.item_id for each in call.entries if each.is_department for way in each.ways}
    departments: Names = {}
    if asked:
        named = await store.read(partial(_department_names, ids=asked, account_id=account_id))
        in_products = {each.product_group or "" for each in plan.products.values()} & asked
        departments = {**{id_: id_ for id_ in in_products}, **named}
    lines = [
        line
        for index, each in enumerate(call.entries)
        if (line := _line(each, index, plan, departments, problems)) is not None
    ]
    customer = _client(call, problems)
    if call.customer_id:
        found = await store.read(
            partial(_find_customer, customer_id=call.customer_id, account_id=account_id)
        )
        customer = found
        if found is None:
            message = f"expected the id of a customer, was {shown_text(call.customer_id)}"
            problems.add("idClient", Reason.UNKNOWN_ID, message)
    problems.finish()
    basket = basket_pb2.Basket(
        line_items=lines,
        shop=call.shop_id,
        purchase_type=call.purchase_type,
        customer=customer_to_proto(customer),
    )
    if call.moment_ns is not None:
        basket.evaluate_time.FromNanoseconds(call.moment_ns)
    return basket


# --- lines -----------------------------------------------------------------------------------


def _line(
    entry: Readings, index: int, plan: PricePlan, departments: Names, problems: Problems
) -> basket_pb2.BasketLine | None:
    """Return the line of an entry, None after a problem."""
    if entry.is_department:
        named = {id_: _texts(name) for id_, name in departments.items()}
        way = chosen(entry.ways, named, index, problems)
        return None if way is None else _department_line(way, departments)
    known = {
        way.item_id: _item_names(*found)
        for way in entry.ways
        if (found := _find_item(way, plan.products)) is not None
    }
    way = chosen(entry.ways, known, index, problems)
    return None if way is None else _item_line(way, plan)


def _find_item(
    way: Entry, products: Mapping[str, Product]
) -> tuple[Product, Variant | None] | None:
    """Return what a way to read an entry names, None where there is no such item."""
    product = products.get(way.product_id)
    if product is None:
        return None
    variant = next((each for each in product.variants if each.id == way.variant_id), None)
    return None if way.variant_id and variant is None else (product, variant)


def _item_names(product: Product, variant: Variant | None) -> Collection[str]:
    """Return what an item is called; the list of items joins the two names."""
    names = _texts(product.name)
    if variant is None:
        return names
    own = [*filter(None, _texts(variant.name)), variant.id]
    return [*names, *own, *(f"{name}, {each}" for name in names for each in own)]


def _item_line(way: Entry, plan: PricePlan) -> basket_pb2.BasketLine:
    """Return the line of an item; of what is sold by measure the number is how much of it."""
    found = _find_item(way, plan.products)
    assert found is not None, "only what is known is chosen"
    is_measured = plan.article(*found, None).is_unit_priced
    names = {way.item_id, *_item_names(*found)}
    return basket_pb2.BasketLine(
        id=way.product_id,
        variant_id=way.variant_id,
        quantity_micros=_ONE if is_measured else way.number_micros,
        unit_count_micros=way.number_micros if is_measured else None,
        comment=way.title if way.title and way.title not in names else None,
    )


def _texts(name: L10nString | None) -> Sequence[str]:
    return list(name.values()) if isinstance(name, dict) else [name or ""]


def _department_line(way: Entry, departments: Names) -> basket_pb2.BasketLine:
    """Return the line of a department: one piece of a product of its own, at the price given."""
    name = departments[way.item_id]
    localized = localized_string_pb2.LocalizedString()
    if way.title:
        localized.text = way.title
    elif isinstance(name, dict):
        localized.text_by_language.update(name)
    else:
        localized.text = name
    product = product_pb2.Product(
        id=department_product_id(way.item_id),
        name=localized,
        retail_price=money_pb2.MarketPrice(amount_micros=way.number_micros),
        product_group=way.item_id,
    )
    return basket_pb2.BasketLine(product=product)


def _department_names(connection: Connection, *, ids: set[str], account_id: str) -> Names:
    """Return the names of those of some product groups that are defined."""
    found = find_entries(
        connection,
        [Key(PRODUCT_GROUP.name, id_) for id_ in sorted(ids)],
        account_id=account_id,
        market_id=_ACCOUNT_LEVEL,
    )
    return {key.entry_id: _name(row["document"], key.entry_id) for key, row in found.items()}


def _name(document: str, otherwise: str) -> L10nString:
    value = decode(document)
    name = value.get("name") if is_object(value) else None
    if isinstance(name, str):
        return name or otherwise
    if is_object(name):
        return {code: text for code, text in name.items() if isinstance(text, str)} or otherwise
    return otherwise


# --- customers -------------------------------------------------------------------------------


def _find_customer(connection: Connection, *, customer_id: str, account_id: str) -> Customer | None:
    """Return a customer of the catalogue, None where it has no such one."""
    row = find_entry(
        connection,
        Key(CUSTOMER.name, customer_id),
        account_id=account_id,
        market_id=_ACCOUNT_LEVEL,
    )
    return None if row is None else read_whole(decode(row["document"]), customer_of)


def _client(call: SaleCall, problems: Problems) -> Customer | None:
    """Return the customer of a client that is told of; the same client has the same id."""
    client = call.client
    if not client:
        return None
    told = "\0".join(f"{name}={value}" for name, value in sorted(client.items()))
    digits = hashlib.sha256(told.encode()).hexdigest()[:_CLIENT_ID_DIGITS]
    values: dict[str, object] = {
        CLIENT_FIELDS[name]: value
        for name, value in client.items()
        if name not in ("nom", "prenom", "pays")
    }
    name = " ".join(client[each] for each in ("prenom", "nom") if each in client)
    country = client.get("pays", "")
    if re.fullmatch("[A-Za-z]{2}", country):
        values["country_code"] = country.upper()
    elif country:
        values["country"] = country
    if name:
        values["name"] = name
    try:
        return read_whole({"identifier": f"web-{digits}", **values}, customer_of)
    except InvalidInput as error:
        problems.add_all("client", error.problems)
        return None
