"""The first page: what every shop has sold today, and the export queues that are in trouble."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, func, select
from starlette.responses import Response

from engine.instants import zone_of
from engine.minor_units import to_micros
from server.http.back_office.office import Desk
from server.http.back_office.things import zones
from server.storage.account_tables import market, shop
from server.storage.sale_tables import sale
from tillcore.v1 import export_queue_pb2

_NS_PER_SECOND: Final = 10**9
_SHOPS_MAX: Final = 200
_QUEUES_MAX: Final = 50


async def show_home(desk: Desk) -> Response:
    """Show what every shop has sold today."""
    shops: list[dict[str, Any]] = []
    if desk.may("ListSales"):
        by_shop = await zones(desk)
        days = {shop_id: _today(desk, zone) for shop_id, zone in by_shop.items()}
        shops = await desk.tools.store.read(
            lambda connection: _sold(connection, account_id=desk.account_id, days=days)
        )
    queues = []
    if desk.may("ListExportQueues"):
        request = export_queue_pb2.ListExportQueuesRequest(page_size=_QUEUES_MAX)
        for each in (await desk.call(request)).queues:
            asking = export_queue_pb2.GetExportQueueRequest(queue_id=each.id)
            answer = await desk.call(asking)
            if _is_in_trouble(answer):
                queues.append(answer)
    return desk.page("home.html.jinja", shops=shops, queues=queues)


def _is_in_trouble(answer: Any) -> bool:
    is_active = answer.queue.state == export_queue_pb2.EXPORT_QUEUE_STATE_ACTIVE
    is_closed = answer.status.HasField("closed_until_time")
    return bool(answer.status.failed_count or is_closed or not is_active)


def _today(desk: Desk, zone: str) -> str:
    seconds = desk.tools.clock() // _NS_PER_SECOND
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone_of(zone)).date().isoformat()


def _sold(connection: Connection, *, account_id: str, days: dict[str, str]) -> list[dict[str, Any]]:
    """Return every shop with how much it has sold on its day."""
    listed = (
        select(shop.c.shop_id, shop.c.name, market.c.currency_code)
        .join(
            market,
            and_(market.c.account_id == shop.c.account_id, market.c.market_id == shop.c.market_id),
        )
        .where(shop.c.account_id == account_id)
        .order_by(shop.c.shop_id)
        .limit(_SHOPS_MAX)
    )
    totals = (
        select(
            sale.c.shop_id,
            sale.c.business_date,
            sale.c.scale,
            func.count().label("count"),
            func.sum(sale.c.total_minor).label("total_minor"),
        )
        .where(
            sale.c.account_id == account_id,
            sale.c.business_date.in_(sorted(set(days.values()))),
            sale.c.voided.is_(False),
        )
        .group_by(sale.c.shop_id, sale.c.business_date, sale.c.scale)
    )
    sums: dict[str, tuple[int, int]] = {}
    for row in connection.execute(totals).mappings():
        if days.get(row["shop_id"]) == row["business_date"]:
            count, micros = sums.get(row["shop_id"], (0, 0))
            more = to_micros(int(row["total_minor"]), scale=row["scale"])
            sums[row["shop_id"]] = (count + row["count"], micros + more)
    shops = []
    for row in connection.execute(listed).mappings():
        count, micros = sums.get(row["shop_id"], (0, 0))
        shops.append(
            {
                **row,
                "count": count,
                "total_micros": micros,
                "date": days.get(row["shop_id"], ""),
            }
        )
    return shops
