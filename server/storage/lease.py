"""The exclusive lease on a data directory: one server owns the file of its database.

Workers of one server share it: they hold the descriptor that their supervisor has opened, so the
lease lasts until the last of them has ended.
"""

import fcntl
import os
from pathlib import Path
from typing import Final, Self

from engine.errors import StoreUnavailable

LOCK_FILE: Final = "tillcore.lock"
"""In the data directory."""


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

    @classmethod
    def shared(cls, descriptor: int) -> Self:
        """Return the lease whose descriptor this process was given."""
        lease = cls.__new__(cls)
        lease._descriptor = descriptor
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - it takes no keyword
        return lease

    @property
    def descriptor(self) -> int:
        """What workers are given."""
        return self._descriptor

    def release(self) -> None:
        """Give the lease back."""
        os.close(self._descriptor)
