"""Keep addresses for workers, and from everybody else."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.errors import InvalidInput
from engine.rpc.ports import holding


@contextmanager
def listening(address: str, *, is_shared: bool) -> Iterator[None]:
    """Listen at an address as gRPC does."""
    host, _, port = address.rpartition(":")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(is_shared))
        listener.bind((host, int(port)))
        listener.listen()
        yield


def test_address_when_held_then_has_a_real_port() -> None:
    with holding("127.0.0.1:0", field="listen") as address:
        host, _, port = address.rpartition(":")

    assert "127.0.0.1" == host
    assert 0 < int(port)


def test_address_when_held_then_workers_share_it() -> None:
    with (
        holding("127.0.0.1:0", field="listen") as address,
        listening(address, is_shared=True),
        listening(address, is_shared=True),
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as connection,
    ):
        assert address == "{}:{}".format(*connection.getpeername())


def test_address_when_held_then_nobody_has_it_alone() -> None:
    with (
        holding("127.0.0.1:0", field="listen") as address,
        pytest.raises(OSError, match="Address already in use"),
        listening(address, is_shared=False),
    ):
        pass


@pytest.mark.parametrize("is_shared", [True, False])
def test_address_when_somebody_listens_then_cannot_be_held(is_shared: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with holding("127.0.0.1:0", field="listen") as address:
        pass

    with (
        listening(address, is_shared=is_shared),
        pytest.raises(RuntimeError, match=f"expected a free address for listen, was {address}"),
        holding(address, field="listen"),
    ):
        pass


def test_address_when_held_twice_then_said() -> None:
    with (
        holding("127.0.0.1:0", field="listen") as address,
        pytest.raises(RuntimeError, match="expected a free address for listen"),
        holding(address, field="listen"),
    ):
        pass


@pytest.mark.parametrize("address", ["unix:/run/tillcore.sock", "127.0.0.1", "127.0.0.1:x"])
def test_address_when_it_is_no_host_and_port_then_named(address: str) -> None:
    with (
        pytest.raises(InvalidInput, match=r"^server.listen: expected host and port"),
        holding(address, field="server.listen"),
    ):
        pass


def test_address_when_the_name_has_several_then_one_port_on_all() -> None:
    with holding("localhost:0", field="listen") as address:
        port = int(address.rpartition(":")[2])
        for family, _, _, _, where in socket.getaddrinfo(
            "localhost", port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family) as other, pytest.raises(OSError, match="in use"):
                other.bind(where)
