"""Deliver by SFTP: a file under a temporary name, which gets its own when it is whole."""

import base64
import binascii
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncssh

from server.exports.deliveries.checks import own_problems
from server.exports.deliveries.file_names import file_name_of, temporary_name_of
from server.exports.deliveries.undeliverable import (
    Undeliverable,
    attempt,
    in_own_thread,
    refuse,
    secret_of,
)
from server.exports.network import Rules, open_connection
from server.exports.outcome import Failure, Outcome, Parcel
from server.exports.queue import Secrets, Sftp

SECONDS_MAX: Final = 50.0
"""How long one attempt may take in all."""

KEY_LENGTH_MAX: Final = 16_384
"""How long the text of a key may be."""

KDF_ROUNDS_MAX: Final = 1_024
"""How often the passphrase of a key may be stretched; `ssh-keygen` does it 16 or 24 times."""

_OPENSSH_KEY = re.compile(
    r"-----BEGIN OPENSSH PRIVATE KEY-----(?P<body>[A-Za-z0-9+/=\s]+)"
    r"-----END OPENSSH PRIVATE KEY-----"
)
_OPENSSH_MAGIC = b"openssh-key-v1\0"
_LENGTH_BYTES = 4


class SftpDeliverer:
    """Puts parcels on the SFTP server of a queue, each as a file of its own.

    The server is known by its key, which is part of the configuration; no file, agent or setting of
    the user that runs this process plays a part.

    A file that is there already under the name of the parcel can only be the parcel's own: an
    attempt got through whose reply was lost. It is replaced.
    """

    def __init__(self, sftp: Sftp, rules: Rules, *, timeout_seconds: float = SECONDS_MAX) -> None:
        """Set up.

        Args:
            sftp: What the queue configures.
            rules: What addresses the server may have.
            timeout_seconds: How long one attempt may take in all.
        """
        self._sftp = sftp
        self._rules = rules
        self._timeout_seconds = timeout_seconds

    async def deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        """Put one file; it is not seen under its name before all of it is there."""
        return await attempt(
            self._deliver(parcel, secrets),
            timeout_seconds=self._timeout_seconds,
            secrets=secrets,
        )

    async def _deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        refuse(own_problems(self._sftp))
        credentials = await _credentials_of(secrets)
        name = file_name_of(self._sftp.file_name, parcel)
        directory = self._sftp.directory
        path = f"{directory.removesuffix('/')}/{name}" if directory else name
        try:
            async with self._connected(credentials) as client:
                await _store(client, path, parcel.body)
        except asyncssh.Error as error:
            raise _undeliverable(error) from error
        return Outcome()

    @asynccontextmanager
    async def _connected(self, credentials: dict[str, Any]) -> AsyncIterator[asyncssh.SFTPClient]:
        """Yield a client that is signed in to the server that the queue knows."""
        sftp = self._sftp
        expected = _parsed(sftp.host_key)
        watch = _Watch()
        connection = await open_connection(sftp.host, sftp.port, self._rules, self._timeout_seconds)
        try:
            session = await asyncssh.connect(
                sftp.host,
                sftp.port,
                sock=connection,
                config=None,
                username=sftp.username,
                known_hosts=([expected], [], []),
                client_factory=lambda: watch,
                agent_path=None,
                x509_trusted_certs=None,
                gss_auth=False,
                gss_kex=False,
                host_based_auth=False,
                compression_algs=["none"],
                disable_trivial_auth=True,
                login_timeout=self._timeout_seconds,
                **credentials,
            )
        except asyncssh.HostKeyNotVerifiable as error:
            found = watch.found.get_fingerprint() if watch.found else "one of another kind"
            raise Undeliverable(
                Failure.TLS,
                f"expected the host key {expected.get_fingerprint()}, was {found}",
            ) from error
        except ValueError as error:
            raise Undeliverable(Failure.CONFIGURATION, str(error)) from error
        finally:
            # Where the session has begun, its transport has taken the connection over.
            if watch.connection is None:
                connection.close()
        try:
            async with session.start_sftp_client() as client:
                yield client
            session.close()
            await session.wait_closed()
        finally:
            session.abort()


class _Watch(asyncssh.SSHClient):
    """Keeps what a session tells of itself.

    Attributes:
        connection: The session; None until its transport has begun.
        found: The key of the server, where it is not the one that is expected.
    """

    connection: asyncssh.SSHClientConnection | None = None
    found: asyncssh.SSHKey | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Keep the session."""
        self.connection = conn

    def validate_host_public_key(
        self,
        host: str,  # noqa: ARG002 the signature is that of asyncssh
        addr: str,  # noqa: ARG002 the signature is that of asyncssh
        port: int,  # noqa: ARG002 the signature is that of asyncssh
        key: asyncssh.SSHKey,
    ) -> bool:
        """Refuse a key that is not the expected one, and keep it for the error."""
        self.found = key
        return False


def host_key_problem(text: str) -> str:
    """Return what is wrong with the public key of a server, as a sentence; empty if nothing is."""
    try:
        _parsed(text)
    except asyncssh.KeyImportError:
        return f"expected a public key such as ssh-ed25519 AAAA..., was {text[:60]!r}"
    return ""


def _parsed(host_key: str) -> asyncssh.SSHKey:
    if len(host_key) > KEY_LENGTH_MAX:
        raise asyncssh.KeyImportError("the text is too long")
    return asyncssh.import_public_key(host_key.strip())


async def _credentials_of(secrets: Secrets) -> dict[str, Any]:
    """Return how to sign in, as arguments for asyncssh.

    Raises:
        Undeliverable: The key cannot be read, or there is neither a key nor a password.
    """
    text = secrets.get("private_key", "")
    if not text:
        return {"password": secret_of(secrets, "password"), "client_keys": None}
    passphrase = secrets.get("passphrase") or None
    _refuse_costly(text)
    try:
        # Stretching a passphrase takes a moment in which the event loop would answer nobody.
        key = await in_own_thread(
            lambda: asyncssh.import_private_key(text, passphrase), stop=lambda: None
        )
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise Undeliverable(
            Failure.CONFIGURATION, f"expected a private key that can be read: {error}"
        ) from error
    return {"client_keys": [key], "password": None}


def _refuse_costly(private_key: str) -> None:
    """Refuse a key whose passphrase takes for ever to check: the key says itself how long.

    Raises:
        Undeliverable: It is such a key, or none whose costs can be told.
    """
    text = private_key.strip()
    if len(text) > KEY_LENGTH_MAX or not text.startswith("-----BEGIN "):
        raise Undeliverable(
            Failure.CONFIGURATION,
            f"expected a private key of at most {KEY_LENGTH_MAX} characters in OpenSSH's format "
            "or PEM, was something else",
        )
    advice = "; `ssh-keygen -p -o -f FILE` makes one that is taken"
    if "ENCRYPTED PRIVATE KEY" in text:
        raise Undeliverable(
            Failure.CONFIGURATION,
            f"expected an encrypted private key in OpenSSH's format, was PKCS #8{advice}",
        )
    rounds = _kdf_rounds(text)
    if rounds > KDF_ROUNDS_MAX:
        raise Undeliverable(
            Failure.CONFIGURATION,
            f"expected a private key with at most {KDF_ROUNDS_MAX} rounds, was {rounds}{advice}",
        )


def _kdf_rounds(private_key: str) -> int:
    """Return how often an OpenSSH key has its passphrase stretched; 0 for a key in PEM.

    Source: OpenSSH, PROTOCOL.key: magic, cipher, name of the KDF, its options (salt, rounds).

    Raises:
        Undeliverable: It is not as OpenSSH writes it.
    """
    if "OPENSSH" not in private_key:
        return 0
    found = _OPENSSH_KEY.fullmatch(private_key)
    try:
        content = base64.b64decode(found["body"] if found else "")
    except binascii.Error:
        content = b""
    if not content.startswith(_OPENSSH_MAGIC):
        raise Undeliverable(Failure.CONFIGURATION, "expected a private key that can be read")
    _, rest = _string(content.removeprefix(_OPENSSH_MAGIC))
    _, rest = _string(rest)
    options, _ = _string(rest)
    _, rounds = _string(options)
    return int.from_bytes(rounds[:_LENGTH_BYTES], "big")


def _string(content: bytes) -> tuple[bytes, bytes]:
    """Return the first string of a key's content, and the rest."""
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "big")
    return content[_LENGTH_BYTES:end], content[end:]


async def _store(client: asyncssh.SFTPClient, path: str, body: bytes) -> None:
    """Put a file under a temporary name, and rename it."""
    directory, slash, name = path.rpartition("/")
    temporary = f"{directory}{slash}{temporary_name_of(name)}"
    try:
        async with client.open(temporary, "wb") as file:
            await file.write(body)
            with contextlib.suppress(asyncssh.SFTPOpUnsupported):
                await file.fsync()
        await _rename(client, temporary, path)
    except asyncssh.SFTPError:
        # A session that is still alive can tidy up; otherwise the next attempt overwrites it.
        with contextlib.suppress(asyncssh.Error, OSError):
            await client.remove(temporary)
        raise


async def _rename(client: asyncssh.SFTPClient, temporary: str, path: str) -> None:
    """Rename a file over one of that name; where a server cannot, that one is removed first."""
    with contextlib.suppress(asyncssh.SFTPOpUnsupported):
        await client.posix_rename(temporary, path)
        return
    try:
        await client.rename(temporary, path)
    except asyncssh.SFTPError as refused:
        try:
            await client.remove(path)
        except asyncssh.SFTPError:
            # It was not in the way, so the first error says what is.
            raise refused from None
        await client.rename(temporary, path)


def _undeliverable(error: asyncssh.Error) -> Undeliverable:
    """Return what an error of the protocol means."""
    words = f"{error.reason}".strip()
    match error:
        case asyncssh.SFTPConnectionLost() | asyncssh.SFTPNoConnection():
            return Undeliverable(Failure.CONNECTION, words or "the connection was lost")
        case asyncssh.SFTPError():
            return Undeliverable(
                Failure.STATUS,
                f"the server refused the file: {words}",
                status=error.code,
                response=words,
            )
        case asyncssh.PermissionDenied():
            return Undeliverable(Failure.CREDENTIALS, f"the server refused us: {words}")
        case asyncssh.ConnectionLost():
            return Undeliverable(Failure.CONNECTION, words or "the connection was lost")
        case asyncssh.KeyExchangeFailed():
            return Undeliverable(
                Failure.TLS,
                f"expected a server with a host key of the kind configured, was: {words}",
            )
        case _:
            return Undeliverable(Failure.PROTOCOL, words or type(error).__name__)
