"""Pages that import a file of products or campaigns: first what it would change, then it."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from starlette.responses import Response

from engine.errors import FieldProblem, InvalidInput, NotFound
from server.catalog.imports import Fate, Mode, Outcome
from server.catalog.kinds import CAMPAIGN, PRODUCT, Kind
from server.http.back_office import documents, table_files
from server.http.back_office.office import Desk
from server.http.back_office.table_files import Row
from server.http.back_office.things import named

SHOWN_MAX: Final = 200
"""How many rows a page shows of each fate; all are counted."""


class FileImport(NamedTuple):
    """What is imported from files.

    Attributes:
        path: Of the pages that list it.
        kind: What it is.
        read: Takes a file apart.
        mode: How it is merged with what is stored: a table has no room for all of a product.
        columns: The columns of a table; those that are needed come first.
        required: Those that are needed.
    """

    path: str
    kind: Kind
    read: Callable[[str], list[Row]]
    mode: Mode
    columns: tuple[str, ...]
    required: tuple[str, ...]


IMPORTS: Final = (
    FileImport(
        "products",
        PRODUCT,
        table_files.product_rows,
        Mode.PARTIAL,
        tuple(table_files.PRODUCT_COLUMNS),
        table_files.PRODUCT_REQUIRED,
    ),
    FileImport(
        "campaigns",
        CAMPAIGN,
        table_files.campaign_rows,
        Mode.REPLACE,
        tuple(table_files.CAMPAIGN_COLUMNS),
        table_files.CAMPAIGN_REQUIRED,
    ),
)


class Shown(NamedTuple):
    """What becomes of a row."""

    number: int
    id: str
    fate: str
    problems: tuple[FieldProblem, ...]


def import_of(path: str) -> FileImport:
    """Return what is imported on the pages of a path.

    Raises:
        NotFound: Nothing is.
    """
    for each in IMPORTS:
        if each.path == path:
            return each
    raise NotFound("expected a page, was none")


async def show_import(desk: Desk, file_import: FileImport) -> Response:
    """Show the form that takes a file."""
    desk.require(documents.method_of(file_import.kind))
    return await _page(desk, file_import)


async def do_import(desk: Desk, file_import: FileImport) -> Response:
    """Show what a file would change; store it when somebody has seen that."""
    desk.require(documents.method_of(file_import.kind))
    text = desk.form.get("file") or desk.form.get("text", "")
    market_id = desk.form.text("market")
    is_confirmed = desk.form.text("confirmed") == "1"
    try:
        rows = file_import.read(text)
        good = [row for row in rows if row.document is not None]
        outcomes = await documents.store(
            desk,
            file_import.kind,
            [row.document for row in good],
            market_id=market_id,
            mode=file_import.mode,
            is_rehearsal=not is_confirmed,
        )
    except InvalidInput as error:
        return await _page(desk, file_import, text=text, problems=error.problems)
    shown = _shown(rows, good, outcomes)
    counts = {fate.value: sum(each.fate == fate.value for each in shown) for fate in Fate}
    return await _page(
        desk,
        file_import,
        text=text,
        market_id=market_id,
        counts=counts,
        refused=[each for each in shown if each.fate == Fate.REFUSED.value][:SHOWN_MAX],
        changed=[each for each in shown if each.fate in (Fate.CREATED.value, Fate.UPDATED.value)][
            :SHOWN_MAX
        ],
        is_done=is_confirmed,
    )


def _shown(rows: list[Row], good: list[Row], outcomes: list[Outcome]) -> list[Shown]:
    by_number = {
        row.number: Shown(row.number, outcome.id, outcome.fate.value, outcome.problems)
        for row, outcome in zip(good, outcomes, strict=True)
    }
    return [
        by_number.get(row.number) or Shown(row.number, "", Fate.REFUSED.value, row.problems)
        for row in rows
    ]


async def _page(
    desk: Desk,
    file_import: FileImport,
    *,
    text: str = "",
    problems: tuple[FieldProblem, ...] = (),
    **values: Any,
) -> Response:
    markets = await named(desk, "market")
    defaults: dict[str, Any] = {
        "market_id": desk.query("market"),
        "counts": None,
        "refused": (),
        "changed": (),
        "is_done": False,
    }
    return desk.page(
        "import_file.html.jinja",
        status=400 if problems else 200,
        file_import=file_import,
        markets=markets,
        text=text,
        shown_max=SHOWN_MAX,
        problems=[{"id": "f-file", "label": p.field, "message": p.message} for p in problems],
        **(defaults | values),
    )
