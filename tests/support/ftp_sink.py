"""A real FTP server on loopback, with TLS or without, that keeps files in a directory."""

import errno
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server.exports.queue import Security

with warnings.catch_warnings():
    # It is built on asyncore, of which Python 3.11 warns; later ones have a package in its place.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import (  # type: ignore[import-untyped]  # it has no types
        DummyAuthorizer,
    )
    from pyftpdlib.filesystems import (  # type: ignore[import-untyped]  # it has no types
        AbstractedFS,
    )
    from pyftpdlib.handlers import (  # type: ignore[import-untyped]  # it has no types
        FTPHandler,
        TLS_FTPHandler,
    )
    from pyftpdlib.ioloop import IOLoop  # type: ignore[import-untyped]  # it has no types
    from pyftpdlib.servers import FTPServer  # type: ignore[import-untyped]  # it has no types

USERNAME = "till"
PASSWORD = "open sesame"

_POLL_SECONDS = 0.02


class FtpSink:
    """An FTP server, and how it goes wrong.

    Attributes:
        port: Where it listens.
        directory: What its user sees as the root.
        commands: What clients sent, in order, without passwords.
        is_disk_full: Whether nothing can be written.
        cut_after_bytes: After how much of a file it ends the session; 0 for never.
        is_replacing: Whether a file may be renamed to a name that is taken.
        has_sizes: Whether it tells the sizes of files.
        may_write: Whether its user may write.
    """

    def __init__(self, directory: Path) -> None:
        self.port = 0
        self.directory = directory
        self.commands: list[str] = []
        self.is_disk_full = False
        self.cut_after_bytes = 0
        self.is_replacing = True
        self.has_sizes = True

    @property
    def files(self) -> dict[str, bytes]:
        """All files by their paths, hidden ones too."""
        paths = (path for path in self.directory.rglob("*") if path.is_file())
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in paths}


class _File:
    """A file that is written to, as far as the sink lets it be."""

    def __init__(self, file: Any, sink: FtpSink, session: Any) -> None:
        self._file = file
        self._sink = sink
        self._session = session
        self._written_bytes = 0

    def write(self, content: bytes) -> int:
        if self._sink.is_disk_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._written_bytes += len(content)
        count: int = self._file.write(content)
        if 0 < self._sink.cut_after_bytes <= self._written_bytes:
            self._session.close()
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _handler(sink: FtpSink, security: Security, certificate: Path | None) -> type[FTPHandler]:
    """Return the class whose instances serve the connections of one sink."""

    class FileSystem(AbstractedFS):  # type: ignore[misc]  # pyftpdlib has no types
        def open(self, filename: str, mode: str) -> Any:
            file = super().open(filename, mode)
            return _File(file, sink, self.cmd_channel) if "w" in mode else file

        def rename(self, src: str, dst: str) -> None:
            if not sink.is_replacing and Path(dst).exists():
                raise FileExistsError(errno.EEXIST, "File exists")
            super().rename(src, dst)

    base = FTPHandler if security is Security.NONE else TLS_FTPHandler
    own = {
        "abstracted_fs": FileSystem,
        "authorizer": DummyAuthorizer(),
        "auth_failed_timeout": 0,
        "banner": "sink",
        # Whoever believes it connects to a network that is for documentation only.
        "masquerade_address": "192.0.2.1",
        "certfile": str(certificate),
        "ssl_context": None,
        "tls_control_required": True,
        "tls_data_required": True,
    }
    own["authorizer"].add_user(USERNAME, PASSWORD, str(sink.directory), perm="elradfmwMT")
    own["authorizer"].add_user("reader", PASSWORD, str(sink.directory), perm="elr")

    class Handler(base):  # type: ignore[misc, valid-type]  # pyftpdlib has no types
        def handle(self) -> None:
            if security is Security.TLS:
                self.secure_connection(self.get_ssl_context())
            super().handle()

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            sink.commands.append(cmd if cmd == "PASS" else line)
            if cmd == "SIZE" and not sink.has_sizes:
                self.respond("502 not here")
                return
            super().pre_process_command(line, cmd, arg)

    for name, value in own.items():
        setattr(Handler, name, value)
    return Handler


@contextmanager
def ftp_sink(
    directory: Path,
    *,
    security: Security = Security.NONE,
    certificate: Path | None = None,
    address: str = "127.0.0.1",
) -> Iterator[FtpSink]:
    """Yield an FTP server on loopback that runs in a thread of its own.

    Its replies to PASV name an address of nobody, which a client has to ignore.

    Args:
        directory: Where the files are.
        security: `STARTTLS` demands TLS on all connections, `TLS` begins with it.
        certificate: File with the key and the certificate.
        address: Where it listens.
    """
    logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)
    sink = FtpSink(directory)
    handler = _handler(sink, security, certificate)
    server = FTPServer((address, 0), handler, ioloop=IOLoop())
    sink.port = server.socket.getsockname()[1]
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.ioloop.poll(_POLL_SECONDS)
            server.ioloop.sched.poll()
        server.close_all()

    thread = threading.Thread(target=serve, name="ftp-sink")
    thread.start()
    try:
        yield sink
    finally:
        stop.set()
        thread.join()
