"""Run what operators run: accounts, keys, backups, migrations, servers that share nothing."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.support.command_line import SECONDS_MAX, Server, serving, tillcore
from tests.support.databases import Postgres
from tillcore.v1.admin_account_pb2 import GetAccountRequest
from tillcore.v1.admin_cashier_pb2 import Cashier, CreateCashierRequest, ListCashiersRequest
from tillcore.v1.admin_service_pb2_grpc import AdminServiceStub

MIB = 1024 * 1024


def new_key(data: Path, scope: str = "owner") -> str:
    """Return a key of the account acme, which is made with it."""
    assert 0 == tillcore("account", "create", "acme", "--data", data).returncode
    made = tillcore("apikey", "create", "--account", "acme", "--scopes", scope, "--data", data)
    assert (0, b"") == (made.returncode, made.stderr)
    return made.stdout.decode().strip()


class Admin:
    """Calls AdminService with a key."""

    def __init__(self, channel: grpc.Channel, key: str) -> None:
        self._stub = AdminServiceStub(channel)
        metadata = (("authorization", f"Bearer {key}"),)
        self._with_key: dict[str, Any] = {"metadata": metadata, "timeout": SECONDS_MAX}

    def account_id(self) -> str:
        """Return the account of the key."""
        return str(self._stub.GetAccount(GetAccountRequest(), **self._with_key).account.id)

    def create_cashier(self, id_: str, name: str = "") -> None:
        """Make a cashier."""
        cashier = Cashier(id=id_, full_name=name)
        self._stub.CreateCashier(CreateCashierRequest(cashier=cashier), **self._with_key)

    def create_cashiers(self, prefix: str, count: int) -> None:
        """Make cashiers with long names, one after the other."""
        for each in range(count):
            self.create_cashier(f"{prefix}-{each}", "x" * 10_000)

    def cashier_ids(self) -> list[str]:
        """Return the ids of all cashiers."""
        listed = self._stub.ListCashiers(ListCashiersRequest(page_size=1000), **self._with_key)
        return [cashier.id for cashier in listed.cashiers]


@contextmanager
def admin(server: Server, key: str) -> Iterator[Admin]:
    """Yield what calls AdminService of a server."""
    with grpc.insecure_channel(server.target) as channel:
        yield Admin(channel, key)


def test_account_when_made_again_then_stays(tmp_path: Path) -> None:
    first = tillcore("account", "create", "acme", "--name", "Acme", "--data", tmp_path)
    again = tillcore("account", "create", "acme", "--name", "Other", "--data", tmp_path)

    assert (0, b"account acme is made\n") == (first.returncode, first.stdout)
    assert (0, b"account acme was there already\n") == (again.returncode, again.stdout)


def test_apikey_when_account_is_unknown_then_says_how_to_make_it(tmp_path: Path) -> None:
    made = tillcore("apikey", "create", "--account", "acme", "--scopes", "read", "--data", tmp_path)

    assert (1, b"") == (made.returncode, made.stdout)
    assert b"tillcore account create acme" in made.stderr


def test_apikey_when_server_runs_then_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    key = new_key(tmp_path)
    with serving("serve", "--data", tmp_path) as server, admin(server, key) as caller:
        made = tillcore(
            "apikey", "create", "--account", "acme", "--scopes", "read", "--data", tmp_path
        )
        second = tillcore("serve", "--listen", "127.0.0.1:0", "--data", tmp_path)
        account_id = caller.account_id()

    for refused in (made, second):
        assert 1 == refused.returncode
        assert f"held by process {server.process.pid}".encode() in refused.stderr
    assert "acme" == account_id


def test_backup_when_server_runs_then_a_whole_copy_that_can_be_served(tmp_path: Path) -> None:
    data, restored = tmp_path / "data", tmp_path / "restored"
    copy = restored / "tillcore.sqlite3"
    restored.mkdir()
    key = new_key(data)
    with serving("serve", "--data", data) as server, admin(server, key) as caller:
        caller.create_cashier("before")
        backed_up = tillcore("backup", copy, "--data", data)
        caller.create_cashier("after")
        again = tillcore("backup", copy, "--data", data)
        everybody = caller.cashier_ids()
    with serving("serve", "--data", restored) as server, admin(server, key) as caller:
        then = caller.cashier_ids()

    assert (0, b"") == (backed_up.returncode, backed_up.stderr)
    assert 1 == again.returncode
    assert b"File exists" in again.stderr
    assert (["after", "before"], ["before"]) == (everybody, then)


def test_backup_when_no_server_runs_then_the_same(tmp_path: Path) -> None:
    new_key(tmp_path / "data")
    backed_up = tillcore("backup", tmp_path / "copy", "--data", tmp_path / "data")
    with sqlite3.connect(tmp_path / "copy") as copy:
        accounts = copy.execute("SELECT account_id FROM account").fetchall()
    copy.close()

    assert 0 == backed_up.returncode
    assert [("acme",)] == accounts


def test_backup_when_there_is_no_database_then_says_so(tmp_path: Path) -> None:
    result = tillcore("backup", tmp_path / "copy", "--data", tmp_path)

    assert 1 == result.returncode
    assert b"expected a database at" in result.stderr
    assert not (tmp_path / "copy").exists()


def test_serve_when_the_disk_fails_then_status_1_and_the_next_start_has_what_was_answered(
    tmp_path: Path,
) -> None:
    key = new_key(tmp_path)
    with serving("serve", "--data", tmp_path) as server, admin(server, key) as caller:
        caller.create_cashier("answered")
        # To SQLite, a file that must not grow is a disk that fails.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (MIB, MIB))
        with pytest.raises(grpc.RpcError) as failed:
            caller.create_cashiers("lost", 200)
        status = server.process.wait(SECONDS_MAX)
    with serving("serve", "--data", tmp_path) as server, admin(server, key) as caller:
        known = caller.cashier_ids()

    assert grpc.StatusCode.UNAVAILABLE == failed.value.code()
    assert 1 == status
    assert "answered" in known
    assert [f"lost-{each}" for each in range(len(known) - 1)] == sorted(
        known[1:], key=lambda id_: int(id_.removeprefix("lost-"))
    )


def test_postgres_when_migrated_then_two_servers_share_it(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.server.url(postgres.server.new_database()).render_as_string()
    monkeypatch.setenv("TILLCORE_DATABASE__URL", url)
    before = tillcore("serve", "--listen", "127.0.0.1:0")
    migrated = tillcore("migrate")
    key = new_key(tmp_path)
    with (
        serving("serve") as here,
        serving("serve") as there,
        admin(here, key) as ours,
        admin(there, key) as theirs,
    ):
        ours.create_cashier("made here")
        seen = theirs.cashier_ids()

    assert 1 == before.returncode
    assert b"run `tillcore migrate`" in before.stderr
    assert (0, b"") == (migrated.returncode, migrated.stderr)
    assert ["made here"] == seen
