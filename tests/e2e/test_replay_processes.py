"""Replay on more than one process: the same numbers, also when one of them is killed."""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import pytest

from engine import limits
from engine.campaigns import read_campaign
from engine.errors import StoreUnavailable, WrongState
from engine.model import Campaign, Conditions
from engine.strict_json import decode
from server.cli import main
from server.replay import dask_cluster
from server.replay.change import Change
from server.replay.comparison import compare
from server.replay.dask_cluster import DaskCluster, DaskMissing
from server.replay.machines import Answers, Processes, Run, run_here
from server.replay.selection import select_checkouts, snapshot
from server.replay.tally import Tally
from server.replay.work import Setup, Task
from server.storage import StoreSettings
from tests.support.command_line import tillcore
from tests.support.dask_processes import SECONDS_MAX, running_cluster, wait_for_workers
from tests.support.replay_shop import NOON_NS, PERIOD, line, running_shop

BASKETS: Final = 48
CHUNK_BASKETS: Final = 2
PRODUCTS: Final = ("coffee", "bun", "wine")
CAMPAIGNS: Final = {
    "campaigns": [
        {
            "id": "coffee-20",
            "type": "percentage_discount-single_product",
            "name": "coffee",
            "display_name": "Coffee",
            "priority": 60,
            "product_id": "coffee",
            "percentage": 0.2,
        }
    ]
}
PERIOD_OPTIONS: Final = ("--from", PERIOD.first_day, "--to", PERIOD.last_day)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a store in which much was sold."""

    async def sell(directory: Path) -> Path:
        async with running_shop(directory) as shop:
            for number in range(BASKETS):
                lines = (line(id_, 1 + (number + at) % 4) for at, id_ in enumerate(PRODUCTS))
                await shop.sell(*lines, at_ns=NOON_NS + number * 3600 * 10**9)
            return shop.settings.directory

    return asyncio.run(sell(tmp_path_factory.mktemp("shop")))


@pytest.fixture(scope="module")
def campaigns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a campaign."""
    path = tmp_path_factory.mktemp("files") / "campaigns.json"
    path.write_bytes(msgspec.json.encode(CAMPAIGNS))
    return path


def campaign() -> Campaign:
    """Return the campaign of the file."""
    (document,) = CAMPAIGNS["campaigns"]
    return read_campaign(decode(msgspec.json.encode(document)))


def replayed(data: Path, run: Run, *added: Campaign) -> Tally:
    """Return what was sold, and what it would be with some campaigns."""
    change = Change(campaigns=added or (campaign(),))
    with snapshot(StoreSettings(directory=data)) as connection:
        selection = select_checkouts(connection, PERIOD)
        return compare(connection, selection, change, run, chunk_baskets=CHUNK_BASKETS)


def test_replay_when_a_worker_is_killed_then_the_result_is_that_of_one_process(
    data: Path, tmp_path: Path
) -> None:
    expected = replayed(data, run_here)
    with running_cluster(tmp_path, worker_count=2) as cluster:
        wait_for_workers(cluster, 2)
        victim = cluster.workers[0]
        on_cluster = DaskCluster(cluster.address, worker_count=2)

        def run(setup: Setup, tasks: Iterable[Task]) -> Answers:
            answers = on_cluster(setup, tasks)
            yield next(answers)
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait(SECONDS_MAX)
            yield from answers

        actual = replayed(data, run)

        assert -signal.SIGKILL == victim.returncode
        assert cluster.workers[1].poll() is None
    assert BASKETS == expected.replayed_count
    assert expected == actual


def test_replay_when_a_chunk_cannot_be_compared_then_its_trouble_is_told(data: Path) -> None:
    named = tuple(f"type-{number}" for number in range(limits.PURCHASE_TYPES_MAX + 1))
    bad = msgspec.structs.replace(campaign(), conditions=Conditions(purchase_types=named))

    with pytest.raises(WrongState, match="purchase types in the conditions"):
        replayed(data, Processes(1), bad)


def test_replay_when_a_process_is_lost_then_it_ends_with_an_error(data: Path) -> None:
    def run(setup: Setup, tasks: Iterable[Task]) -> Answers:
        answers = Processes(1)(setup, tasks)
        yield next(answers)
        for child in multiprocessing.active_children():
            child.kill()
        yield from answers

    with pytest.raises(StoreUnavailable, match="one that ended before"):
        replayed(data, run)


def test_command_when_many_processes_work_then_it_prints_what_one_prints(
    data: Path, campaigns: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("replay", "--data", str(data), *PERIOD_OPTIONS, "--campaigns", str(campaigns))
    columns = ("--columns", str(tmp_path / "columns"))
    printed: list[str] = []
    for name, options in (("alone", columns), ("together", ("--workers", "2")), ("again", columns)):
        path = tmp_path / f"{name}.csv"

        assert 0 == main([*common, *options, "--output", str(path)])

        printed.append(capsys.readouterr().out + path.read_text(encoding="utf-8"))
    assert [printed[0]] * 3 == printed


def test_command_when_html_is_asked_for_then_a_page_with_charts(
    data: Path, campaigns: Path, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"

    result = tillcore(
        "replay", "--data", data, *PERIOD_OPTIONS, "--campaigns", campaigns, "--html", path
    )

    assert (0, b"") == (result.returncode, result.stderr)
    assert 2 == path.read_text(encoding="utf-8").count("<svg ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--output", "result.txt"), "--output: expected a file that ends with .csv or .json"),
        (("--workers", "0"), "--workers: expected 1 to 1024 processes, was 0"),
        (("--without", "nope"), '--without: expected a campaign of the period, was "nope"'),
        (("--account", "theirs"), 'expected the id of an account, was "theirs"'),
        (("--dask", "tcp://127.0.0.1:1"), "expected a Dask scheduler at tcp://127.0.0.1:1"),
        (("--campaigns", "absent.json"), "absent.json"),
    ],
)
def test_command_when_an_option_is_wrong_then_status_2_and_why(
    data: Path,
    options: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)

    status = main(["replay", "--data", str(data), *PERIOD_OPTIONS, *options])

    assert 2 == status
    assert message in capsys.readouterr().err


def test_command_when_there_is_no_database_then_status_2(tmp_path: Path) -> None:
    status = main(["replay", "--data", str(tmp_path), *PERIOD_OPTIONS])

    assert (2, []) == (status, list(tmp_path.iterdir()))


def test_command_when_dask_is_absent_then_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(DaskMissing, match=r"tillcore\[replay\]"):
        DaskCluster("local", worker_count=1)
