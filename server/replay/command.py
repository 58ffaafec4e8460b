"""Compare stored baskets with what they would be, from the command line."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from engine.errors import Reason, TillcoreError, invalid
from server.app import load_settings, store_settings
from server.config import Settings
from server.progress import counting
from server.replay.change import Change, read_change
from server.replay.comparison import compare
from server.replay.dask_cluster import LOCAL, DaskCluster, DaskMissing
from server.replay.kept_columns import KeptColumns
from server.replay.machines import Processes, Run, run_here
from server.replay.page import page
from server.replay.selection import Asked, Selection, select_checkouts, snapshot
from server.replay.tables import campaign_table, day_table, facts_of, notes_of, sums_table
from server.replay.tally import Tally
from server.replay.terminal import show
from server.tables.formats import STREAMS, TableFormat

STATUS_DONE: Final = 0
STATUS_FAILED: Final = 2

WORKERS_MAX: Final = 1_024

FORMATS: Final = {".csv": TableFormat.CSV, ".json": TableFormat.JSON}

_Names = Annotated[tuple[str, ...], Parameter(consume_multiple=False, negative="")]
_File = Annotated[Path | None, Parameter(show_default=False)]


class _Outputs(msgspec.Struct, frozen=True):
    """Where the result goes beside the terminal."""

    table: Path | None
    page: Path | None


def run(
    *,
    first_day: Annotated[str, Parameter(name="--from")],
    last_day: Annotated[str, Parameter(name="--to")],
    account: str = "",
    market: str = "",
    shop: _Names = (),
    register: _Names = (),
    campaigns: _File = None,
    without: _Names = (),
    catalog: _File = None,
    workers: int = 1,
    dask: Annotated[str | None, Parameter(show_default=False)] = None,
    columns: _File = None,
    output: _File = None,
    html: _File = None,
    config: _File = None,
    data: _File = None,
) -> int:
    """Evaluate the stored baskets of a period again under other campaigns, and compare the sums.

    Every basket is first worked back and evaluated under the catalogue that it met. It is replayed
    if that gives what is stored, to the last byte; all others are counted by reason, and are in
    both sums as they are stored. Nothing is written to the database, and a server may run on it.

    The exit status is 0 when the baskets were compared and 2 when they were not.

    Args:
        first_day: First day, YYYY-MM-DD, in the time zone of the market.
        last_day: Last day.
        account: Id of the account; not needed where the store has one only.
        market: Id of the market; not needed where the account has one only.
        shop: Only the shop of this id; may be given several times.
        register: Only the register of this id; may be given several times.
        campaigns: File with campaigns as imports take them; they are added, or replace those of
            the same ids.
        without: Id of a campaign that is left out; may be given several times.
        catalog: File with a context as `tillcore evaluate` takes it; its products and campaigns
            replace those of the same ids.
        workers: Processes of this machine that evaluate.
        dask: Address of a Dask scheduler that evaluates, such as tcp://host:8786; local makes one
            on this machine with as many processes as --workers says.
        columns: Directory that keeps the baskets as columns: the next replay of the same baskets
            begins with them.
        output: File for the discounts by day and campaign: .csv or .json.
        html: File for a page with charts.
        config: File with the settings, as TOML.
        data: Directory of the embedded database.
    """
    asked = Asked(
        first_day=first_day,
        last_day=last_day,
        account=account,
        market=market,
        shops=shop,
        registers=register,
    )
    try:
        _check(output, workers)
        change = read_change(campaigns=campaigns, without=without, catalog=catalog)
        settings = load_settings(config, data=data)
        kept = None if columns is None else KeptColumns(columns)
        selection, tally = _compared(settings, asked, change, _runner(workers, dask), kept)
        _write(asked, selection, tally, _Outputs(output, html))
    except (TillcoreError, DaskMissing, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return STATUS_FAILED
    return STATUS_DONE


def _check(output: Path | None, workers: int) -> None:
    """Refuse at once what would fail at the end.

    Raises:
        InvalidInput: The name of the file says no format, or there are too few or many workers.
    """
    if output is not None and output.suffix not in FORMATS:
        expected = f"expected a file that ends with {' or '.join(FORMATS)}"
        raise invalid("--output", Reason.UNKNOWN_VALUE, f"{expected}, was {output.name!r}")
    if not 1 <= workers <= WORKERS_MAX:
        message = f"expected 1 to {WORKERS_MAX} processes, was {workers}"
        raise invalid("--workers", Reason.OUT_OF_BOUNDS, message)


def _runner(workers: int, dask: str | None) -> Run:
    """Return what does the work on chunks."""
    if dask is not None:
        return DaskCluster(dask or LOCAL, worker_count=workers)
    return run_here if workers == 1 else Processes(workers)


def _compared(
    settings: Settings, asked: Asked, change: Change, runner: Run, kept: KeptColumns | None
) -> tuple[Selection, Tally]:
    """Compare on one snapshot of the store, with a bar on a terminal."""
    with snapshot(store_settings(settings)) as connection:
        selection = select_checkouts(connection, asked)
        is_watched = sys.stderr.isatty()
        with counting(selection.count, noun="baskets") if is_watched else nullcontext() as bar:
            return selection, compare(
                connection,
                selection,
                change,
                runner,
                kept=kept,
                on_baskets=(lambda _: None) if bar is None else bar.count,
            )


def _write(asked: Asked, selection: Selection, tally: Tally, outputs: _Outputs) -> None:
    """Write the result: files first, so that the last thing seen is the summary."""
    facts = tuple(facts_of(selection, tally, first_day=asked.first_day, last_day=asked.last_day))
    notes = notes_of(tally)
    sums, campaigns = sums_table(selection, tally, facts), campaign_table(selection, tally)
    if outputs.table is not None:
        days = day_table(selection, tally, facts)
        with outputs.table.open("wb") as file:
            file.writelines(STREAMS[FORMATS[outputs.table.suffix]](days))
    if outputs.page is not None:
        made = page(selection, tally, facts=facts, notes=notes, tables=(sums, campaigns))
        outputs.page.write_bytes(made)
    show(facts, notes, sums, campaigns)
