"""Parse and bind the addresses of the fast front."""

import socket
from pathlib import Path

import pytest
from google.rpc import status_pb2

from engine.errors import InvalidInput
from server.front.address import address_of, close, listening
from server.front.trailers import trailer_of
from server.http.browser.bridge import End


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:0", "127.0.0.1:"), ("localhost:0", "127.0.0.1:"), ("[::1]:0", "[::1]:")],
)
def test_listening_when_loopback_then_takes_a_free_port(address: str, expected: str) -> None:
    listener = listening(address)
    taken = address_of(listener)
    close(listener)

    assert taken.startswith(expected)
    assert int(taken.rpartition(":")[2]) > 0


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:5"])
def test_listening_when_others_reach_it_then_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match=r"front\.public = true allows it"):
        listening(address)


def test_listening_when_public_is_allowed_then_takes_every_address() -> None:
    listener = listening("0.0.0.0:0", is_public=True)
    taken = address_of(listener)
    close(listener)

    assert taken.startswith("0.0.0.0:")


@pytest.mark.parametrize(
    "address",
    [
        *("", "50052", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536"),
        *("till.example:1", "127.0.0.1:-1", "127.0.0.1:\u0663", "unix:", "unix:relative/front"),
    ],
)
def test_listening_when_malformed_then_says_what_is_expected(address: str) -> None:
    with pytest.raises(InvalidInput, match="expected an IP address with a port such as"):
        listening(address)


def test_listening_when_taken_then_names_the_address() -> None:
    listener = listening("127.0.0.1:0")
    with pytest.raises(OSError, match=address_of(listener)):
        listening(address_of(listener))
    close(listener)


def test_listening_when_shared_then_two_have_one_port() -> None:
    first = listening("127.0.0.1:0", is_shared=True)
    second = listening(address_of(first), is_shared=True)
    addresses = {address_of(first), address_of(second)}
    close(first)
    close(second)

    assert 1 == len(addresses)


def test_listening_when_socket_was_left_behind_then_takes_its_place(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/front"
    # Closed without its file: as after a kill.
    listening(address).close()
    listener = listening(address)
    mode = (tmp_path / "front").stat().st_mode & 0o777
    close(listener)

    assert (0o660, False) == (mode, (tmp_path / "front").exists())


def test_listening_when_socket_is_anothers_then_refused(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/front"
    listener = listening(address)
    with pytest.raises(OSError, match="front"):
        listening(address)
    assert socket.AF_UNIX == listener.family
    close(listener)


def test_listening_when_unix_and_shared_then_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="several workers"):
        listening(f"unix:{tmp_path}/front", is_shared=True)


def test_trailer_when_message_is_not_ascii_then_percent_encoded() -> None:
    status = status_pb2.Status(code=3, message="was “x” 100 %\n")

    trailer = trailer_of(End(status, request_id="till-7"), None)

    assert (
        b"grpc-status\x003\x00grpc-message\x00was %E2%80%9Cx%E2%80%9D 100 %25%0A\x00"
        b"x-request-id\x00till-7\x00"
    ) == trailer


def test_trailer_when_details_are_there_then_base64_without_padding() -> None:
    trailer = trailer_of(End(status_pb2.Status(code=5)), b"\xff\xfe\xfd\xfc")

    assert b"grpc-status\x005\x00grpc-status-details-bin\x00//79/A\x00" == trailer
