"""Write a comparison as one page with charts: no script, nothing fetched, every text escaped."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Template

from server.html_templates import html_templates
from server.http.back_office.charts import Bar, Chart, lying_bars, standing_bars
from server.replay.selection import Selection
from server.replay.tables import name_of, turnover
from server.replay.tally import Tally
from server.reports.writer import Writer
from server.tables.table import Fact, Kind, Table, clean, shown_text

TEMPLATES: Final = Path(__file__).parent / "templates"
BARS_MAX: Final = 20


def page(
    selection: Selection,
    tally: Tally,
    *,
    facts: Sequence[Fact],
    notes: Sequence[str],
    tables: Sequence[Table],
) -> bytes:
    """Return the page in UTF-8."""
    writer = Writer("en")
    return (
        _template()
        .render(
            language=writer.language,
            title="Replay of stored baskets",
            facts=[(clean(each.title), clean(each.value)) for each in facts],
            notes=[clean(each) for each in notes],
            charts=_charts(selection, tally, writer),
            tables=[_shown(table, writer) for table in tables],
        )
        .encode()
    )


def _charts(selection: Selection, tally: Tally, writer: Writer) -> list[Chart]:
    code = selection.currency_code
    by_campaign: list[Bar] = []
    for source, usage in list(tally.by_source().items())[:BARS_MAX]:
        more = usage.after.amount_micros - usage.before.amount_micros
        by_campaign.append(Bar(clean(name_of(source)), more, writer.amount(more, code)))
    by_day: list[Bar] = []
    for day in sorted(tally.days):
        before, after = tally.days[day]
        more = turnover(after) - turnover(before)
        by_day.append(Bar(day, more, writer.amount(more, code)))
    return [
        lying_bars(
            "campaigns", f"More discount by campaign, {code}", ("Campaign", code), by_campaign
        ),
        standing_bars("days", f"More turnover by day, {code}", ("Day", code), by_day),
    ]


def _shown(table: Table, writer: Writer) -> dict[str, object]:
    return {
        "title": clean(table.title),
        "columns": [(clean(each.title), each.kind is Kind.TEXT) for each in table.columns],
        "rows": [
            [
                shown_text(table, writer, column, cell)
                for column, cell in zip(table.columns, row, strict=True)
            ]
            for row in table.rows
        ],
    }


@lru_cache(maxsize=1)
def _template() -> Template:
    return html_templates(TEMPLATES).get_template("replay.html.jinja")
