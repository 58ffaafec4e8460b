"""Keep the columns of a selection in a directory, so that the next question begins with them.

The directory has the history, a file for each chunk, and a manifest that is written last: without
one, or with that of another selection, everything is gathered anew.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from server.replay.columns import FORM
from server.replay.history import History
from server.replay.selection import Selection
from server.replay.work import Answer, Task

_MANIFEST: Final = "manifest.json"
_HISTORY: Final = "history.msgpack"
_CHUNK: Final = "{:06}.columns"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the directory holds.

    Attributes:
        form: The form of the columns.
        selection: Whose baskets they are, and how many.
        chunk_baskets: How many baskets each chunk has, in their order.
    """

    form: int
    selection: Selection
    chunk_baskets: tuple[int, ...]


class KeptColumns:
    """The columns in a directory."""

    def __init__(self, directory: Path) -> None:
        """Name the directory, which need not be there."""
        self._directory = directory
        self._counts: dict[int, int] = {}

    def find(self, selection: Selection) -> Manifest | None:
        """Return the manifest if the directory holds just these baskets, else None."""
        try:
            data = (self._directory / _MANIFEST).read_bytes()
            manifest = msgspec.json.decode(data, type=Manifest)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        is_same = manifest.form == FORM and manifest.selection == selection
        return manifest if is_same else None

    def history(self) -> History:
        """Return the history beside the columns."""
        data = (self._directory / _HISTORY).read_bytes()
        return msgspec.msgpack.decode(data, type=History)

    def tasks(self, manifest: Manifest) -> Iterator[Task]:
        """Yield the chunks."""
        for number, count in enumerate(manifest.chunk_baskets):
            data = (self._directory / _CHUNK.format(number)).read_bytes()
            yield Task(number, count, data, is_columns=True)

    # --- gathering ---------------------------------------------------------------------------

    def begin(self, history: History) -> None:
        """Begin to gather anew.

        Raises:
            OSError: The directory cannot be written.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in (_MANIFEST, _HISTORY):
            (self._directory / name).unlink(missing_ok=True)
        for path in self._directory.glob("*.columns"):
            path.unlink()
        self._write(_HISTORY, msgspec.msgpack.encode(history))
        self._counts = {}

    def add(self, answer: Answer) -> None:
        """Write the columns of a chunk."""
        assert answer.columns is not None, "the columns were asked for"
        self._write(_CHUNK.format(answer.number), answer.columns)
        self._counts[answer.number] = answer.basket_count

    def finish(self, selection: Selection) -> None:
        """Write the manifest: all chunks are there."""
        counts = tuple(self._counts[number] for number in range(len(self._counts)))
        manifest = Manifest(form=FORM, selection=selection, chunk_baskets=counts)
        self._write(_MANIFEST, msgspec.json.encode(manifest))

    def _write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; what was sold is for nobody else to read."""
        path = self._directory / name
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_bytes(data)
        new.replace(path)
