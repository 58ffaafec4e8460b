"""Read the golden cases of tests/golden and compare answers with what they expect.

A file holds `cases` and, shared by them, a `context`; the `context` of a case replaces members of
the shared one, and within `market` member by member. A case says `why` its numbers are right, and
has either `expected`, a part of the answer, or `expected_error` with its code and fields. A case
with too many units for the reference, which goes unit by unit, is `kernel_only`.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[1] / "golden"
FILES = "*.json"

Json = dict[str, object]

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Golden(msgspec.Struct, frozen=True):
    """One case: the request, and the part of the answer that it pins."""

    name: str
    why: str
    context: Json
    basket: Json
    expected: Json | None = None
    expected_error: Json | None = None
    is_kernel_only: bool = False


def goldens() -> Iterator[Golden]:
    """Yield all cases of all files, by the names of the files."""
    for path in sorted(ROOT.glob(FILES)):
        document = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        for case in document.get("cases", ()):
            context = merged(document.get("context", {}), case.get("context", {}))
            yield Golden(
                name=f"{path.stem}: {case['name']}",
                why=case["why"],
                context=context,
                basket=case["basket"],
                expected=case.get("expected"),
                expected_error=case.get("expected_error"),
                is_kernel_only=case.get("kernel_only", False),
            )


def merged(shared: Json, own: Json) -> Json:
    """Return the context of a case."""
    context = {**shared, **own}
    ours, theirs = shared.get("market"), own.get("market")
    if isinstance(ours, dict) and isinstance(theirs, dict):
        context["market"] = {**ours, **theirs}
    return context


def to_json(value: Json) -> bytes:
    """Return a request as JSON with its numbers exactly as the case has them."""
    return _ENCODER.encode(value)


def from_json(data: bytes) -> object:
    """Return an answer with its numbers as exact decimals."""
    return json.loads(data, parse_float=Decimal)


def differences(expected: object, actual: object, path: str = "answer") -> Iterator[str]:
    """Yield where an answer differs: null is an absent member, members not named may be anything.

    Numbers are equal as decimals; a list has all of its elements, each compared in part.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name, member in expected.items():
            yield from differences(member, actual.get(name), f"{path}.{name}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif type(expected) is bool or type(actual) is bool:
        if expected is not actual:
            yield f"{path}: expected {expected}, was {actual}"
    elif expected != actual:
        yield f"{path}: expected {expected}, was {actual}"
