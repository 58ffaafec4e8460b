"""Names of delivered files and subjects of mails, from patterns with words in braces."""

import hashlib
import re
import unicodedata
from datetime import UTC, datetime
from typing import Final

from server.exports.outcome import Parcel

WORDS: Final = ("queue", "key", "date", "id")
"""What may stand in braces: the queue's name, the first element key, the date, the delivery id."""

DEFAULT_PATTERN: Final = "{queue}-{key}-{date}"

NAME_BYTES_MAX: Final = 200
"""How long a name may be in UTF-8: 255 is usual, and a temporary name is longer by a few."""

_MARK_LENGTH = 16
_WORD = re.compile(rf"\{{({'|'.join(WORDS)})\}}")
_UNSAFE = re.compile(r"[^\w.\-]+")
_NS_PER_SECOND = 10**9


def text_of(pattern: str, parcel: Parcel) -> str:
    """Return a pattern with its words replaced, on one line and without control characters."""
    return " ".join(_printable(_filled(pattern, parcel)).split())


def lines_of(pattern: str, parcel: Parcel) -> str:
    """Return a pattern with its words replaced; its own line breaks stay."""
    lines = pattern.splitlines()
    return "".join(f"{_printable(_filled(line, parcel)).rstrip()}\n" for line in lines)


def file_name_of(pattern: str, parcel: Parcel) -> str:
    """Return a file name: one path segment of letters, digits, `_`, `-` and dots.

    It is the same at every attempt, and two parcels never share one, not even where upper and lower
    case are one: after what the pattern gives follow 64 bits of a digest of the delivery id.
    """
    text = unicodedata.normalize("NFC", _filled(pattern or DEFAULT_PATTERN, parcel))
    safe = _UNSAFE.sub("_", text.removesuffix(parcel.extension)).lstrip(".-")
    mark = hashlib.sha256(parcel.delivery_id.encode()).hexdigest()[:_MARK_LENGTH]
    ending = f"-{mark}{parcel.extension}"
    stem = safe.encode()[: NAME_BYTES_MAX - len(ending.encode())].decode(errors="ignore")
    return f"{stem.rstrip('._-') or 'export'}{ending}"


def temporary_name_of(name: str) -> str:
    """Return the name that a file has while it is written; it is the same at every attempt."""
    return f".{name}.part"


def pattern_problem(pattern: str) -> str:
    """Return what is wrong with a pattern, as a sentence; empty if nothing is."""
    rest = _WORD.sub("", pattern)
    if "{" not in rest and "}" not in rest:
        return ""
    words = ", ".join(f"{{{word}}}" for word in WORDS)
    return f"expected only {words} in braces, was {pattern!r}"


def _filled(pattern: str, parcel: Parcel) -> str:
    values = _values(parcel)
    return _WORD.sub(lambda found: values[found[1]], pattern)


def _values(parcel: Parcel) -> dict[str, str]:
    moment = datetime.fromtimestamp(parcel.placed_ns // _NS_PER_SECOND, UTC)
    return {
        "queue": parcel.queue_name,
        "key": parcel.element_keys[0],
        "date": moment.strftime("%Y-%m-%dT%H%M%SZ"),
        "id": parcel.delivery_id,
    }


def _printable(text: str) -> str:
    """Put a space in place of control characters, line separators and lone surrogates."""
    return "".join(
        " " if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") else each for each in text
    )
