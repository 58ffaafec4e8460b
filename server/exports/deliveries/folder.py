"""Deliver into a folder of this machine, below the directory that the operator has set aside."""

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from server.exports.deliveries.checks import own_problems
from server.exports.deliveries.file_names import file_name_of, temporary_name_of
from server.exports.deliveries.undeliverable import Undeliverable, attempt, in_own_thread, refuse
from server.exports.outcome import Failure, Outcome, Parcel
from server.exports.queue import Folder, Secrets

SECONDS_MAX: Final = 30.0
"""How long one attempt may take in all; a network file system may take its time."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_LINK = _DIRECTORY | os.O_NOFOLLOW
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 1 << 20

_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE, errno.EINTR, errno.EMFILE}
)
"""Errors that may pass by themselves: no space, a disk or a network that fails."""


class FolderDeliverer:
    """Writes parcels to files, each under a name of its own.

    A file that is there already under the name of the parcel can only be the parcel's own, and is
    replaced. When `deliver` returns, the file and its name are on the disk.
    """

    def __init__(
        self, folder: Folder, root: Path | None, *, timeout_seconds: float = SECONDS_MAX
    ) -> None:
        """Set up.

        Args:
            folder: What the queue configures.
            root: The directory below which it writes; None where the operator allows none.
            timeout_seconds: How long one attempt may take in all.
        """
        self._folder = folder
        self._root = root
        self._timeout_seconds = timeout_seconds

    async def deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        """Write one file; it is not seen under its name before all of it is there."""
        return await attempt(
            self._deliver(parcel), timeout_seconds=self._timeout_seconds, secrets=secrets
        )

    async def _deliver(self, parcel: Parcel) -> Outcome:
        refuse(own_problems(self._folder))
        if self._root is None:
            raise Undeliverable(
                Failure.CONFIGURATION,
                "no export directory is set up: the operator names one with exports.folder",
            )
        stop = threading.Event()
        return await in_own_thread(partial(self._write, self._root, parcel, stop), stop.set)

    def _write(self, root: Path, parcel: Parcel, stop: threading.Event) -> Outcome:
        """Do all that blocks, in a thread."""
        name = file_name_of(self._folder.file_name, parcel)
        try:
            with _opened(root, self._folder.directory) as directory:
                _store(directory, name, parcel.body, stop)
        except OSError as error:
            raise _undeliverable(error) from error
        return Outcome()


@contextmanager
def _opened(root: Path, relative: str) -> Iterator[int]:
    """Yield the descriptor of a directory below a root; it is made where it is not there.

    Each segment is opened from the one above it and is no link, so that the way cannot lead out of
    the root, whoever changes what lies below it meanwhile.
    """
    current = os.open(root, _DIRECTORY)
    try:
        for segment in (each for each in relative.split("/") if each):
            below = _entered(current, segment)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _entered(above: int, segment: str) -> int:
    """Return the descriptor of a directory below another one, which makes it if need be."""
    with contextlib.suppress(FileNotFoundError):
        return os.open(segment, _NO_LINK, dir_fd=above)
    with contextlib.suppress(FileExistsError):
        os.mkdir(segment, dir_fd=above)
        os.fsync(above)
    return os.open(segment, _NO_LINK, dir_fd=above)


def _store(directory: int, name: str, body: bytes, stop: threading.Event) -> None:
    """Write a file under a temporary name, then rename it, and see both to the disk."""
    temporary = temporary_name_of(name)
    try:
        file = os.open(temporary, _NEW_FILE, mode=0o666, dir_fd=directory)
        try:
            rest = memoryview(body)
            while rest:
                if stop.is_set():
                    raise TimeoutError("expected the file to be written in time, was late")
                rest = rest[os.write(file, rest[:_CHUNK_BYTES]) :]
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    os.fsync(directory)


def _undeliverable(error: OSError) -> Undeliverable:
    """Return what an error of the file system means; its words name no path of the operator's."""
    words = error.strerror or str(error)
    if isinstance(error, TimeoutError):
        return Undeliverable(Failure.TIMEOUT, words)
    if error.errno in _PASSING:
        return Undeliverable(Failure.CONNECTION, f"the file could not be written: {words}")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        words = "a part of its directory is a link or a file"
    return Undeliverable(Failure.CONFIGURATION, f"the file cannot be written: {words}")
