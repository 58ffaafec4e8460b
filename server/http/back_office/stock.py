"""Pages of stock levels and of orders."""

from typing import Final

from starlette.responses import Response

from server.http.back_office import forms
from server.http.back_office.forms import Field, Kind
from server.http.back_office.office import PAGE_SIZE, Desk
from server.http.back_office.things import named
from tillcore.v1 import order_pb2, order_service_pb2, stock_service_pb2

_ORDER_FIELDS: Final = (
    Field("direction", Kind.CHOICE),
    Field("stock_location_id"),
    Field("state", Kind.CHOICE),
)


async def list_stock(desk: Desk) -> Response:
    """Show a page of the levels of a stock location; a shop is one under its id."""
    shops = await named(desk, "shop")
    location_id = desk.query("stock_location_id") or (shops[0][0] if shops else "")
    answer = stock_service_pb2.ListStockResponse()
    if location_id:
        request = stock_service_pb2.ListStockRequest(
            stock_location_id=location_id, page_size=PAGE_SIZE, page_token=desk.query("page")
        )
        answer = await desk.call(request)
    return desk.page(
        "stock.html.jinja",
        answer=answer,
        next_page=answer.next_page_token,
        location_id=location_id,
        shops=shops,
    )


async def list_orders(desk: Desk) -> Response:
    """Show a page of the orders of a direction."""
    request = order_service_pb2.ListOrdersRequest(
        direction=order_pb2.ORDER_DIRECTION_INCOMING,
        page_size=PAGE_SIZE,
        page_token=desk.query("page"),
        newest_first=True,
    )
    values = {field.path: desk.query(field.path) for field in _ORDER_FIELDS}
    values["direction"] = values["direction"] or "ORDER_DIRECTION_INCOMING"
    found = forms.read(_ORDER_FIELDS, values, request)
    answer = await desk.call(request)
    choices = {
        field.path: forms.choices_of(field, request)
        for field in _ORDER_FIELDS
        if field.kind is Kind.CHOICE
    }
    return desk.page(
        "orders.html.jinja",
        fields=_ORDER_FIELDS,
        values=values,
        choices=choices,
        answer=answer,
        next_page=answer.next_page_token,
        problems=forms.placed(found, _ORDER_FIELDS, under="", word=desk.word),
    )
