"""Load real servers with the driver and with locust's users, for a moment each."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import workloads
from benchmarks.compare import grpcpp
from benchmarks.load import servers, shop
from benchmarks.load.__main__ import main
from benchmarks.load.driver import DriverAbsent, DriverFailed, Job, build_driver, drive
from benchmarks.load.servers import Running
from benchmarks.rows import ROWS
from engine.rpc.catalog_files import read_catalogs
from tests.support.command_line import ROOT
from tillcore.v1 import basket_service_pb2

STOPPED_SECONDS = 0.4
DUE = 40
BAD_REQUEST = basket_service_pb2.EvaluateBasketRequest(market_id="nowhere").SerializeToString()


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield a server that answers everything with two kilobytes."""
    reply = tmp_path_factory.mktemp("echo") / "reply"
    reply.write_bytes(b"\0" * 2000)
    with servers.process(
        (sys.executable, "-m", "benchmarks.compare.echo_server", str(reply)), core=None
    ) as running:
        yield running


@pytest.fixture(scope="module")
def core() -> Iterator[Running]:
    """Yield the stateless core with the standard shop."""
    with servers.core_server() as running:
        yield running


@pytest.fixture
def driver() -> None:
    """Skip where the driver cannot be built."""
    try:
        build_driver()
    except DriverAbsent as absent:
        pytest.skip(str(absent))


def job(at: Running, **more: object) -> Job:
    """Return a short job of unary calls."""
    given: dict[str, object] = {
        "address": at.target,
        "method": shop.EVALUATE_BASKET,
        "messages": shop.unary_requests(count=10),
        "connections": 2,
        "streams": 4,
        "seconds": 0.2,
        "warm_seconds": 0.0,
        "pids": (at.pid,),
    }
    return Job(**{**given, **more})  # type: ignore[arg-type]  # the names are those of Job


def test_catalog_when_written_and_read_then_is_the_standard_shop(tmp_path: Path) -> None:
    (context,) = read_catalogs([shop.write_catalog(tmp_path, 50)])

    standard = workloads.standard_context(50)
    assert (standard.products, standard.campaigns) == (context.products, context.campaigns)


@pytest.mark.usefixtures("driver")
def test_driver_when_baskets_are_sent_then_all_are_answered(core: Running) -> None:
    result = drive(job(core))

    assert {"0": result.calls} == result.statuses
    assert result.calls > 0
    assert 0 == result.failed


@pytest.mark.usefixtures("driver")
def test_driver_when_a_call_fails_then_its_status_is_counted(core: Running) -> None:
    requests = (*shop.unary_requests(count=3), BAD_REQUEST)

    result = drive(job(core, messages=requests, is_once=True, seconds=5.0))

    assert (3, 1, {"0": 3, "3": 1}) == (result.calls, result.failed, result.statuses)


@pytest.mark.usefixtures("driver")
def test_driver_when_a_call_sends_many_messages_then_it_is_one_call(core: Running) -> None:
    result = drive(
        job(
            core,
            method=shop.STREAM_BASKETS,
            messages=shop.stream_requests(60),
            per_call=20,
            is_once=True,
            seconds=5.0,
        )
    )

    assert (3, 0) == (result.calls, result.failed)


@pytest.mark.usefixtures("driver")
def test_driver_when_a_message_is_larger_than_a_window_then_it_arrives(core: Running) -> None:
    request = shop.batch_request(baskets=500)
    assert len(request) > 65_535

    result = drive(
        job(core, method=shop.EVALUATE_BASKETS, messages=(request, request), is_once=True)
    )

    assert (2, 0) == (result.calls, result.failed)


@pytest.mark.usefixtures("driver")
def test_driver_when_rate_is_fixed_then_every_due_call_is_counted(echo: Running) -> None:
    result = drive(job(echo, rate=200.0, seconds=0.5))

    assert (100, 0) == (result.calls, result.failed)


@pytest.mark.usefixtures("driver")
def test_driver_when_server_stalls_then_the_calls_due_meanwhile_waited(echo: Running) -> None:
    """No caller is left out because the one before it still waited."""
    os.kill(echo.pid, signal.SIGSTOP)
    going_on = threading.Timer(STOPPED_SECONDS + 0.3, lambda: os.kill(echo.pid, signal.SIGCONT))
    going_on.start()
    try:
        result = drive(job(echo, rate=DUE / STOPPED_SECONDS, seconds=STOPPED_SECONDS, streams=2))
    finally:
        going_on.join()

    waited_ns = STOPPED_SECONDS / 2 * 1e9
    assert (DUE, 0) == (result.calls, result.failed)
    assert result.latency_ns.p50 >= waited_ns


@pytest.mark.usefixtures("driver")
def test_driver_when_nobody_answers_then_says_so() -> None:
    nobody = Running(f"127.0.0.1:{servers.free_port()}", os.getpid())

    with pytest.raises(DriverFailed, match="cannot connect: Connection refused"):
        drive(job(nobody))


@pytest.mark.usefixtures("driver")
def test_driver_when_server_uses_processor_then_its_time_is_known(echo: Running) -> None:
    result = drive(job(echo))

    assert result.server_cpu_ns > 0
    assert result.driver_cpu_ns > 0


def test_grpcpp_echo_when_built_then_answers(tmp_path: Path) -> None:
    try:
        build_driver()
        command = grpcpp.command(tmp_path / "reply")
    except (DriverAbsent, grpcpp.GrpcppAbsent) as absent:
        pytest.skip(str(absent))
    (tmp_path / "reply").write_bytes(b"\0" * 100)

    with servers.process(command, core=None) as running:
        result = drive(job(running))

    assert result.calls > 0
    assert 105 * result.calls == result.answer_bytes


def test_users_when_they_work_then_nothing_fails_and_each_kind_calls(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Not imported, and in a process of its own: locust replaces what blocks in Python, for all
    # tests that this process runs afterwards too.
    if find_spec("locust") is None:
        pytest.skip("the group bench is not installed")
    status = main(["users", "--seconds", "8", "--users", "4"])

    printed = capsys.readouterr().out
    assert 0 == status, printed
    for kind in ("Evaluations", "TillSessions", "Checkouts", "RegisterTotals"):
        assert kind in printed


def test_targets_when_looked_at_quickly_then_every_row_is_printed(tmp_path: Path) -> None:
    file, image = tmp_path / "targets.json", tmp_path / "cost.svg"
    command = [sys.executable, "-m", "benchmarks.targets", "--quick"]

    done = subprocess.run(
        [*command, "--json", str(file), "--plot", str(image)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    rows = json.loads(file.read_text("utf-8"))["rows"]
    assert [row.key for row in ROWS] == [row["target"]["key"] for row in rows]
    for row in ROWS:
        assert row.what in done.stdout
    assert image.read_text("utf-8").startswith("<svg")
    missing = [each["measured"]["absent"] for each in rows if each["measured"]["value"] is None]
    # A library may not be installed here; whatever is not measured for another reason is broken.
    assert [] == [why for why in missing if "apt-get install" not in why]
