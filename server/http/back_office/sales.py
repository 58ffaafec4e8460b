"""Pages of sales: those of a day, and one with its discounts and why they were given."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from engine.errors import Reason, invalid
from engine.instants import NoInstantError, instant_ns, zone_of
from engine.model import DiscountRecord, EvaluatedLine, Sale
from engine.model.line import Application, DiscountDomain, DiscountTrigger, UnitRange
from engine.records.sales import read_sale
from engine.strict_json import decode, shown_text
from server.http.back_office.campaign_words import effect_words
from server.http.back_office.closes import format_of, rendered
from server.http.back_office.office import PAGE_SIZE, Desk
from server.http.back_office.things import named, zones
from server.reports.places import shown_payment_type
from server.storage.checkouts import get_sale
from tillcore.v1 import checkout_pb2, report_pb2

_NS_PER_SECOND: Final = 10**9


async def list_sales(desk: Desk) -> Response:
    """Show a page of the sales of a day, on the clock of the shop."""
    shop_id, register_id = desk.query("shop_id"), desk.query("register_id")
    by_shop = await zones(desk)
    zone = by_shop.get(shop_id, desk.zone)
    day = desk.query("date") or _today(desk, zone)
    from_ns, until_ns = _day(day, zone)
    request = checkout_pb2.ListSalesRequest(
        page_size=PAGE_SIZE,
        page_token=desk.query("page"),
        shop_id=shop_id,
        register_id=register_id,
        newest_first=True,
    )
    request.from_time.FromNanoseconds(from_ns)
    request.until_time.FromNanoseconds(until_ns)
    answer = await desk.call(request)
    return desk.page(
        "sales.html.jinja",
        sales=[each.sale for each in answer.recorded_sales],
        next_page=answer.next_page_token,
        filters={"shop_id": shop_id, "register_id": register_id, "date": day},
        days={"before": _other_day(day, -1), "after": _other_day(day, 1)},
        shops=await named(desk, "shop"),
        registers=await named(desk, "register"),
    )


def _today(desk: Desk, zone: str) -> str:
    seconds = desk.tools.clock() // _NS_PER_SECOND
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone_of(zone)).date().isoformat()


def _day(day: str, zone: str) -> tuple[int, int]:
    """Return when a day begins and ends on the clock of a zone.

    Raises:
        InvalidInput: It is no day.
    """
    try:
        parsed = date.fromisoformat(day).isoformat()
        own = zone_of(zone)
        return max(instant_ns(parsed, own, end=False), 0), max(instant_ns(parsed, own, end=True), 0)
    except (ValueError, NoInstantError) as error:
        message = f"expected a day such as 2026-11-22, was {shown_text(day)}"
        raise invalid("date", Reason.BAD_TIME, message) from error


def _other_day(day: str, days: int) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days)).isoformat()
    except OverflowError:
        return day


async def show_sale(desk: Desk) -> Response:
    """Show a sale."""
    desk.require("GetSale")
    sale_id = desk.query("id")
    row = await desk.tools.store.read(
        lambda connection: get_sale(connection, account_id=desk.account_id, sale_id=sale_id)
    )
    sale = read_sale(decode(row["document"]))
    return desk.page(
        "sale.html.jinja",
        sale=sale,
        row=row,
        moment=desk.writer.moment(sale.timing),
        lines=[_line(desk, sale, each) for each in sale.summary.line_items],
        payments=[
            {
                "payment": each,
                "name": shown_payment_type(each.payment_type, desk.writer, is_short=False),
            }
            for each in sale.payments
        ],
    )


def _line(desk: Desk, sale: Sale, line: EvaluatedLine) -> dict[str, Any]:
    product, variant = line.product, line.variant
    name = "" if product is None else desk.writer.text(product.name)
    if variant is not None and variant.name:
        name = f"{name}, {desk.writer.text(variant.name)}"
    return {
        "line": line,
        "name": name or next(iter(line.behavior or {}), "") or line.line_item_id,
        "product_id": "" if product is None else product.id,
        "quantity": desk.writer.number(line.quantity_micros),
        "discounts": [_discount(desk, sale, each) for each in line.discounts],
    }


def _discount(desk: Desk, sale: Sale, record: DiscountRecord) -> dict[str, str]:
    """Return a discount with what it did, what it was applied to and what set it off."""
    names = {line.line_item_id: _name_of(desk, line) for line in sale.summary.line_items}
    giver = {
        DiscountDomain.SALE_PRICE: "by_sale_price",
        DiscountDomain.PROMOTION: "by_campaign",
        None: "by_cashier",
    }[record.domain]
    return {
        "name": desk.writer.text(record.name) or record.identifier or record.id,
        "amount": desk.writer.amount(-record.amount_micros, sale.base_currency_code),
        "effect": effect_words(record.effect, desk.writer, desk.word),
        "giver": desk.word(giver),
        "campaign": (record.identifier or "") if record.domain is DiscountDomain.PROMOTION else "",
        "application": _application(desk, record.application, names),
        "trigger": "" if record.trigger is None else _trigger(desk, record.trigger, names),
    }


def _name_of(desk: Desk, line: EvaluatedLine) -> str:
    name = "" if line.product is None else desk.writer.text(line.product.name)
    return name or line.line_item_id


def _application(desk: Desk, application: Application, names: dict[str, str]) -> str:
    if application.units is not None:
        return _units(desk, application.units, names)
    if application.line_item_id is not None:
        return desk.word("the_line", name=names.get(application.line_item_id, ""))
    return desk.word("the_basket")


def _trigger(desk: Desk, trigger: DiscountTrigger, names: dict[str, str]) -> str:
    parts = list(_trigger_parts(desk, trigger, names))
    return desk.word("set_off", count=trigger.count, things=", ".join(parts))


def _trigger_parts(desk: Desk, trigger: DiscountTrigger, names: dict[str, str]) -> Iterator[str]:
    if trigger.basket:
        yield desk.word("the_basket")
    if trigger.line_item_id is not None:
        yield desk.word("the_line", name=names.get(trigger.line_item_id, ""))
    for each in trigger.units:
        yield _units(desk, each, names)


def _units(desk: Desk, units: UnitRange, names: dict[str, str]) -> str:
    """Return which units of a line, counted from 1 as people do."""
    name = names.get(units.line_item_id, units.line_item_id)
    first, last = units.start_index + 1, units.end_index
    if first == last:
        return desk.word("unit_of", first=first, name=name)
    return desk.word("units_of", first=first, last=last, name=name)


async def render_sale(desk: Desk) -> Response:
    """Return the receipt as a file."""
    request = report_pb2.RenderReceiptRequest(
        sale_id=desk.query("id"), format=format_of(desk), language=desk.language
    )
    return rendered(desk, (await desk.call(request)).report)
