"""Measure every target and print the table: target, measured, ratio, met or missed.

    python -m benchmarks.targets                        all of it, in about ten minutes
    python -m benchmarks.targets --quick                a look at every row, in less than a minute
    python -m benchmarks.targets --only engine doors    some groups of rows
    python -m benchmarks.targets --json FILE --plot FILE.svg --markdown docs/performance.md
    python -m benchmarks.targets --strict               exit with 1 when a row is not met

Each group of rows runs in a process of its own, one after the other. What is not installed, or
fails, is said in its row; the others are measured all the same.
"""

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import curves, machine
from benchmarks.rows import GROUPS, Group
from benchmarks.target import Measured, Target, number

ROOT: Final = Path(__file__).resolve().parents[1]
SECONDS_MAX: Final = 1800
QUICK_SECONDS_MAX: Final = 120
BEGIN: Final = "<!-- targets -->\n"
BEGIN_SHORT: Final = "<!-- targets in short -->\n"
END: Final = "<!-- end of targets -->\n"
"""Between them a document has the table, with all remarks or without."""


MET, MISSED, UNKNOWN = "met", "missed", "not measured"

_ERROR_CHARACTERS = 300


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table: a target and what was measured against it."""

    target: Target
    measured: Measured

    @property
    def verdict(self) -> str:
        """Whether the target is met."""
        if self.measured.value is None:
            return UNKNOWN
        return MET if self.target.is_met(self.measured.value) else MISSED

    @property
    def value(self) -> str:
        """What was measured, as people write it."""
        value = self.measured.value
        return "" if value is None else f"{number(value)} {self.target.unit}"

    @property
    def ratio(self) -> str:
        """How many times better than the target: 1 and more is met."""
        if self.measured.value is None:
            return ""
        ratio = self.target.ratio(self.measured.value)
        return "" if ratio == float("inf") else f"{ratio:.2f}"

    @property
    def remark(self) -> str:
        """What else there is to say; of a miss also what was measured that explains it."""
        if self.measured.value is None:
            return self.measured.absent
        explains = self.measured.limit if self.verdict == MISSED else ""
        return "; ".join(filter(None, (self.measured.note, explains)))


# --- measuring -------------------------------------------------------------------------------


def measure(groups: Iterable[Group], *, quick: bool) -> Iterator[Line]:
    """Measure group after group and yield every one of their rows."""
    for group in groups:
        found = _in_a_process(group, quick=quick)
        for target in group.rows:
            absent = Measured(key=target.key, absent="nothing was measured for this row")
            yield Line(target=target, measured=found.get(target.key, absent))


def _in_a_process(group: Group, *, quick: bool) -> dict[str, Measured]:
    """Return what a process of its own measured; for rows without a value, why."""
    command = [sys.executable, "-m", "benchmarks.targets", "--group", group.name]
    seconds = QUICK_SECONDS_MAX if quick else SECONDS_MAX
    try:
        done = subprocess.run(
            [*command, "--quick"] if quick else command,
            cwd=ROOT,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        output, status, errors = done.stdout, done.returncode, done.stderr
    except subprocess.TimeoutExpired as late:
        output, status, errors = late.stdout or b"", 1, f"not done in {seconds} s".encode()
    lines = [line for line in output.splitlines(keepends=True) if line.endswith(b"\n")]
    found = [msgspec.json.decode(line, type=Measured) for line in lines if line.startswith(b"{")]
    if status:
        text = errors.decode(errors="replace").strip().splitlines()
        why = (text[-1] if text else f"the process ended with {status}")[:_ERROR_CHARACTERS]
        known = {each.key for each in found}
        found += [Measured(key=row.key, absent=why) for row in group.rows if row.key not in known]
    return {each.key: each for each in found}


def measure_group(group: Group, *, quick: bool) -> None:
    """Measure a group in this process and write each row as soon as it is known."""
    module = importlib.import_module(group.module)
    if not hasattr(module, "measured"):
        raise NotImplementedError(f"{group.module} measures no row of the table")
    # Whatever the module prints itself goes to the errors, which nobody reads unless it fails.
    rows = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    for each in module.measured(quick=quick):
        rows.write(msgspec.json.encode(each) + b"\n")


# --- printing --------------------------------------------------------------------------------


def print_table(lines: Iterable[Line]) -> list[Line]:
    """Print the rows as they come, and return them."""
    print(f"{'what':<54}{'target':>20}{'measured':>18}{'ratio':>9}   verdict")
    printed = []
    for line in lines:
        printed.append(line)
        print(
            f"{line.target.what:<54}{line.target.promise:>20}{line.value:>18}{line.ratio:>9}   "
            f"{line.verdict:<14}{line.remark}",
            flush=True,
        )
    return printed


def markdown(
    lines: Sequence[Line], about: dict[str, str], command: str, *, is_short: bool = False
) -> str:
    """Return the table for a document, with the machine and the command above it."""
    described = "; ".join(f"{name}: {text}" for name, text in about.items() if text)
    rows = [f"`{command}`", "", f"{described}.", ""]
    columns = ["what", "target", "measured", "ratio", "", *([] if is_short else [""])]
    rows += [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for line in lines:
        cells = [line.target.what, line.target.promise, line.value, line.ratio, line.verdict]
        remarks = [] if is_short else [line.remark.replace("|", "/")]
        rows.append(f"| {' | '.join([*cells, *remarks])} |")
    return "\n".join(rows) + "\n"


def is_short(text: str) -> bool:
    """Return whether a document wants the table without remarks."""
    return BEGIN_SHORT in text


def replace_table(text: str, table: str) -> str:
    """Return a document with the table between its two marks replaced.

    Raises:
        ValueError: The document has no such marks.
    """
    mark = BEGIN_SHORT if is_short(text) else BEGIN
    before, begin, rest = text.partition(mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected a line {mark.strip()} and a line {END.strip()}, was none")
    return f"{before}{mark}{table}{END}{after}"


# --- the command -----------------------------------------------------------------------------


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    names = [group.name for group in GROUPS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.targets", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="a look at every row: not a claim")
    parser.add_argument("--strict", action="store_true", help="exit with 1 unless all is met")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="GROUP")
    parser.add_argument("--json", type=Path, help="file for all that was measured")
    parser.add_argument("--plot", type=Path, help="SVG file: cost against lines and campaigns")
    parser.add_argument(
        "--markdown", type=Path, nargs="+", default=[], help="documents whose table is replaced"
    )
    parser.add_argument("--group", choices=names, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Print the table and write what was asked for; with --strict return 1 on a row not met."""
    given = read_arguments(arguments)
    groups = {group.name: group for group in GROUPS}
    if given.group:
        measure_group(groups[given.group], quick=given.quick)
        return 0
    about = machine.describe()
    for name, text in about.items():
        print(f"{name}: {text}")
    print()
    lines = print_table(measure([groups[name] for name in given.only], quick=given.quick))
    plotted = curves.measure(quick=given.quick) if given.plot else []
    if given.plot:
        given.plot.write_text(curves.plot(plotted), "utf-8")
    if given.json:
        everything = {"machine": about, "rows": lines, "curves": plotted}
        given.json.write_bytes(msgspec.json.encode(everything, order="deterministic"))
    command = " ".join(["python -m benchmarks.targets", *(["--quick"] if given.quick else [])])
    for path in given.markdown:
        text = path.read_text("utf-8")
        table = markdown(lines, about, command, is_short=is_short(text))
        path.write_text(replace_table(text, table), "utf-8")
    return 1 if given.strict and any(line.verdict != MET for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
