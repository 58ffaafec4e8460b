"""Close a register from several processes, and from one that is killed: there is one Z report."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from engine.journal.verification import Verified
from server.registers.closing import close_register
from server.storage import StoreSettings, open_store
from server.storage.failpoints import VARIABLE
from server.storage.journal_tables import journal_entry
from server.storage.register_tables import register_close
from tests.support.checkouts import OURS
from tests.support.close_child import request_of
from tests.support.command_line import ROOT, SECONDS_MAX
from tests.support.databases import Postgres
from tests.support.server import JOURNAL_KEY
from tests.support.store_child import settings_to_json
from tests.support.tills import LAMP, kinds, running_tills


@contextmanager
def child(settings: Path, close_id: str, *, failpoint: str = "") -> Iterator[subprocess.Popen[str]]:
    """Start a process that is about to close the register."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.close_child", settings, close_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, VARIABLE: failpoint, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    ) as process:
        yield process


def written(settings: StoreSettings, directory: Path) -> Path:
    """Return a file with the settings, for other processes."""
    path = directory / "settings.json"
    path.write_bytes(settings_to_json(settings))
    return path


async def prepare(settings: StoreSettings) -> None:
    """Open a register and sell one lamp."""
    async with open_store(settings) as store, running_tills(store) as tills:
        await tills.open()
        await tills.sell()


def raced(settings: Path, close_ids: list[str]) -> list[str]:
    """Return what processes say that close the register at the same moment."""
    with ExitStack() as stack:
        processes = [stack.enter_context(child(settings, each)) for each in close_ids]
        for process in processes:
            assert process.stdout is not None
            assert "ready\n" == process.stdout.readline()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return sorted(process.communicate(timeout=SECONDS_MAX)[0] for process in processes)


@pytest.mark.parametrize(
    ("close_ids", "expected"),
    [
        (["a", "b", "c"], ["closed 1\n", *["refused FAILED_PRECONDITION\n"] * 2]),
        (["a", "a", "a"], ["closed 1\n", *["replayed 1\n"] * 2]),
    ],
    ids=["others", "twins"],
)
async def test_close_when_processes_do_it_at_once_then_one_statement(
    postgres: Postgres, tmp_path: Path, close_ids: list[str], expected: list[str]
) -> None:
    settings = StoreSettings(
        directory=tmp_path, url=postgres.emptied().render_as_string(), connection_count=2
    )
    path = written(settings, tmp_path)
    await prepare(settings)

    assert expected == raced(path, close_ids)
    async with open_store(settings) as store, running_tills(store, is_new=False) as tills:
        await tills.recomputations.idle()
        (row,) = await tills.rows(register_close)
        verified = await tills.verified()
    assert (1, LAMP // 10_000, None) == (
        row["sequence_number"],
        row["total_minor"],
        row["difference"],
    )
    assert isinstance(verified, Verified), verified


@pytest.mark.parametrize("point", ["after_begin", "before_commit", "after_commit", "before_reply"])
async def test_close_when_killed_and_sent_again_then_once_and_checked(
    store_settings: StoreSettings, tmp_path: Path, point: str
) -> None:
    path = written(store_settings, tmp_path)
    await prepare(store_settings)

    with child(path, "c1", failpoint=f"{point}:1") as process:
        process.communicate("\n", timeout=SECONDS_MAX)

    assert -signal.SIGKILL == process.returncode
    is_stored = point in ("after_commit", "before_reply")
    async with open_store(store_settings) as store, running_tills(store, is_new=False) as tills:
        await tills.recomputations.idle()
        assert is_stored == bool(await tills.rows(register_close))
        closed = await store.write(
            lambda connection: close_register(
                connection, account_id=OURS, request=request_of("c1"), key=JOURNAL_KEY
            )
        )
        (row,) = await tills.rows(register_close)
        verified = await tills.verified()
        found = await kinds(tills)
        entries = await tills.rows(journal_entry)

    assert (is_stored, 1) == (closed.replayed, closed.statement.sequence_number)
    # What the killed process left unchecked is checked when the next one starts.
    assert is_stored == (row["recomputed_ns"] is not None)
    assert ["register_opened", "sale", "register_closed", "export_taken"] == found
    assert [1, 2, 3, 4] == [each["number"] for each in entries]
    assert isinstance(verified, Verified), verified
