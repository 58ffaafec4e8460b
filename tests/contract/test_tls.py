"""Hold TLS and mutual TLS to their promises: who is refused, and files that change meanwhile."""

import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc

from engine.errors import InvalidInput
from engine.rpc.server import new_health, new_server
from server.config import TlsSettings
from server.tls import server_credentials

DAY = datetime.timedelta(days=1)


class Identity(NamedTuple):
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def chain(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def private(self) -> bytes:
        """The key as PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def identity(name: str, issuer: Identity | None = None, *, days: int = 1) -> Identity:
    """Return a new identity, valid for some days: a root without an issuer, else signed by it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 10 * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    return Identity(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


class Files(NamedTuple):
    """The files of a server, in a directory."""

    directory: Path

    def settings(self, *, is_mutual: bool = False) -> TlsSettings:
        """Return the settings that name them."""
        return TlsSettings(
            certificate=self.directory / "server.pem",
            key=self.directory / "server.key",
            client_ca=self.directory / "clients.pem" if is_mutual else None,
        )

    def write(self, server: Identity, clients: Identity | None = None) -> None:
        """Write the server's identity, and the root of the clients'."""
        (self.directory / "server.pem").write_bytes(server.chain)
        (self.directory / "server.key").write_bytes(server.private)
        if clients is not None:
            (self.directory / "clients.pem").write_bytes(clients.chain)


@asynccontextmanager
async def running(settings: TlsSettings) -> AsyncIterator[str]:
    """Yield the address of a server with these settings that answers health."""
    server = new_server()
    health = new_health(server)
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    credentials = server_credentials(settings)
    assert credentials is not None
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"localhost:{port}"
    finally:
        await server.stop(None)


async def is_answered(target: str, root: Identity, client: Identity | None = None) -> bool:
    """Return whether a server that is signed by a root answers a new connection."""
    own: dict[str, Any] = (
        {"private_key": client.private, "certificate_chain": client.chain} if client else {}
    )
    credentials = grpc.ssl_channel_credentials(root.chain, **own)
    options = (("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1))
    async with grpc.aio.secure_channel(target, credentials, options) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=20)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
    return True


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def test_tls_when_client_trusts_the_root_then_answered(files: Files) -> None:
    root = identity("root")
    files.write(identity("server", root))
    async with running(files.settings()) as target:
        assert await is_answered(target, root)
        assert not await is_answered(target, identity("another root"))


async def test_tls_when_certificate_has_expired_then_client_refuses(files: Files) -> None:
    root = identity("root")
    files.write(identity("server", root, days=-1))
    async with running(files.settings()) as target:
        assert not await is_answered(target, root)


async def test_tls_when_files_are_replaced_then_new_connections_see_the_new_one(
    files: Files,
) -> None:
    root, other = identity("root"), identity("other root")
    files.write(identity("server", root))
    async with running(files.settings()) as target:
        before = [await is_answered(target, each) for each in (root, other)]
        files.write(identity("server", other))
        after = [await is_answered(target, each) for each in (root, other)]

    assert [True, False] == before
    assert [False, True] == after


async def test_tls_when_new_files_do_not_fit_then_the_old_ones_go_on(files: Files) -> None:
    root = identity("root")
    files.write(identity("server", root))
    async with running(files.settings()) as target:
        (files.directory / "server.key").write_bytes(identity("server", root).private)
        with_another_key = await is_answered(target, root)
        (files.directory / "server.pem").write_text("half a fi")
        with_half_a_file = await is_answered(target, root)
        (files.directory / "server.pem").unlink()
        with_no_file = await is_answered(target, root)
        files.write(identity("server", root))
        with_good_files = await is_answered(target, root)

    assert [True] * 4 == [with_another_key, with_half_a_file, with_no_file, with_good_files]


async def test_mutual_tls_when_client_has_no_good_certificate_then_refused(files: Files) -> None:
    root, clients = identity("root"), identity("clients")
    files.write(identity("server", root), clients)
    async with running(files.settings(is_mutual=True)) as target:
        answered = {
            "good": await is_answered(target, root, identity("till", clients)),
            "none": await is_answered(target, root),
            "of another root": await is_answered(target, root, identity("till", root)),
            "expired": await is_answered(target, root, identity("till", clients, days=-1)),
        }

    assert {"good": True, "none": False, "of another root": False, "expired": False} == answered


async def test_mutual_tls_when_clients_root_is_replaced_then_the_new_one_counts(
    files: Files,
) -> None:
    root, clients, others = identity("root"), identity("clients"), identity("others")
    files.write(identity("server", root), clients)
    async with running(files.settings(is_mutual=True)) as target:
        before = await is_answered(target, root, identity("till", others))
        files.write(identity("server", root), others)
        after = await is_answered(target, root, identity("till", others))

    assert (False, True) == (before, after)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (TlsSettings(certificate=Path("a")), "tls"),
        (TlsSettings(key=Path("a")), "tls"),
        (TlsSettings(client_ca=Path("a")), "tls.client_ca"),
    ],
)
def test_settings_when_they_do_not_go_together_then_refused(
    settings: TlsSettings, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        server_credentials(settings)

    assert [field] == [problem.field for problem in refused.value.problems]


def test_files_when_key_is_of_another_certificate_then_refused(files: Files) -> None:
    root = identity("root")
    files.write(identity("server", root))
    (files.directory / "server.key").write_bytes(identity("server", root).private)

    with pytest.raises(InvalidInput, match=r"server\.key: expected the key of"):
        server_credentials(files.settings())


def test_credentials_when_no_certificate_is_named_then_none() -> None:
    assert server_credentials(TlsSettings()) is None
