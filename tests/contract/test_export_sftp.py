"""Deliver by SFTP to a real server: whom it trusts, what is there afterwards, what never is."""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from server.exports.deliveries.file_names import file_name_of
from server.exports.deliveries.sftp import SftpDeliverer
from server.exports.network import Rules
from server.exports.outcome import Failure, Outcome
from server.exports.queue import Sftp
from tests.support.bad_servers import cutting_proxy, refusing_port, silent_server
from tests.support.parcels import BODY, LOOPBACK, NOTHING_PRIVATE, parcel
from tests.support.sftp_sink import PASSWORD, USERNAME, SftpSink, sftp_sink

NAME = file_name_of("", parcel())
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
RSA_KEY = asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_public_key().decode()


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[SftpSink]:
    """Yield a server."""
    async with sftp_sink(tmp_path) as running:
        yield running


def sftp(sink: SftpSink, **changes: Any) -> Sftp:
    """Return a delivery to a server on loopback, with changes."""
    fields: dict[str, Any] = {
        "host": "localhost",
        "port": sink.port,
        "username": USERNAME,
        "host_key": sink.host_key,
    }
    return Sftp(**fields | changes)


async def put(
    delivery: Sftp,
    *,
    rules: Rules = LOOPBACK,
    timeout_seconds: float = 20,
    secrets: dict[str, str] | None = None,
    **changes: Any,
) -> Outcome:
    """Deliver a parcel, with changes to it."""
    deliverer = SftpDeliverer(delivery, rules, timeout_seconds=timeout_seconds)
    given = {"password": PASSWORD} if secrets is None else secrets
    return await deliverer.deliver(parcel(**changes), given)


@pytest.mark.parametrize("body", [b"", BODY, bytes(range(256)) * 8_192])
async def test_sftp_when_taken_then_file_is_equal_byte_for_byte(
    sink: SftpSink, body: bytes
) -> None:
    (sink.directory / "ind" / "bøger").mkdir(parents=True)
    outcome = await put(sftp(sink, directory="/ind/bøger/"), body=body)

    assert Outcome() == outcome
    assert {f"ind/bøger/{NAME}": body} == sink.files


@pytest.mark.parametrize("algorithm", ["ssh-rsa", "ecdsa-sha2-nistp256"])
async def test_sftp_when_host_key_is_of_another_kind_then_taken(
    tmp_path: Path, algorithm: str
) -> None:
    async with sftp_sink(tmp_path, algorithm=algorithm) as sink:
        outcome = await put(sftp(sink))

    assert Outcome() == outcome


async def test_sftp_when_host_key_differs_then_both_are_named_and_nobody_signs_in(
    sink: SftpSink,
) -> None:
    outcome = await put(sftp(sink, host_key=OTHER_KEY))

    expected = asyncssh.import_public_key(OTHER_KEY).get_fingerprint()
    found = asyncssh.import_public_key(sink.host_key).get_fingerprint()
    assert Failure.TLS is outcome.failure
    assert f"expected the host key {expected}, was {found}" == outcome.error
    assert (0, {}) == (sink.attempts, sink.files)


async def test_sftp_when_server_has_no_key_of_that_kind_then_nobody_signs_in(
    sink: SftpSink,
) -> None:
    outcome = await put(sftp(sink, host_key=RSA_KEY))

    assert (Failure.TLS, 0) == (outcome.failure, sink.attempts)
    assert "host key" in outcome.error


@pytest.mark.parametrize(
    ("format_name", "passphrase"),
    [
        ("openssh", None),
        ("openssh", "good horse"),
        ("pkcs8-pem", None),
        ("pkcs1-pem", "good horse"),
    ],
)
async def test_sftp_when_key_is_given_then_it_signs_in(
    sink: SftpSink, format_name: str, passphrase: str | None
) -> None:
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    sink.client_keys.append(key.convert_to_public())
    text = key.export_private_key(format_name, passphrase, rounds=64).decode()
    outcome = await put(sftp(sink), secrets={"private_key": text, "passphrase": passphrase or ""})

    assert Outcome() == outcome


def openssh_key(rounds: int) -> str:
    """Return the head of an encrypted key that wants its passphrase stretched so often."""

    def string(content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + content

    options = string(bytes(16)) + struct.pack(">I", rounds)
    content = b"openssh-key-v1\0" + string(b"aes256-ctr") + string(b"bcrypt") + string(options)
    content += struct.pack(">I", 1) + string(b"key") + string(bytes(64))
    text = base64.b64encode(content).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n"


PKCS8_KEY = (
    asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    .export_private_key("pkcs8-pem", "good horse")
    .decode()
)


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({}, "expected the secret password, was absent"),
        ({"private_key": "nothing"}, "OpenSSH's format or PEM"),
        ({"private_key": "-----BEGIN EC PRIVATE KEY-----\nAAAA\n"}, "that can be read"),
        ({"private_key": openssh_key(2**32 - 1), "passphrase": "x"}, "was 4294967295"),
        ({"private_key": "x" + openssh_key(16), "passphrase": "x"}, "OpenSSH's format or PEM"),
        ({"private_key": openssh_key(16)}, "that can be read"),
        ({"private_key": PKCS8_KEY, "passphrase": "good horse"}, "ssh-keygen -p"),
    ],
)
async def test_sftp_when_credentials_cannot_be_used_then_says_why(
    sink: SftpSink, secrets: dict[str, str], words: str
) -> None:
    outcome = await put(sftp(sink), secrets=secrets)

    assert (Failure.CONFIGURATION, 0) == (outcome.failure, sink.attempts)
    assert words in outcome.error


@pytest.mark.parametrize(
    "secrets",
    [
        {"password": "something else"},
        {"private_key": asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()},
    ],
)
async def test_sftp_when_server_does_not_know_us_then_credentials(
    sink: SftpSink, secrets: dict[str, str]
) -> None:
    outcome = await put(sftp(sink), secrets=secrets)

    assert Failure.CREDENTIALS is outcome.failure
    assert not any(secret in str(outcome) for secret in secrets.values())


@pytest.mark.parametrize(
    ("trouble", "changes", "status"),
    [
        ("is_disk_full", {}, 4),
        ("is_read_only", {}, 3),
        ("", {"directory": "not/there"}, 2),
    ],
)
async def test_sftp_when_server_refuses_then_status_is_told_and_nothing_is_left(
    sink: SftpSink, trouble: str, changes: dict[str, Any], status: int
) -> None:
    if trouble:
        setattr(sink, trouble, True)
    outcome = await put(sftp(sink, **changes))

    assert (Failure.STATUS, status) == (outcome.failure, outcome.status)
    assert {} == sink.files


@pytest.mark.parametrize("has_posix_rename", [True, False])
async def test_sftp_when_delivered_again_then_file_is_replaced(
    sink: SftpSink, *, has_posix_rename: bool
) -> None:
    sink.has_posix_rename = has_posix_rename
    await put(sftp(sink), body=b"before")
    outcome = await put(sftp(sink))

    assert Outcome() == outcome
    assert {NAME: BODY} == sink.files


async def test_sftp_when_name_is_taken_by_what_stays_then_refused(sink: SftpSink) -> None:
    (sink.directory / NAME / "inside").mkdir(parents=True)
    outcome = await put(sftp(sink))

    assert Failure.STATUS is outcome.failure
    assert {} == sink.files


async def test_sftp_when_cut_in_the_middle_then_final_name_is_not_there(sink: SftpSink) -> None:
    async with cutting_proxy(sink.port, after_bytes=200_000) as port:
        lost = await put(sftp(sink, port=port), body=b"x" * 2_000_000)

    assert Failure.CONNECTION is lost.failure
    assert NAME not in sink.files
    assert set(sink.files) <= {f".{NAME}.part"}

    assert Outcome() == await put(sftp(sink))
    assert {NAME: BODY} == sink.files


async def test_sftp_when_server_says_nothing_then_times_out(sink: SftpSink) -> None:
    async with silent_server() as port:
        outcome = await put(sftp(sink, port=port), timeout_seconds=0.2)

    assert Failure.TIMEOUT is outcome.failure


async def test_sftp_when_cancelled_then_ends(sink: SftpSink) -> None:
    async with silent_server() as port:
        work = asyncio.create_task(put(sftp(sink, port=port)))
        await asyncio.sleep(0.1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


async def test_sftp_when_nobody_listens_then_refused(sink: SftpSink) -> None:
    with refusing_port() as port:
        outcome = await put(sftp(sink, port=port))

    assert Failure.REFUSED is outcome.failure


async def test_sftp_when_host_has_no_address_then_unknown_host(sink: SftpSink) -> None:
    outcome = await put(sftp(sink, host="nowhere.invalid"))

    assert Failure.NAME is outcome.failure


async def test_sftp_when_host_is_private_then_blocked(sink: SftpSink) -> None:
    outcome = await put(sftp(sink), rules=NOTHING_PRIVATE)

    assert (Failure.BLOCKED_ADDRESS, 0) == (outcome.failure, sink.attempts)


@pytest.mark.parametrize(
    "changes",
    [
        {"directory": "a\0b"},
        {"file_name": "a\nb"},
        {"username": ""},
        {"host": "a b"},
        {"port": 0},
        {"host_key": ""},
        {"host_key": "ssh-ed25519 nothing"},
        {"file_name": "{what}"},
    ],
)
async def test_sftp_when_configuration_is_wrong_then_refused(
    sink: SftpSink, changes: dict[str, Any]
) -> None:
    outcome = await put(sftp(sink, **changes))

    assert (Failure.CONFIGURATION, 0) == (outcome.failure, sink.attempts)
