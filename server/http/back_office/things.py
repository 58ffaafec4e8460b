"""Pages of what AdminService manages by id: markets, shops, registers, cashiers and types."""

from typing import Any, Final, NamedTuple

from starlette.responses import Response

from engine.errors import NotFound, TillcoreError
from server.http.back_office import forms
from server.http.back_office.forms import Field, Kind
from server.http.back_office.office import PAGE_SIZE, Desk
from server.rpc.admin_resources import RESOURCES, Resource
from tillcore.v1 import admin_key_pb2, admin_market_pb2, admin_shop_pb2


class Thing(NamedTuple):
    """A kind of things with its pages.

    Attributes:
        noun: As the messages have it.
        path: Of the pages.
        fields: Of the form.
        columns: Of the list, as paths of fields; the first one is the id.
        parents: The kind that it belongs to, and the field that names the one.
    """

    noun: str
    path: str
    fields: tuple[Field, ...]
    columns: tuple[str, ...]
    parent: tuple[str, str] = ("", "")

    @property
    def resource(self) -> Resource:
        """What AdminService knows of it."""
        return next(each for each in RESOURCES if each.noun == self.noun)

    def message(self, verb: str, *, is_plural: bool = False) -> Any:
        """Return the class of a request."""
        return self.resource.message(f"{verb}{self.resource.camel}{'s' * is_plural}Request")

    def method(self, verb: str) -> str:
        """Return the name of a method."""
        return f"{verb}{self.resource.camel}"


_MARKET_FIELDS: Final = (
    Field("market.id", is_required=True, is_fixed=True),
    Field("name"),
    Field("market.currency_code", is_required=True, is_fixed=True),
    Field("market.timezone"),
    Field("market.default_taxes", Kind.TAXES, is_required=True),
    Field("market.contribution_ratio_target_micros", Kind.PERCENT),
    Field("market.discount_policy", Kind.CHOICE),
    Field("market.sale_price_priority_micros", Kind.DECIMAL),
    Field("market.tax_rounding", Kind.CHOICE),
    Field("market.inclusive_rounding", Kind.CHOICE),
    Field("market.tie", Kind.CHOICE),
    Field("market.cash_rounding.increment_micros", Kind.DECIMAL),
    Field("market.cash_rounding.tie", Kind.CHOICE),
    Field("market.cash_rounding.applies_to", Kind.CHOICE),
    Field("market.exchange_rates_micros", Kind.RATES),
)

THINGS: Final = (
    Thing(
        "market",
        "markets",
        _MARKET_FIELDS,
        (
            "market.id",
            "name",
            "market.currency_code",
            "market.timezone",
            "market.contribution_ratio_target_micros",
        ),
    ),
    Thing(
        "shop",
        "shops",
        (
            Field("id", is_required=True, is_fixed=True),
            Field("market_id", Kind.CHOICE, is_required=True, is_fixed=True),
            Field("name"),
            Field("address.name"),
            Field("address.street"),
            Field("address.zip"),
            Field("address.city"),
            Field("vat_number"),
            Field("receipt_header", Kind.LONG),
            Field("receipt_footer", Kind.LONG),
        ),
        ("id", "name", "market_id", "address.city", "vat_number"),
        ("market", "market_id"),
    ),
    Thing(
        "register",
        "registers",
        (
            Field("id", is_required=True, is_fixed=True),
            Field("shop_id", Kind.CHOICE, is_required=True, is_fixed=True),
            Field("name"),
        ),
        ("id", "name", "shop_id"),
        ("shop", "shop_id"),
    ),
    Thing(
        "cashier",
        "cashiers",
        (
            Field("id", is_required=True, is_fixed=True),
            Field("display_name"),
            Field("full_name"),
            Field("image_url"),
        ),
        ("id", "display_name", "full_name"),
    ),
    Thing(
        "payment_type",
        "payment-types",
        (
            Field("id", is_required=True, is_fixed=True),
            Field("name"),
            Field("should_be_reconciled", Kind.FLAG),
        ),
        ("id", "name", "should_be_reconciled"),
    ),
    Thing(
        "purchase_type",
        "purchase-types",
        (
            Field("purchase_type.id", is_required=True, is_fixed=True),
            Field("purchase_type.name", is_required=True),
        ),
        ("purchase_type.id", "purchase_type.name"),
    ),
)

_BY_NOUN: Final = {thing.noun: thing for thing in THINGS}


async def list_things(desk: Desk, thing: Thing) -> Response:
    """Show a page of a kind."""
    request = thing.message("List", is_plural=True)(
        page_size=PAGE_SIZE, page_token=desk.query("page")
    )
    answer = await desk.call(request)
    fields = [field for field in thing.fields if field.path in thing.columns]
    rows = [
        {"id": _id_of(thing, each), "cells": forms.show(fields, each)}
        for each in getattr(answer, f"{thing.noun}s")
    ]
    return desk.page(
        "things.html.jinja",
        thing=thing,
        columns=[next(f for f in fields if f.path == path) for path in thing.columns],
        rows=rows,
        next_page=answer.next_page_token,
    )


async def show_thing(desk: Desk, thing: Thing) -> Response:
    """Show the form of one, or of a new one."""
    row_id = desk.query("id")
    message: Any = thing.resource.kind()
    if row_id:
        request = thing.message("Get")(**{f"{thing.noun}_id": row_id})
        message = getattr(await desk.call(request), thing.noun)
    else:
        desk.require(thing.method("Create"))
        if thing.parent[1] and desk.query("parent"):
            setattr(message, thing.parent[1], desk.query("parent"))
    return await _form(desk, thing, message, forms.show(thing.fields, message), row_id=row_id)


async def save_thing(desk: Desk, thing: Thing) -> Response:
    """Store what the form says."""
    row_id = desk.query("id")
    desk.require(thing.method("Update" if row_id else "Create"))
    message: Any = thing.resource.kind()
    if row_id:
        request = thing.message("Get")(**{f"{thing.noun}_id": row_id})
        message = getattr(await desk.call(request), thing.noun)
        message.revision = forms.integer(desk.form.text("revision") or "0")
    fields = [field for field in thing.fields if not (row_id and field.is_fixed)]
    found: Any = forms.read(fields, desk.form, message)
    verb = "Update" if row_id else "Create"
    if not found:
        try:
            await desk.call(thing.message(verb)(**{thing.noun: message}))
            return desk.see(thing.path, done="saved")
        except TillcoreError as error:
            found = forms.problems_of(error) if error.problems else [("", error.message)]
    problems = forms.placed(found, thing.fields, under=thing.noun, word=desk.word)
    values = forms.show(thing.fields, message) | {
        field.path: desk.form.get(field.path, "") for field in fields
    }
    return await _form(desk, thing, message, values, row_id=row_id, problems=problems)


async def delete_thing(desk: Desk, thing: Thing) -> Response:
    """Remove one that nothing refers to."""
    revision = forms.integer(desk.form.text("revision") or "0")
    values = {f"{thing.noun}_id": desk.query("id"), "revision": revision}
    await desk.call(thing.message("Delete")(**values))
    return desk.see(thing.path, done="deleted")


async def make_code(desk: Desk) -> Response:
    """Show a code with which a device enrols for a register."""
    register_id = desk.query("id")
    answer = await desk.call(admin_key_pb2.CreateEnrolmentCodeRequest(register_id=register_id))
    return desk.page("code.html.jinja", register_id=register_id, answer=answer)


async def _form(
    desk: Desk,
    thing: Thing,
    message: Any,
    values: dict[str, str],
    *,
    row_id: str,
    problems: Any = (),
) -> Response:
    parents = await _parents(desk, thing)
    choices = {
        field.path: (parents if field.path == thing.parent[1] else forms.choices_of(field, message))
        for field in thing.fields
        if field.kind is Kind.CHOICE
    }
    return desk.page(
        "thing.html.jinja",
        status=400 if problems else 200,
        thing=thing,
        fields=thing.fields,
        values=values,
        choices=choices,
        row_id=row_id,
        revision=message.revision,
        problems=problems,
        may_save=desk.may(thing.method("Update" if row_id else "Create")),
    )


async def _parents(desk: Desk, thing: Thing) -> list[tuple[str, str]]:
    """Return ids and names of what one of a kind can belong to."""
    if not thing.parent[0]:
        return []
    return await named(desk, thing.parent[0])


async def named(desk: Desk, noun: str) -> list[tuple[str, str]]:
    """Return ids and names of all things of a kind, up to a thousand."""
    thing = _BY_NOUN[noun]
    answer = await desk.call(thing.message("List", is_plural=True)(page_size=1_000))
    return [(_id_of(thing, each), each.name) for each in getattr(answer, f"{noun}s")]


async def zones(desk: Desk) -> dict[str, str]:
    """Return the time zone of every shop."""
    markets = await desk.call(admin_market_pb2.ListMarketsRequest(page_size=1_000))
    by_market = {each.market.id: each.market.timezone or "UTC" for each in markets.markets}
    shops = await desk.call(admin_shop_pb2.ListShopsRequest(page_size=1_000))
    return {each.id: by_market.get(each.market_id, "UTC") for each in shops.shops}


def thing_of(path: str) -> Thing:
    """Return the kind of a path.

    Raises:
        NotFound: There is none.
    """
    for thing in THINGS:
        if thing.path == path:
            return thing
    raise NotFound("expected a page, was none")


def _id_of(thing: Thing, message: Any) -> str:
    for step in thing.resource.id_field.split("."):
        message = getattr(message, step)
    return str(message)
