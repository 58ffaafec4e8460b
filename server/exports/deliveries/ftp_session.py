"""One FTP session on a connection that was made before: TLS, uploads, and a way to end it."""

import contextlib
import ftplib
import os
import socket
import ssl
import threading
from typing import Final

CONTROL_BYTES_MAX: Final = 262_144
"""How much a server may say on the control connection of one session."""

CLOSE_SECONDS_MAX: Final = 2.0
"""How long a server may take to answer the end of TLS on a data connection."""

_CHUNK_BYTES = 262_144
_CODE_LENGTH = 3


class Stop:
    """Ends the connections of a session from another thread.

    It holds handles of its own to them: closing a socket under a thread that uses it would leave
    that thread with the number of whatever is opened next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: list[socket.socket] = []
        self._is_stopped = False

    def add(self, connection: socket.socket) -> None:
        """Take in one more connection; it is ended at once if all are."""
        with self._lock:
            # Of TLS only the connection below is wanted, which is all that a number is.
            self._handles.append(socket.socket(fileno=os.dup(connection.fileno())))
            if self._is_stopped:
                self._end_all()

    def stop(self) -> None:
        """End all connections: whoever waits for them is told that they are lost."""
        with self._lock:
            self._is_stopped = True
            self._end_all()

    def close(self) -> None:
        """Give the handles back."""
        with self._lock:
            for handle in self._handles:
                handle.close()
            self._handles.clear()

    def _end_all(self) -> None:
        for handle in self._handles:
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)


class TooMuchSaid(ftplib.Error):
    """A server talks without end."""


class Session(ftplib.FTP):
    """An FTP session on a given connection.

    Data connections are made to the other end of the control connection, whatever address the
    server names (`ftplib` does so by itself), and protected like it.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        host: str,
        tls: ssl.SSLContext,
        stop: Stop,
        timeout_seconds: float,
    ) -> None:
        """Take over a connection, which the session closes.

        Args:
            connection: To the server.
            host: What the certificate of the server is for.
            tls: What it is verified with.
            stop: Ends the session from another thread.
            timeout_seconds: How long the server may take for each step.
        """
        super().__init__(timeout=timeout_seconds)
        stop.add(connection)
        connection.settimeout(timeout_seconds)
        self.host = host
        self._tls = tls
        self._stop = stop
        self._is_protected = False
        self._said_bytes = 0
        self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        self.sock = connection
        self.af = connection.family
        if self.file is not None:
            self.file.close()
        # What came before TLS is not read after it, whoever put it there.
        self.file = connection.makefile("r", encoding=self.encoding, errors="backslashreplace")

    def wrap(self) -> None:
        """Begin TLS on the control connection.

        Raises:
            SSLError: The certificate is not that of the host, or TLS failed.
        """
        assert self.sock is not None, "the session has a connection until it is closed"
        self._take(self._tls.wrap_socket(self.sock, server_hostname=self.host))

    def greet(self) -> None:
        """Read the server's welcome.

        Raises:
            Error: It does not welcome us.
        """
        self.welcome = self.getresp()

    def protect_data(self) -> None:
        """Ask for TLS on data connections (RFC 4217, 9).

        Raises:
            Error: The server does not do it.
        """
        self.voidcmd("PBSZ 0")
        self.voidcmd("PROT P")
        self._is_protected = True

    def upload(self, name: str, body: bytes) -> None:
        """Store a file, byte for byte; when this returns, the server says that it has all of it.

        Raises:
            Error: The server refused it, or has another size than was sent.
            OSError: The connection was lost.
        """
        self.voidcmd("TYPE I")
        with self.transfercmd(f"STOR {name}") as data:
            try:
                rest = memoryview(body)
                while rest:
                    data.sendall(rest[:_CHUNK_BYTES])
                    rest = rest[_CHUNK_BYTES:]
                if isinstance(data, ssl.SSLSocket):
                    _end_tls(data)
            finally:
                # Closing is not enough to end it, as whoever may stop the session has a handle.
                with contextlib.suppress(OSError):
                    data.shutdown(socket.SHUT_WR)
        self.voidresp()
        self._check_size(name, len(body))

    def _check_size(self, name: str, expected: int) -> None:
        """Compare sizes: with a full disk, a server may have taken a part and call it success."""
        try:
            size = self.size(name)
        except (ftplib.error_perm, ValueError):
            # Not all servers tell sizes; their reply has to do.
            return
        if size is not None and size != expected:
            raise ftplib.error_temp(f"451 expected a file of {expected} bytes, was {size}")

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        """Open a data connection for a command; it resumes the TLS session of the control one.

        Many servers demand that, as it proves who opens it (vsftpd: `require_ssl_reuse`).
        """
        data, size = super().ntransfercmd(cmd, rest)
        try:
            self._stop.add(data)
            if self._is_protected:
                assert isinstance(self.sock, ssl.SSLSocket), "data is protected after control"
                data = self._tls.wrap_socket(
                    data, server_hostname=self.host, session=self.sock.session
                )
        except BaseException:
            data.close()
            raise
        return data, size

    def getmultiline(self) -> str:
        """Return a reply, which may have many lines (RFC 959, 4.2).

        Raises:
            error_proto: It begins without a number, so the server speaks something else.
        """
        lines = [self.getline()]
        code, mark = lines[0][:_CODE_LENGTH], lines[0][_CODE_LENGTH : _CODE_LENGTH + 1]
        if not (code.isascii() and code.isdigit()):
            raise ftplib.error_proto(lines[0])
        while mark == "-":
            lines.append(self.getline())
            if lines[-1].startswith(code):
                mark = lines[-1][_CODE_LENGTH : _CODE_LENGTH + 1]
        return "\n".join(lines)

    def getline(self) -> str:
        """Return a line of the server, unless it has said too much.

        Raises:
            TooMuchSaid: It has.
        """
        line = super().getline()
        self._said_bytes += len(line)
        if self._said_bytes > CONTROL_BYTES_MAX:
            raise TooMuchSaid(f"expected at most {CONTROL_BYTES_MAX} bytes of replies, was more")
        return line


def _end_tls(data: ssl.SSLSocket) -> None:
    """Say that all was sent, and wait a little for the other end to say the same.

    Some servers just close. Whether all arrived, their last reply and the size of the file tell.
    """
    data.settimeout(CLOSE_SECONDS_MAX)
    with contextlib.suppress(OSError):
        data.unwrap()
