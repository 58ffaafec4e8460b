"""Read decoded JSON objects field by field and collect every problem with its path.

Reading goes on after a problem, so that one answer names all bad fields; `read_whole` ends it.
`null` counts as absent everywhere. The readers of the members are in `engine.readers`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from engine import limits
from engine.errors import Reason
from engine.readers import Problems, Reader, closest, shown, wrong_type
from engine.strict_json import is_array, is_object, join, shown_text

T = TypeVar("T")


class Fields:
    """The members of one JSON object, read by name; what was not asked for is unknown.

    Attributes:
        path: Path of the object, empty for the root.
        problems: Where bad members are added.
    """

    __slots__ = ("_asked", "_is_object", "_members", "path", "problems")

    def __init__(self, value: object, path: str, problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self._asked: set[str] = set()
        self._is_object = is_object(value)
        self._members: dict[str, object] = value if is_object(value) else {}
        if not self._is_object:
            wrong_type("an object", value, path, problems)

    def at(self, name: str) -> str:
        """Return the path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def raw(self, name: str) -> object:
        """Return the decoded value of a member, None when it is absent."""
        self._asked.add(name)
        return self._members.get(name)

    def required(self, name: str, reader: Reader[T], *, otherwise: T) -> T:
        """Read a member that must be there; return `otherwise` after a problem."""
        value = self.raw(name)
        if value is None or value == {}:
            self.missing(name)
            return otherwise
        checked = reader(value, self.at(name), self.problems)
        return otherwise if checked is None else checked

    def optional(self, name: str, reader: Reader[T]) -> T | None:
        """Read a member that may be absent; return None when it is absent or bad."""
        self._asked.add(name)
        value = self._members.get(name)
        return None if value is None else reader(value, self.at(name), self.problems)

    def default(self, name: str, reader: Reader[T], value: T) -> T:
        """Read a member that may be absent; return `value` when it is absent or bad."""
        checked = self.optional(name, reader)
        return value if checked is None else checked

    def missing(self, name: str, expected: str = "a value") -> None:
        """Add the problem that a required member is absent, unless there is no object at all."""
        if self._is_object:
            message = f"expected {expected}, was absent"
            self.problems.add(self.at(name), Reason.REQUIRED, message)

    def child(self, name: str) -> "Fields | None":
        """Return the members of an object inside, None when it is absent."""
        value = self.raw(name)
        return None if value is None else Fields(value, self.at(name), self.problems)

    def has(self, name: str) -> bool:
        """Tell whether a member is present and not empty; this does not count as asking for it."""
        return self._members.get(name) not in (None, {})

    def names(self) -> Iterator[str]:
        """Yield the names of the members that are present and not null, as they were sent."""
        return (name for name, value in self._members.items() if value is not None)

    def refuse_unknown(self) -> None:
        """Add a problem for every member that no reader asked for, with what it may have meant."""
        unknown = [name for name in self._members if name not in self._asked]
        known = sorted(self._asked)
        for name in unknown[: limits.PROBLEMS_REPORTED_MAX]:
            meant = closest(name, known)
            expected = meant or "one of " + ", ".join(known)
            message = f"unknown field, expected {expected}"
            self.problems.add(join(self.path, name), Reason.UNKNOWN_FIELD, message)
        for name in unknown[limits.PROBLEMS_REPORTED_MAX :]:
            self.problems.add(join(self.path, name), Reason.UNKNOWN_FIELD, "unknown field")


def keyed_objects(
    value: object, path: str, problems: Problems, *, count_max: int | None = None
) -> list[Fields]:
    """Return the objects of an array, or of an object by id, whose keys then stand for `id`.

    A repeated id is added as a problem, and so is an `id` that differs from its key.
    """
    if not (is_object(value) or is_array(value)):
        wrong_type("an array, or an object by id", value, path, problems)
        return []
    if count_max is not None and len(value) > count_max:
        message = f"expected at most {count_max} entries, was {len(value)}"
        problems.add(path, Reason.TOO_MANY, message)
        return []
    if is_object(value):
        return [_keyed(key, member, join(path, key), problems) for key, member in value.items()]
    return [Fields(member, f"{path}[{i}]", problems) for i, member in enumerate(value)]


def _keyed(key: str, member: object, path: str, problems: Problems) -> Fields:
    """Return the object under a key with the key as its id."""
    if not is_object(member):
        return Fields(member, path, problems)
    own = member.get("id")
    if own is not None and own != key:
        message = f"expected the key {shown_text(key)}, was {shown(own)}"
        problems.add(f"{path}.id", Reason.MALFORMED, message)
    return Fields({**member, "id": key}, path, problems)


def refuse_repeated(
    entries: Iterable[tuple[str, str | None]], problems: Problems, *, noun: str
) -> None:
    """Add a problem for each (path, id) whose id occurred before; None and "" are skipped."""
    seen: dict[str, str] = {}
    for path, each in entries:
        if not each:
            continue
        if each in seen:
            message = f"expected each {noun} once, was also at {seen[each]}: {shown_text(each)}"
            problems.add(path, Reason.DUPLICATE, message)
        else:
            seen[each] = path


def read_whole(value: object, build: Callable[[Fields], T]) -> T:
    """Return what `build` makes of a JSON object, or raise InvalidInput with all problems."""
    problems = Problems()
    result = build(Fields(value, "", problems))
    problems.finish()
    return result
