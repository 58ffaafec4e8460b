"""Kill processes that write to a store: what was acknowledged is there, once and whole."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from server.storage import StoreSettings, open_store
from server.storage.failpoints import POINTS, VARIABLE
from tests.support.command_line import ROOT, SECONDS_MAX
from tests.support.store_child import (
    complete,
    make_account,
    numbers,
    settings_to_json,
)

SALES = 64


def child(
    settings: Path, first: int, *, failpoint: str = "", errors: int | None = None
) -> subprocess.Popen[str]:
    """Start a process that stores sales."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.store_child", settings, str(first), str(SALES)],
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd=ROOT,
        env={**os.environ, VARIABLE: failpoint, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )


def acknowledged(output: str) -> dict[str, int]:
    """Return the numbers of the sales whose lines are whole."""
    lines = output.splitlines(keepends=True)
    pairs = (line.split() for line in lines if line.endswith("\n"))
    return {sale_id: int(number) for sale_id, number in pairs}


async def check(settings: StoreSettings, acked: dict[str, int]) -> None:
    """Find every acknowledged sale under its number, no gap, and the same again for all ids."""
    async with open_store(settings) as store:
        stored = await store.read(numbers)
        assert acked.items() <= stored.items()
        assert list(range(1, len(stored) + 1)) == sorted(stored.values())
        every = {f"sale-{each}" for each in range(SALES)} | set(stored)
        for sale_id in sorted(every):
            number = await store.write(partial(complete, sale_id=sale_id))
            assert number == stored.get(sale_id, number)
        after = await store.read(numbers)
        assert list(range(1, len(every) + 1)) == sorted(after.values())


@pytest.mark.parametrize("point", POINTS)
async def test_store_when_killed_at_a_point_then_nothing_acknowledged_is_lost(
    store_settings: StoreSettings, tmp_path: Path, point: str
) -> None:
    async with open_store(store_settings) as store:
        await store.write(make_account)
    path = tmp_path / "settings.json"
    path.write_bytes(settings_to_json(store_settings))

    with child(path, 0, failpoint=f"{point}:2") as process:
        output, _ = process.communicate(timeout=SECONDS_MAX)

    assert -signal.SIGKILL == process.returncode
    acked = acknowledged(output)
    assert len(acked) < SALES
    await check(store_settings, acked)


async def test_store_when_killed_again_and_again_then_every_sale_once(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    async with open_store(store_settings) as store:
        await store.write(make_account)
    path = tmp_path / "settings.json"
    path.write_bytes(settings_to_json(store_settings))
    acked: dict[str, int] = {}
    for turn in range(4):
        with child(path, turn * SALES // 2) as process:
            assert process.stdout is not None
            # Killed in the middle of its work, at no point in particular.
            output = "".join(process.stdout.readline() for _ in range(8 + 5 * turn))
            process.kill()
            output += process.stdout.read()
        for sale_id, number in acknowledged(output).items():
            assert number == acked.setdefault(sale_id, number)

    await check(store_settings, acked)


def test_failpoint_when_named_wrong_then_the_process_does_not_start(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(settings_to_json(StoreSettings(directory=tmp_path / "data")))
    for setting in ("nowhere:1", "after_commit", "after_commit:0"):
        with child(path, 0, failpoint=setting, errors=subprocess.PIPE) as process:
            _, complaint = process.communicate(timeout=SECONDS_MAX)
        assert 1 == process.returncode
        assert setting in complaint


async def test_directory_when_another_process_has_it_then_refused_until_it_is_killed(
    tmp_path: Path,
) -> None:
    settings = StoreSettings(directory=tmp_path / "data")
    async with open_store(settings) as store:
        await store.write(make_account)
    path = tmp_path / "settings.json"
    path.write_bytes(settings_to_json(settings))
    with child(path, 0) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        with child(path, 0, errors=subprocess.PIPE) as second:
            _, complaint = second.communicate(timeout=SECONDS_MAX)
        process.kill()
        process.wait(SECONDS_MAX)

    assert 1 == second.returncode
    assert f"held by process {process.pid}" in complaint
    async with open_store(settings) as store:
        assert await store.read(numbers)
