"""Verify the export of a journal from the command line, offline."""

import multiprocessing
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from engine.journal.export import LINE_BYTES_MAX
from engine.journal.keys import BadKeyError, PublicKey, load_public_key
from engine.journal.verification import Breach, UnreadableJournalError, Verified, verify
from engine.model.journal import HASH_BYTES
from engine.strict_json import shown_text

STATUS_SOUND: Final = 0
STATUS_BROKEN: Final = 1
STATUS_UNREADABLE: Final = 2

_KEY_BYTES_MAX: Final = 64 * 1024
_SHOWN_EVERY_LINES: Final = 4096
_PROCESSES_FROM_BYTES: Final = 8 * 1024 * 1024
"""A smaller export is verified sooner than other processes start."""


def run(
    path: Path, *, key_paths: Sequence[Path], expected_head: str | None, process_count: int | None
) -> int:
    """Verify an export, say on standard output what was found, return the exit status.

    Args:
        path: The export of a journal.
        key_paths: Public keys that are trusted, PEM or DER.
        expected_head: The hash of the last entry, 64 hexadecimal digits, or None.
        process_count: How many processes check signatures beside the reading one; None for one
            less than there are cores, 0 for none.

    Raises:
        OSError: A file cannot be read.
    """
    try:
        keys = [_key(each) for each in key_paths]
        head = None if expected_head is None else _head(expected_head)
        with path.open("rb") as source, _executor(source, process_count) as executor:
            result = verify(_lines(source), keys=keys, expected_head=head, executor=executor)
    except (BadKeyError, UnreadableJournalError) as error:
        sys.stderr.write(f"error: {error}\n")
        return STATUS_UNREADABLE
    sys.stdout.write(_report(path, result, is_end_known=head is not None))
    return STATUS_BROKEN if isinstance(result, Breach) else STATUS_SOUND


def _key(path: Path) -> PublicKey:
    """Return the public key of a file, naming the file where it holds none."""
    with path.open("rb") as source:
        data = source.read(_KEY_BYTES_MAX)
    try:
        return load_public_key(data)
    except BadKeyError as error:
        raise BadKeyError(f"{path}: {error}") from None


def _head(text: str) -> bytes:
    try:
        head = bytes.fromhex(text)
    except ValueError:
        head = b""
    if len(head) != HASH_BYTES:
        expected = f"expected {2 * HASH_BYTES} hexadecimal digits as the head"
        raise UnreadableJournalError(f"{expected}, was {text}")
    return head


def _executor(
    source: BinaryIO, process_count: int | None
) -> AbstractContextManager[Executor | None]:
    """Return the processes that check signatures, or nothing where they would not pay."""
    if process_count is None:
        size = _size(source) or 0
        process_count = (os.cpu_count() or 1) - 1 if size >= _PROCESSES_FROM_BYTES else 0
    if process_count == 0:
        return nullcontext(None)
    # A forked child would share the progress bar's thread; a spawned one begins clean.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(process_count, mp_context=context)


def _size(source: BinaryIO) -> int | None:
    """Return the bytes of a regular file, None of anything else."""
    status = os.fstat(source.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Yield the lines with their ends, in bounded memory, and show how far they are."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    ) as progress:
        task = progress.add_task("verifying", total=_size(source))
        for number, line in enumerate(iter(lambda: source.readline(LINE_BYTES_MAX), b"")):
            if number % _SHOWN_EVERY_LINES == 0:
                _show(progress, task, number, source)
            yield line


def _show(progress: Progress, task: TaskID, number: int, source: BinaryIO) -> None:
    if not progress.disable:
        progress.update(task, completed=source.tell(), description=f"{number:,} entries")


def _report(path: Path, result: Verified | Breach, *, is_end_known: bool) -> str:
    """Return what was found, for people."""
    if isinstance(result, Breach):
        where = "" if result.number is None else f", entry {result.number}"
        return f"{path}: broken at line {result.line}{where}: {result.message}\n"
    last = result.head.number
    span = f"{result.first_number} to {last}" if result.entry_count else "none"
    text = (
        f"{path}: sound\n"
        f"account  {shown_text(result.account, quote=False)}\n"
        f"entries  {result.entry_count} ({span})\n"
        f"head     {result.head.hash.hex()}\n"
    )
    if not is_end_known:
        text += "Entries missing at the end show only with --expect-head.\n"
    return text
