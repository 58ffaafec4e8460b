"""Hide secrets in what is said of a delivery, and show what would not show."""

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final
from urllib.parse import quote, quote_plus

from yarl import URL

from server.exports.queue import Secrets

BLACKED_OUT: Final = "***"
"""What stands where a secret stood."""

_PART_LENGTH_MIN: Final = 6
"""Parts of a secret that are shorter are common words, such as `Token` or `v1`."""

_SCHEMES: Final = frozenset({"apikey", "bearer", "digest"})
"""Words in front of a secret that are long enough to pass for one (RFC 9110, 11.1)."""

_SEEN_AS_IS: Final = "\t\n"
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})

_NEVER: Final = re.compile(r"(?!)")


class Blackout:
    """Hides the secrets of a delivery in texts, however the other end writes them."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = {form for word in _words(self._secrets) for form in _forms(word)}
        # The longest first: of two that begin alike, the shorter would leave the rest to be seen.
        ordered = sorted(forms, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, ordered))) if ordered else _NEVER

    def shown(self, text: str, length_max: int) -> str:
        """Return the head of a text: without secrets, control characters made visible.

        A secret that begins within the head and ends behind it is hidden as well.

        Args:
            text: What is shown.
            length_max: How many UTF-8 bytes are shown at most.
        """
        pieces: list[str] = []
        position = 0
        for found in self._pattern.finditer(text):
            if found.start() >= length_max:
                break
            pieces += (text[position : found.start()], BLACKED_OUT)
            position = found.end()
        pieces.append(text[position:length_max])
        shown = "".join(map(_visible, "".join(pieces)))
        return shown.encode()[:length_max].decode(errors="ignore")


def _words(secrets: Secrets) -> Iterator[str]:
    """Yield each secret, and those parts of it that are secrets of their own."""
    for name, value in secrets.items():
        yield value
        if name == "url":
            yield from _long_enough(_parts_of_url(value))
        else:
            yield from _long_enough(_parts_of_value(value))


def _parts_of_value(value: str) -> Iterator[str]:
    parts = value.removeprefix("whsec_").split()
    yield from (part for part in parts if part.lower() not in _SCHEMES)
    if len(parts) > 1 and parts[0].lower() == "basic":
        try:
            credentials = base64.b64decode(parts[1], validate=True).decode()
        except (binascii.Error, ValueError):
            return
        yield credentials
        yield credentials.partition(":")[2]


def _parts_of_url(value: str) -> Iterator[str]:
    try:
        url = URL(value)
    except ValueError:
        return
    yield from (str(url), url.raw_path_qs, url.path_qs, url.raw_query_string, url.query_string)
    yield from (*url.parts, *url.raw_parts, *url.query.values())


def _long_enough(parts: Iterable[str]) -> Iterator[str]:
    return (part for part in parts if len(part) >= _PART_LENGTH_MIN)


def _forms(word: str) -> Iterator[str]:
    """Yield a word as JSON, URLs and HTML write it."""
    if word:
        yield from (word, json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1])
        yield from (quote(word, safe=""), quote(word), quote_plus(word), html.escape(word))


def _visible(character: str) -> str:
    """Return a character, or its escape where it would not show or would turn text around."""
    if character.isprintable() or character in _SEEN_AS_IS:
        return character
    if unicodedata.category(character) in _INVISIBLE:
        return character.encode("unicode_escape").decode()
    return character
