"""The exclusive lease on a data directory: one process owns the file of its database."""

import fcntl
import os
from pathlib import Path

from engine.errors import StoreUnavailable


class Lease:
    """A lock that the system gives back when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lease.

        Args:
            path: The lock file; it holds the id of the process and stays when the lease ends.

        Raises:
            StoreUnavailable: Another process has it.
            OSError: The file cannot be opened.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip()
            os.close(self._descriptor)
            expected = f"expected {path.parent} for this process alone"
            raise StoreUnavailable(f"{expected}, was held by process {holder or '?'}") from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lease back."""
        os.close(self._descriptor)
