"""A real SFTP server on loopback that keeps files in a directory."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh

USERNAME = "till"
PASSWORD = "open sesame"


class SftpSink:
    """An SFTP server, and how it goes wrong.

    Attributes:
        port: Where it listens on 127.0.0.1.
        directory: What its user sees as the root.
        host_key: Its public key, as a queue names it.
        client_keys: Public keys that may sign in.
        attempts: How many times somebody tried to sign in.
        is_disk_full: Whether nothing can be written.
        is_read_only: Whether nothing can be opened for writing.
        has_posix_rename: Whether it can rename a file to a name that is taken.
    """

    def __init__(self, directory: Path) -> None:
        self.port = 0
        self.directory = directory
        self.host_key = ""
        self.client_keys: list[asyncssh.SSHKey] = []
        self.attempts = 0
        self.is_disk_full = False
        self.is_read_only = False
        self.has_posix_rename = True

    @property
    def files(self) -> dict[str, bytes]:
        """All files by their paths, hidden ones too."""
        paths = (path for path in self.directory.rglob("*") if path.is_file())
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in paths}


class _Door(asyncssh.SSHServer):
    """Decides who comes in."""

    def __init__(self, sink: SftpSink) -> None:
        self._sink = sink

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 the name is asyncssh's
        self._sink.attempts += 1
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USERNAME, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return bool(self._sink.client_keys)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USERNAME and key in self._sink.client_keys


class _Files(asyncssh.SFTPServer):
    """Serves the files, as far as the sink lets it."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], sink: SftpSink) -> None:
        super().__init__(channel, chroot=str(sink.directory).encode())
        self._sink = sink

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        if self._sink.is_read_only:
            raise PermissionError(errno.EACCES, "Permission denied")
        return super().open(path, pflags, attrs)

    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        if self._sink.is_disk_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(file_obj, offset, data)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        if not self._sink.has_posix_rename:
            raise asyncssh.SFTPOpUnsupported("not here")
        return super().posix_rename(oldpath, newpath)


@asynccontextmanager
async def sftp_sink(directory: Path, *, algorithm: str = "ssh-ed25519") -> AsyncIterator[SftpSink]:
    """Yield an SFTP server on 127.0.0.1 that runs in this event loop.

    Args:
        directory: Where the files are.
        algorithm: Of its host key.
    """
    sink = SftpSink(directory)
    key = asyncssh.generate_private_key(algorithm)
    sink.host_key = key.export_public_key().decode().strip()
    sessions: set[asyncssh.SSHServerConnection] = set()

    class Door(_Door):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            sessions.add(conn)

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Door(sink),
        server_host_keys=[key],
        sftp_factory=lambda channel: _Files(channel, sink),
        config=None,
        allow_scp=False,
    )
    sink.port = server.get_port()
    try:
        yield sink
    finally:
        server.close()
        for session in sessions:
            session.abort()
        await asyncio.gather(*(session.wait_closed() for session in sessions))
        await server.wait_closed()
