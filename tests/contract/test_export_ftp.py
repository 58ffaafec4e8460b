"""Deliver by FTP and FTPS to a real server: what is there afterwards, and what never is."""

import asyncio
import ftplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.exports.deliveries.file_names import file_name_of
from server.exports.deliveries.ftp import FtpDeliverer
from server.exports.deliveries.ftp_session import CONTROL_BYTES_MAX, Session, Stop
from server.exports.network import Rules
from server.exports.outcome import Failure, Outcome
from server.exports.queue import Ftp, Security
from tests.support.bad_servers import refusing_port, silent_server
from tests.support.certificates import HOST, Authority
from tests.support.ftp_sink import PASSWORD, USERNAME, FtpSink, ftp_sink
from tests.support.parcels import BODY, LOOPBACK, NOTHING_PRIVATE, parcel

NAME = file_name_of("", parcel())


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[FtpSink]:
    """Yield a server without TLS."""
    with ftp_sink(tmp_path) as running:
        yield running


def ftp(port: int, **changes: Any) -> Ftp:
    """Return a delivery to a server on loopback, with changes."""
    fields: dict[str, Any] = {
        "host": HOST,
        "port": port,
        "security": Security.NONE,
        "username": USERNAME,
    }
    return Ftp(**fields | changes)


async def put(
    delivery: Ftp,
    *,
    rules: Rules = LOOPBACK,
    tls: ssl.SSLContext | None = None,
    password: str = PASSWORD,
    timeout_seconds: float = 20,
    **changes: Any,
) -> Outcome:
    """Deliver a parcel, with changes to it."""
    deliverer = FtpDeliverer(delivery, rules, tls=tls, timeout_seconds=timeout_seconds)
    return await deliverer.deliver(parcel(**changes), {"password": password})


async def test_ftp_when_taken_then_file_is_equal_byte_for_byte(sink: FtpSink) -> None:
    (sink.directory / "ind" / "bøger").mkdir(parents=True)
    outcome = await put(ftp(sink.port, directory="ind/bøger"))

    assert (None, 250) == (outcome.failure, outcome.status)
    assert {f"ind/bøger/{NAME}": BODY} == sink.files


async def test_ftp_when_address_is_of_ipv6_then_data_goes_the_same_way(tmp_path: Path) -> None:
    with ftp_sink(tmp_path, address="::1") as sink:
        outcome = await put(ftp(sink.port, host="::1"))

        assert (None, {NAME: BODY}) == (outcome.failure, sink.files)
        assert "EPSV" in sink.commands


@pytest.mark.parametrize("body", [b"", bytes(range(256)) * 8_192])
@pytest.mark.parametrize("security", list(Security))
async def test_ftp_when_secured_then_file_of_any_size_arrives(
    tmp_path: Path, security: Security, body: bytes
) -> None:
    authority = Authority()
    files = tmp_path / "files"
    files.mkdir()
    certificate = authority.server_file(tmp_path)
    with ftp_sink(files, security=security, certificate=certificate) as sink:
        outcome = await put(ftp(sink.port, security=security), tls=authority.client(), body=body)

        assert None is outcome.failure, outcome
        assert {NAME: body} == sink.files


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
@pytest.mark.parametrize("flaw", ["unknown authority", "other host"])
async def test_ftp_when_certificate_cannot_be_verified_then_no_password_is_sent(
    tmp_path: Path, security: Security, flaw: str
) -> None:
    authority = Authority()
    signer = Authority() if flaw == "unknown authority" else authority
    certificate = signer.server_file(tmp_path, "other.example" if flaw == "other host" else HOST)
    with ftp_sink(tmp_path, security=security, certificate=certificate) as sink:
        outcome = await put(ftp(sink.port, security=security), tls=authority.client())

        assert Failure.TLS is outcome.failure
        assert "certificate" in outcome.error
        assert "PASS" not in sink.commands


async def test_ftp_when_server_does_no_tls_then_no_password_is_sent(sink: FtpSink) -> None:
    outcome = await put(ftp(sink.port, security=Security.STARTTLS))

    assert Failure.TLS is outcome.failure
    assert ["AUTH TLS"] == sink.commands


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_ftp_when_data_connection_opens_then_tls_session_is_resumed(
    tmp_path: Path, security: Security
) -> None:
    authority = Authority()
    certificate = authority.server_file(tmp_path)

    def is_resumed(port: int) -> bool:
        stop = Stop()
        connection = socket.create_connection(("127.0.0.1", port))
        session = Session(
            connection, host=HOST, tls=authority.client(), stop=stop, timeout_seconds=20
        )
        try:
            if security is Security.TLS:
                session.wrap()
            session.greet()
            if security is Security.STARTTLS:
                session.voidcmd("AUTH TLS")
                session.wrap()
            session.login(USERNAME, PASSWORD)
            session.protect_data()
            with session.transfercmd("NLST") as data:
                assert isinstance(data, ssl.SSLSocket)
                return bool(data.session_reused)
        finally:
            session.close()
            stop.close()

    with ftp_sink(tmp_path, security=security, certificate=certificate) as sink:
        assert await asyncio.to_thread(is_resumed, sink.port)


async def test_ftp_when_password_is_wrong_then_credentials_and_no_echo_of_it(
    sink: FtpSink,
) -> None:
    outcome = await put(ftp(sink.port), password="something else")

    assert (Failure.CREDENTIALS, 530) == (outcome.failure, outcome.status)
    assert "something else" not in str(outcome)


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"username": "reader"}, 550), ({"directory": "not/there"}, 550)],
)
async def test_ftp_when_server_refuses_then_status_and_text_are_told(
    sink: FtpSink, changes: dict[str, Any], status: int
) -> None:
    outcome = await put(ftp(sink.port, **changes))

    assert (Failure.STATUS, status) == (outcome.failure, outcome.status)
    assert outcome.response.startswith(str(status))
    assert {} == sink.files


async def test_ftp_when_disk_is_full_then_refused_and_nothing_is_left(sink: FtpSink) -> None:
    sink.is_disk_full = True
    outcome = await put(ftp(sink.port))

    assert (Failure.STATUS, 426) == (outcome.failure, outcome.status)
    assert {} == sink.files


async def test_ftp_when_cut_in_the_middle_then_final_name_is_not_there(sink: FtpSink) -> None:
    sink.cut_after_bytes = 100_000
    lost = await put(ftp(sink.port), body=b"x" * 2_000_000)

    assert Failure.CONNECTION is lost.failure
    assert NAME not in sink.files
    assert set(sink.files) <= {f".{NAME}.part"}

    sink.cut_after_bytes = 0
    again = await put(ftp(sink.port))

    assert None is again.failure
    assert {NAME: BODY} == sink.files


@pytest.mark.parametrize("is_replacing", [True, False])
async def test_ftp_when_delivered_again_then_file_is_replaced(
    sink: FtpSink, *, is_replacing: bool
) -> None:
    sink.is_replacing = is_replacing
    await put(ftp(sink.port), body=b"before")
    outcome = await put(ftp(sink.port))

    assert None is outcome.failure
    assert {NAME: BODY} == sink.files


async def test_ftp_when_name_is_taken_by_what_stays_then_first_reply_is_told(
    sink: FtpSink,
) -> None:
    (sink.directory / NAME).mkdir()
    outcome = await put(ftp(sink.port))

    assert (Failure.STATUS, 550) == (outcome.failure, outcome.status)
    assert {} == sink.files


async def test_ftp_when_server_tells_no_sizes_then_it_is_believed(sink: FtpSink) -> None:
    sink.has_sizes = False
    outcome = await put(ftp(sink.port))

    assert None is outcome.failure


async def test_ftp_when_server_says_nothing_then_times_out() -> None:
    async with silent_server() as port:
        outcome = await put(ftp(port), timeout_seconds=0.2)

    assert Failure.TIMEOUT is outcome.failure


async def test_ftp_when_cancelled_then_ends_soon() -> None:
    async with silent_server() as port:
        work = asyncio.create_task(put(ftp(port)))
        await asyncio.sleep(0.1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


async def test_ftp_when_nobody_listens_then_refused() -> None:
    with refusing_port() as port:
        outcome = await put(ftp(port))

    assert Failure.REFUSED is outcome.failure


async def test_ftp_when_host_has_no_address_then_unknown_host() -> None:
    outcome = await put(ftp(21, host="nowhere.invalid"))

    assert Failure.NAME is outcome.failure


async def test_ftp_when_host_is_private_then_blocked(sink: FtpSink) -> None:
    outcome = await put(ftp(sink.port), rules=NOTHING_PRIVATE)

    assert Failure.BLOCKED_ADDRESS is outcome.failure
    assert [] == sink.commands


@pytest.mark.parametrize(
    "changes",
    [
        {"directory": "a\r\nDELE b"},
        {"directory": "a\0b"},
        {"file_name": "a\r\nDELE b"},
        {"username": "till\r\nQUIT"},
        {"host": ""},
        {"port": 65_536},
        {"file_name": "{what}"},
    ],
)
async def test_ftp_when_configuration_is_wrong_then_refused(
    sink: FtpSink, changes: dict[str, Any]
) -> None:
    outcome = await put(ftp(**{"port": sink.port} | changes))

    assert (Failure.CONFIGURATION, []) == (outcome.failure, sink.commands)


@pytest.mark.parametrize("password", ["", "a\r\nDELE b", "a\0b"])
async def test_ftp_when_password_is_none_or_many_lines_then_refused(
    sink: FtpSink, password: str
) -> None:
    outcome = await put(ftp(sink.port), password=password)

    assert (Failure.CONFIGURATION, []) == (outcome.failure, sink.commands)


async def answering(*replies: bytes) -> tuple[Outcome, list[bytes]]:
    """Deliver to a server that gives these replies; return what it was sent, too."""
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for reply in replies:
                writer.write(reply)
                await writer.drain()
                heard.append(await reader.readline())
        except OSError:
            return
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await put(ftp(port)), heard


@pytest.mark.parametrize(
    ("replies", "failure"),
    [
        ([b"421 too many\r\n"], Failure.STATUS),
        ([b"SSH-2.0-OpenSSH\r\n"], Failure.PROTOCOL),
        ([b"220-hello\r\n" * 30_000], Failure.PROTOCOL),
        ([b"220 " + b"x" * 9_000 + b"\r\n"], Failure.PROTOCOL),
        ([b"220-hi\r\n230 no\r\n220 ho\r\n", b"150 what\r\n"], Failure.PROTOCOL),
        ([b"220 hi\r\n", b"331 password\r\n"], Failure.CONNECTION),
        ([b"220 hi\r\n", b"430 \xff\xfe no\r\n"], Failure.STATUS),
    ],
)
async def test_ftp_when_replies_make_no_sense_then_failure_tells_which(
    replies: list[bytes], failure: Failure
) -> None:
    outcome, _ = await answering(*replies)

    assert failure is outcome.failure


async def test_ftp_when_plain_text_follows_auth_then_it_is_not_read_after_tls() -> None:
    injected = b"234 go\r\n230 signed in\r\n"
    outcome, heard = Outcome(), []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        heard.append(await reader.readline())
        writer.write(injected)
        await writer.start_tls(authority.server())
        heard.append(await reader.readline())
        writer.close()

    authority = Authority()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        delivery = ftp(port, security=Security.STARTTLS)
        outcome = await put(delivery, tls=authority.client())

    assert Failure.CONNECTION is outcome.failure
    assert [b"AUTH TLS\r\n", f"USER {USERNAME}\r\n".encode()] == heard


def test_session_when_limits_are_read_then_a_session_has_room_for_its_replies() -> None:
    assert CONTROL_BYTES_MAX > 20 * ftplib.FTP.maxline
