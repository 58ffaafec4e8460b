"""Start the servers that are measured, each in a process of its own, with the standard shop."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import msgspec
from google.protobuf.message import Message

from benchmarks import workloads
from benchmarks.load import shop
from benchmarks.load.driver import pinned
from tillcore.v1 import (
    admin_cashier_pb2,
    admin_payment_type_pb2,
    admin_register_pb2,
    admin_shop_pb2,
    register_service_pb2,
)
from tillcore.v1.admin_service_pb2_grpc import AdminServiceStub
from tillcore.v1.register_service_pb2_grpc import RegisterServiceStub

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "load"
CASHIER = "usc"
CARD = "card.external"
CASH = "cash"
REGISTERS = 4

DEFAULT_TARGET = "127.0.0.1:50051"
START_SECONDS_MAX = 120.0
_STOP_SECONDS_MAX = 20.0
_POLL_SECONDS = 0.02


class Running(NamedTuple):
    """A running server.

    Attributes:
        target: Where it answers.
        pid: Its process.
        key: What opens it, empty where nobody needs one.
        registers: The ids of its open registers.
        listening: The event by which its log announced the address.
    """

    target: str
    pid: int
    key: str = ""
    registers: tuple[str, ...] = ()
    listening: dict[str, object] = {}  # noqa: RUF012  # a NamedTuple's default, which nobody writes


class ServerFailed(Exception):
    """A server ended, or did not answer in time."""


def server_core() -> int | None:
    """Return the processor for servers, None where there is one alone."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0] if len(cores) > 1 else None


def driver_core() -> int | None:
    """Return the processor for the driver, None where there is one alone."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[1] if len(cores) > 1 else None


def free_port() -> int:
    """Return a free port of the loopback, for a server that cannot tell which one it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(
    command: Sequence[str], *, core: int | None, environment: dict[str, str] | None = None
) -> Generator[Running, None, None]:
    """Yield a process as soon as its log has an event `listening` with a port; end it afterwards.

    Raises:
        ServerFailed: It ended before, or never said so.
    """
    with tempfile.TemporaryFile() as log:
        started = subprocess.Popen(
            [*_tied(), *pinned(core), *command],
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        try:
            event = _listening(started, log.fileno())
            yield Running(f"127.0.0.1:{event['port']}", started.pid, listening=event)
        finally:
            started.terminate()
            try:
                started.wait(_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def _tied() -> Sequence[str]:
    """Return what to put before a command so that it ends with this process, however that ends."""
    setpriv = shutil.which("setpriv")
    return () if setpriv is None else (setpriv, "--pdeathsig", "TERM")


def _listening(started: subprocess.Popen[bytes], log: int) -> dict[str, object]:
    end = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < end:
        text = os.pread(log, 1 << 20, 0)
        for line in text.splitlines(keepends=True):
            # A line that is still being written has no end yet.
            if line.startswith(b"{") and line.endswith(b"\n"):
                event: dict[str, object] = msgspec.json.decode(line)
                if event.get("event") == "listening":
                    return event
        if started.poll() is not None:
            said = text.decode(errors="replace").strip().splitlines()
            raise ServerFailed(f"the server ended: {said[-1] if said else started.returncode}")
        time.sleep(_POLL_SECONDS)
    raise ServerFailed(f"expected a server within {START_SECONDS_MAX:.0f} s, was none")


@contextmanager
def core_server(
    *, campaigns: int = shop.CAMPAIGNS, core: int | None = None
) -> Generator[Running, None, None]:
    """Yield `tillcore engine` with the standard shop: the stateless core, without keys."""
    with tempfile.TemporaryDirectory(prefix="tillcore-load-") as folder:
        catalog = shop.write_catalog(Path(folder) / "catalog", campaigns)
        command = (sys.executable, "-m", "engine", "--listen", "127.0.0.1:0")
        with process((*command, "--catalog", str(catalog)), core=core) as running:
            yield running


@contextmanager
def whole_server(
    *,
    registers: int = REGISTERS,
    core: int | None = None,
    listen: str = "127.0.0.1:0",
    database: str = "",
    settings: dict[str, str] | None = None,
) -> Generator[Running, None, None]:
    """Yield `tillcore serve` with the standard shop, a key, and open registers.

    Args:
        registers: How many registers, all of one shop.
        core: The processor that it runs on, None for any.
        listen: An address of the loopback; port 0 takes a free one.
        database: An empty PostgreSQL database; the embedded one without it.
        settings: Further settings, as variables of the environment.
    """
    with tempfile.TemporaryDirectory(prefix="tillcore-load-") as folder:
        catalog = shop.write_catalog(Path(folder) / "catalog")
        environment = {
            "TILLCORE_DATA__DIRECTORY": str(Path(folder) / "data"),
            "TILLCORE_DATABASE__URL": database,
            "TILLCORE_CATALOG__ACCOUNT": ACCOUNT,
            "TILLCORE_SERVER__HTTP": "",
            "TILLCORE_SERVER__FRONT": "",
            **(settings or {}),
        }
        key = _new_key(environment)
        command = (sys.executable, "-m", "server", "serve", "--listen", listen)
        with process(
            (*command, "--catalog", str(catalog)), core=core, environment=environment
        ) as running:
            opened = tuple(prepared_registers(running.target, key, registers))
            yield running._replace(key=key, registers=opened)


def _new_key(environment: dict[str, str]) -> str:
    """Make the account and return an owner's key, before the server runs."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "server", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise ServerFailed(f"tillcore {arguments[0]}: {said[-1] if said else done.returncode}")
        return done.stdout.strip()

    if environment["TILLCORE_DATABASE__URL"]:
        run("migrate")
    run("account", "create", ACCOUNT)
    return run("apikey", "create", "--account", ACCOUNT, "--scopes", "owner")


def prepared_registers(
    target: str, key: str, count: int, *, prefix: str = shop.SHOP
) -> Iterator[str]:
    """Make a shop with cashier, payment types and so many registers, open these, yield their ids.

    What is there already stays, so that several runs may use one server; registers are named
    `prefix` and a number.
    """
    metadata = (("authorization", f"Bearer {key}"),) if key else ()
    with grpc.insecure_channel(target) as channel:
        admin, registers = AdminServiceStub(channel), RegisterServiceStub(channel)

        def make(method: Any, request: Message) -> None:
            try:
                method(request, metadata=metadata)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                    raise

        cashier = admin_cashier_pb2.Cashier(id=CASHIER, full_name="Ursula Schmidt")
        make(admin.CreateCashier, admin_cashier_pb2.CreateCashierRequest(cashier=cashier))
        market_id = workloads.market().id
        place = admin_shop_pb2.Shop(id=shop.SHOP, market_id=market_id, name="Aarhus")
        make(admin.CreateShop, admin_shop_pb2.CreateShopRequest(shop=place))
        for type_id, is_counted in ((CARD, False), (CASH, True)):
            payment_type = admin_payment_type_pb2.PaymentType(
                id=type_id, name=type_id, should_be_reconciled=is_counted
            )
            make(
                admin.CreatePaymentType,
                admin_payment_type_pb2.CreatePaymentTypeRequest(payment_type=payment_type),
            )
        for number in range(1, count + 1):
            name = f"{prefix}-{number}"
            register = admin_register_pb2.Register(id=name, shop_id=shop.SHOP, name=name)
            make(admin.CreateRegister, admin_register_pb2.CreateRegisterRequest(register=register))
            opening = register_service_pb2.OpenRegisterRequest(
                open_id=f"open-{name}", register_id=name, cashier_id=CASHIER
            )
            registers.OpenRegister(opening, metadata=metadata)
            yield name
