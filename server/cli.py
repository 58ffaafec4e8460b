"""Read the command line: `tillcore evaluate`, `tillcore serve`, `tillcore engine`.

Each command imports what it needs when it runs, so that `--help` answers at once and `evaluate`
loads no transport.
"""

import os
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, CycloptsError, Parameter

STATUS_USAGE: Final = 2
"""Nothing was evaluated: a wrong argument, an unreadable file, a bad context."""

STATUS_BROKEN_PIPE: Final = 141
"""The reader of the output went away; a shell shows the same of a program that SIGPIPE ends."""

_STREAMS: Final = {None: "standard input or output", 0: "standard input", 1: "standard output"}
"""What an error of the system without the name of a file is about."""

app = App(
    name="tillcore",
    help="Evaluate point-of-sale baskets, exactly: prices, discounts, taxes and payment.",
    version=lambda: version("tillcore"),
    # Plain text needs no markdown parser, which would double the time of --help.
    help_format="plaintext",
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
)
app.command(
    "engine.__main__:serve",
    name="engine",
    help="Serve the stateless core over gRPC: baskets and totals, health and reflection.",
    help_format="markdown",
)
app.command(
    "server.app:serve",
    name="serve",
    help="Serve everything in one process, with its database.",
    help_format="markdown",
)
app.command("server.operations:migrate", help="Bring a database to the tables of this version.")
app.command("server.operations:backup", help="Copy the embedded database into a file.")
app.command(
    "server.recompute:run",
    name="recompute",
    help="Add up stored sales again, and compare them with the stored totals.",
)
app.command(
    "server.replay.command:run",
    name="replay",
    help="Evaluate stored baskets again under other campaigns: what would they have cost?",
    help_format="markdown",
)
app.command("server.operations:account", help="Make accounts.")
app.command("server.operations:apikey", help="Make keys.")
app.command("server.export_commands:exports", help="Seal the secrets of exports anew.")
app.command(
    "server.integrations.fakes:serve",
    name="fakes",
    help="Serve made-up integrations to try tills with.",
)
app.command("server.export_commands:handlebars", help="Install handlebars.js for transforms.")


@app.command(help_format="markdown")
def evaluate(
    context: Path,
    basket: Annotated[str, Parameter(allow_leading_hyphen=True, show_default=False)] = "-",
    /,
    *,
    ndjson: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    reference: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Evaluate baskets without a server and print sale.summary as JSON.

    The exit status is 0 when the basket was evaluated, 1 when it was refused (the output is then
    {"error": {"code", "fields", "message"}}) and 2 when nothing was evaluated (wrong arguments, an
    unreadable file or a bad context). With --ndjson a refused basket has its error on its line and
    the status is still 0.

    Args:
        context: File with the market, its products and its campaigns, as JSON.
        basket: File with the basket, as JSON; - or nothing is standard input.
        ndjson: Read one basket a line and write one result a line, in order. Blank lines are left
            out.
        reference: Evaluate with the readable evaluator in plain rationals instead of the compiled
            one. The results are equal.
    """
    from server import evaluation

    if basket.startswith("-") and basket != "-":
        return _fail(f"expected a file or - as the basket, was the unknown option {basket}")
    return evaluation.run(
        context,
        None if basket == "-" else Path(basket),
        is_ndjson=ndjson,
        is_reference=reference,
        clock=time.time_ns,
    )


@app.command(help_format="markdown")
def verify(
    journal: Path,
    /,
    *,
    key: Annotated[list[Path], Parameter(negative="")],
    expect_head: str | None = None,
    processes: int | None = None,
) -> int:
    """Verify the export of a journal offline: chain, signatures, numbers, sums of Z reports.

    The exit status is 0 when the journal is sound, 1 when it is broken (the first bad entry is
    named) and 2 when there is nothing to verify (wrong arguments, an unreadable file or key).

    Args:
        journal: File with the export.
        key: File with a public key that is trusted, as PEM; more than one may be given. Later keys
            that the journal hands over to need not be given.
        expect_head: Hash of the last entry, as a Z report shows it. Without it nobody can see that
            entries are missing at the end.
        processes: How many processes check signatures beside the one that reads; one less than
            there are cores for large files unless told otherwise.
    """
    from server import verify as verification

    if processes is not None and processes < 0:
        return _fail(f"expected 0 or more processes, was {processes}")
    return verification.run(
        journal, key_paths=key, expected_head=expect_head, process_count=processes
    )


@app.command(help_format="markdown")
def aggregate(
    sales: Annotated[str, Parameter(allow_leading_hyphen=True, show_default=False)] = "-",
    /,
    *,
    reference: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Total recorded sales without a server and print their register_summary as JSON.

    The exit status is 0 when the sales were totalled, 1 when one was refused (the output is then
    {"error": {"code", "fields", "message"}}) and 2 for wrong arguments or an unreadable file.

    Args:
        sales: File with one recorded sale a line, as JSON; - or nothing is standard input. Blank
            lines are left out.
        reference: Read all sales first and sum every number anew, without running totals. The
            results are equal.
    """
    from server import aggregation

    if sales.startswith("-") and sales != "-":
        return _fail(f"expected a file or - as the sales, was the unknown option {sales}")
    return aggregation.run(None if sales == "-" else Path(sales), is_reference=reference)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status.

    Args:
        arguments: The words after the program's name; those of this process when absent.
    """
    try:
        status = app(arguments)
        sys.stdout.flush()
    except CycloptsError as error:
        return _fail(str(error))
    except BrokenPipeError:
        _abandon_output()
        return STATUS_BROKEN_PIPE
    except OSError as error:
        _abandon_output()
        where = _STREAMS.get(error.filename, error.filename)
        return _fail(f"{where}: {error.strerror or error}")
    return status if isinstance(status, int) else 0


def _fail(message: str) -> int:
    """Say on standard error why nothing was evaluated and return the status."""
    sys.stderr.write(f"error: {message}\n")
    return STATUS_USAGE


def _abandon_output() -> None:
    """Let the interpreter flush its output into nothing when it ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
