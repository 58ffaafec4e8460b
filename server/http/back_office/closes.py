"""Pages of register closes: which there are, and one with all of its numbers and charts."""

from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Connection, RowMapping, select
from starlette.responses import Response

from engine.instants import zone_of
from engine.minor_units import to_micros
from engine.model.register import NO_PRODUCT_GROUP, RegisterCloseStatement
from server.http.back_office.charts import Bar, Chart, lying_bars, standing_bars
from server.http.back_office.office import PAGE_SIZE, Desk
from server.http.back_office.things import named, zones
from server.reports import words
from server.reports.places import shown_payment_type
from server.reports.register_report import register_report
from server.storage.closes import get_close, statement_of
from server.storage.periods import open_register_ids
from server.storage.sale_tables import sale
from tillcore.v1 import register_service_pb2, report_pb2

_HOURS: Final = 24
_NS_PER_SECOND: Final = 10**9
_FILTERS: Final = ("shop_id", "register_id", "first_date", "last_date")


async def list_closes(desk: Desk) -> Response:
    """Show a page of the closes by day."""
    filters = {name: desk.query(name) for name in _FILTERS}
    request = register_service_pb2.ListRegisterClosesRequest(
        page_size=PAGE_SIZE,
        page_token=desk.query("page"),
        newest_first=True,
        **filters,
    )
    answer = await desk.call(request)
    return desk.page(
        "closes.html.jinja",
        answer=answer,
        next_page=answer.next_page_token,
        filters=filters,
        shops=await named(desk, "shop"),
        registers=await named(desk, "register"),
        zones=await zones(desk),
        open_ids=await desk.tools.store.read(
            partial(open_register_ids, account_id=desk.account_id)
        ),
    )


async def render_totals(desk: Desk) -> Response:
    """Return the X report of an open register as a file; looking at it here counts nothing."""
    request = report_pb2.RenderRegisterTotalsRequest(
        register_id=desk.query("register_id"), format=format_of(desk), language=desk.language
    )
    return rendered(desk, (await desk.call(request)).report)


async def show_close(desk: Desk) -> Response:
    """Show a close."""
    desk.require("GetRegisterClose")
    register_id, text = desk.query("register_id"), desk.query("number")
    number = int(text) if text.isdecimal() and len(text) < 19 else 0

    def work(connection: Connection) -> tuple[RowMapping, list[RowMapping]]:
        row = get_close(
            connection,
            account_id=desk.account_id,
            register_id=register_id,
            sequence_number=number,
        )
        sold = select(sale.c.completed_ns, sale.c.total_minor, sale.c.scale).where(
            sale.c.account_id == desk.account_id,
            sale.c.register_id == register_id,
            sale.c.period_number == row["period_number"],
            sale.c.voided.is_(False),
        )
        return row, list(connection.execute(sold).mappings())

    row, sold = await desk.tools.store.read(work)
    statement = statement_of(row)
    return desk.page(
        "close.html.jinja",
        row=row,
        statement=statement,
        report=register_report(statement, desk.writer),
        charts=[
            _hours(desk, statement, sold),
            _groups(desk, statement),
            _payments(desk, statement),
        ],
    )


def _hours(desk: Desk, statement: RegisterCloseStatement, sold: list[RowMapping]) -> Chart:
    """Return the sales of a period by the hour of the shop's clock.

    The hours of a period of up to a day follow one another; those of longer ones are added up.
    """
    zone = zone_of(statement.timing.timezone)
    sums: dict[int, int] = {}
    for row in sold:
        local = datetime.fromtimestamp(row["completed_ns"] // _NS_PER_SECOND, zone)
        hour = local.toordinal() * _HOURS + local.hour
        sums[hour] = sums.get(hour, 0) + to_micros(row["total_minor"], scale=row["scale"])
    hours = range(min(sums, default=0), max(sums, default=-1) + 1)
    if len(hours) > _HOURS:
        by_hour: dict[int, int] = {}
        for hour, micros in sums.items():
            by_hour[hour % _HOURS] = by_hour.get(hour % _HOURS, 0) + micros
        sums, hours = by_hour, range(_HOURS)
    bars = [
        Bar(f"{hour % _HOURS:02d}", sums.get(hour, 0), _amount(desk, statement, sums.get(hour, 0)))
        for hour in hours
    ]
    columns = (desk.word("hour"), desk.word("sold"))
    return standing_bars("chart-hours", desk.word("chart_hours"), columns, bars)


def _groups(desk: Desk, statement: RegisterCloseStatement) -> Chart:
    summaries = statement.register_summary.all_by_product_group
    ordered = sorted(summaries.items(), key=lambda each: -each[1].total_micros)
    no_group = desk.writer.word(words.NO_GROUP)
    bars = [
        Bar(
            no_group if name == NO_PRODUCT_GROUP else name,
            each.total_micros,
            _amount(desk, statement, each.total_micros),
        )
        for name, each in ordered
    ]
    columns = (desk.word("product_group"), desk.word("sold"))
    return lying_bars("chart-groups", desk.word("chart_groups"), columns, bars)


def _payments(desk: Desk, statement: RegisterCloseStatement) -> Chart:
    totals = statement.register_summary.all.payments
    ordered = sorted(totals, key=lambda each: -each.total.total_micros)
    bars = [
        Bar(
            shown_payment_type(each.type, desk.writer, is_short=False),
            each.total.total_micros,
            _amount(desk, statement, each.total.total_micros),
        )
        for each in ordered
    ]
    columns = (desk.word("payment_type"), desk.word("amount"))
    return lying_bars("chart-payments", desk.word("chart_payments"), columns, bars)


def _amount(desk: Desk, statement: RegisterCloseStatement, micros: int) -> str:
    return desk.writer.amount(micros, statement.base_currency_code)


async def render_close(desk: Desk) -> Response:
    """Return the Z report as a file."""
    text = desk.query("number")
    request = report_pb2.RenderRegisterCloseRequest(
        register_id=desk.query("register_id"),
        sequence_number=int(text) if text.isdecimal() and len(text) < 19 else 0,
        format=format_of(desk),
        language=desk.language,
    )
    return rendered(desk, (await desk.call(request)).report)


def format_of(desk: Desk) -> report_pb2.ReportFormat.ValueType:
    """Return the format that is asked for."""
    is_pdf = desk.query("format") == "pdf"
    return report_pb2.REPORT_FORMAT_PDF if is_pdf else report_pb2.REPORT_FORMAT_HTML


def rendered(desk: Desk, report: report_pb2.RenderedReport) -> Response:
    """Return a report: a page to be looked at, or a download."""
    is_page = report.content_type.startswith("text/html")
    file_name = "" if is_page else report.file_name
    return desk.framed(report.content, report.content_type, file_name=file_name)
