"""A proxy between a client and PostgreSQL's socket, which cuts a connection at a chosen moment."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

COMMIT: Final = b"COMMIT"
PORT_FILE: Final = ".s.PGSQL.5432"
Cut = Literal["before", "after"]


class Proxy:
    """Forwards bytes; a COMMIT is forwarded and its reply dropped, or is dropped itself."""

    def __init__(self, upstream: Path, directory: Path) -> None:
        """Listen in a directory, as PostgreSQL does.

        Args:
            upstream: The directory of PostgreSQL's socket.
            directory: Where clients look for it.
        """
        self._upstream = upstream / PORT_FILE
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / PORT_FILE))
        self._listener.listen()
        self._cut: Cut | None = None
        self.cut_count = 0

    def cut_at_commit(self, cut: Cut) -> None:
        """Cut the next connection that commits, before the server hears of it or afterwards."""
        self._cut = cut

    def run(self) -> None:
        """Accept connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._upstream))
        back = threading.Thread(target=self._back, args=(server, client), daemon=True)
        back.start()
        with contextlib.suppress(OSError), client, server:
            while data := client.recv(65_536):
                if COMMIT in data and self._cut is not None:
                    self._cut_now(client, server, data)
                    return
                server.sendall(data)

    def _cut_now(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        cut, self._cut = self._cut, None
        self.cut_count += 1
        # The client hears nothing any more.
        client.shutdown(socket.SHUT_RDWR)
        if cut == "before":
            server.shutdown(socket.SHUT_RDWR)
            return
        # The server works to the end.
        server.sendall(data)
        server.shutdown(socket.SHUT_WR)
        while server.recv(65_536):
            pass

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running_proxy(upstream: Path, directory: Path) -> Iterator[Proxy]:
    """Yield a proxy that runs in a thread."""
    proxy = Proxy(upstream, directory)
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
