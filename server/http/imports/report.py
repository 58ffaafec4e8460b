"""Tell what became of the items of an import: in the answer, and for the log."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from engine.errors import FieldProblem, InvalidInput, TillcoreError
from server.catalog.imports import Fate, Outcome
from server.http.errors import error_document
from server.storage import import_logs
from server.storage.import_logs import FAILURES_LOGGED_MAX, Item

FAILURES_ANSWERED_MAX: Final = 100
"""How many failures an answer lists; all are counted."""

MESSAGE_CHARACTERS_MAX: Final = 500
"""How much of the words of an error is logged: the fields are there beside."""

_FATES: Final = {
    Fate.CREATED: import_logs.CREATED,
    Fate.UPDATED: import_logs.UPDATED,
    Fate.UNCHANGED: import_logs.UNCHANGED,
}
_ENCODER: Final = msgspec.json.Encoder()


def refused(item_id: str, error: TillcoreError) -> Item:
    """Return an item that was refused."""
    return Item(
        item_id,
        import_logs.REFUSED_ITEM,
        message_of(error),
        _ENCODER.encode(error_document(error)["fields"]).decode(),
    )


def item_of(outcome: Outcome) -> Item:
    """Return what became of an object of the catalogue."""
    if outcome.fate is Fate.REFUSED:
        return refused(outcome.id, InvalidInput(outcome.problems))
    return Item(outcome.id, _FATES[outcome.fate])


def message_of(error: TillcoreError) -> str:
    """Return the words of an error, cut when they are long."""
    message = error.message
    if len(message) <= MESSAGE_CHARACTERS_MAX:
        return message
    return f"{message[:MESSAGE_CHARACTERS_MAX]}..."


def renamed(error: InvalidInput, names: Iterable[tuple[str, str]]) -> InvalidInput:
    """Return an error with the beginnings of its paths as the caller knows them.

    Args:
        error: The error.
        names: Beginnings, and what stands in their place.
    """
    every = tuple(names)

    def rename(problem: FieldProblem) -> FieldProblem:
        for ours, theirs in every:
            if problem.field.startswith(ours):
                field = theirs + problem.field.removeprefix(ours)
                return FieldProblem(field, problem.reason, problem.message)
        return problem

    return InvalidInput(map(rename, error.problems))


class Tally:
    """What became of the items of one request so far."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._failures: list[dict[str, Any]] = []

    @property
    def count(self) -> int:
        """How many items there were."""
        return self._counts.total()

    @property
    def failures_left(self) -> int:
        """How many failures may still be logged."""
        return max(0, FAILURES_LOGGED_MAX - self._counts[import_logs.REFUSED_ITEM])

    def add(self, items: Iterable[Item]) -> None:
        """Count what became of the next items."""
        for item in items:
            is_listed = len(self._failures) < FAILURES_ANSWERED_MAX
            if item.fate == import_logs.REFUSED_ITEM and is_listed:
                self._failures.append(
                    {
                        "index": self.count,
                        "id": item.item_id,
                        "message": item.message,
                        "fields": msgspec.json.decode(item.fields),
                    }
                )
            self._counts[item.fate] += 1

    def document(self, *, noun: str, import_number: int, is_deletion: bool) -> dict[str, Any]:
        """Return the answer.

        Args:
            noun: What the items are called.
            import_number: Of the request in the log.
            is_deletion: Whether they were to be removed.
        """
        verb = "Deletion" if is_deletion else "Import"
        document: dict[str, Any] = {
            "status": "OK",
            "message": f"{verb} of {self.count} {noun} initiated",
            "import_number": import_number,
        }
        fates = ("deleted", "unchanged") if is_deletion else ("created", "updated", "unchanged")
        document |= {fate: self._counts[fate] for fate in fates}
        return document | {
            "refused": self._counts[import_logs.REFUSED_ITEM],
            "failures": self._failures,
        }
