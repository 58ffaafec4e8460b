"""Read what came back from a web hook as an outcome in which no secret shows."""

import base64
import binascii
import errno
import html
import json
import re
import socket
import ssl
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Final
from urllib.parse import quote, quote_plus

import aiohttp
from yarl import URL

from server.exports.network import BlockedAddress
from server.exports.outcome import ERROR_LENGTH_MAX, RESPONSE_BYTES_MAX, Failure, Outcome
from server.exports.queue import Secrets

BLACKED_OUT: Final = "***"
"""What stands where a secret stood."""

_RETRY_AFTER_STATUSES: Final = frozenset({429, 503})
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_NS_PER_SECOND: Final = 10**9
_LOCATION_SHOWN_MAX: Final = 200

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


def answered(
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    moment_ns: int,
    blackout: Blackout,
) -> Outcome:
    """Return the outcome of an attempt that was answered: the status decides, and 2xx is success.

    Args:
        status: Of HTTP.
        headers: Of the answer.
        body: What of the answer was read.
        moment_ns: When the attempt was made; dates in `Retry-After` count from here.
        blackout: Hides the secrets.
    """
    response = blackout.shown(body.decode(errors="replace"), RESPONSE_BYTES_MAX) if body else ""
    if 200 <= status <= 299:
        return Outcome(status=status, response=response)
    retry_after_ns = None
    if status in _RETRY_AFTER_STATUSES:
        retry_after_ns = _retry_after_ns(headers.get("Retry-After", ""), moment_ns)
    error = f"expected status 2xx, was {status}"
    location = headers.get("Location", "")
    if location and 300 <= status <= 399:
        shown = blackout.shown(location, _LOCATION_SHOWN_MAX)
        error = f"{error} to {shown}; redirects are not followed"
    return Outcome(Failure.STATUS, error, status, response, retry_after_ns)


def failed(error: Exception, timeout_ns: int, blackout: Blackout) -> Outcome:
    """Return the outcome of an attempt that was not answered."""
    failure, sentence = _meaning_of(error, timeout_ns)
    return Outcome(failure, blackout.shown(sentence, ERROR_LENGTH_MAX))


def _meaning_of(error: Exception, timeout_ns: int) -> tuple[Failure, str]:
    """Return what an error of the client means, and the sentence for it."""
    cause = _cause_of(error)
    if isinstance(cause, BlockedAddress):
        return Failure.BLOCKED_ADDRESS, str(cause)
    if isinstance(cause, TimeoutError):
        seconds = f"{timeout_ns / _NS_PER_SECOND:g} s"
        return Failure.TIMEOUT, f"expected an answer within {seconds}, was none"
    if isinstance(cause, socket.gaierror):
        return Failure.NAME, f"expected a host with an address, was {cause.strerror}"
    if isinstance(cause, ssl.SSLError):
        why = getattr(cause, "verify_message", "") or cause.reason or cause.strerror
        return Failure.TLS, f"expected a trusted TLS connection, was {why}"
    if isinstance(cause, OSError) and _is_refusal(cause):
        return Failure.REFUSED, "expected a connection, was refused"
    if isinstance(cause, OSError | aiohttp.ClientConnectionError | aiohttp.ClientPayloadError):
        return Failure.CONNECTION, f"expected an answer, was a lost connection ({cause})"
    if isinstance(cause, aiohttp.ClientResponseError):
        return Failure.PROTOCOL, f"expected an answer in HTTP/1.1, was another ({cause.message})"
    if isinstance(cause, aiohttp.ClientError):
        return Failure.PROTOCOL, f"expected an answer in HTTP/1.1, was {cause}"
    return Failure.DEFECT, f"{type(cause).__name__}: {cause}"


def _is_refusal(error: OSError) -> bool:
    """Tell whether an address refused the connection, be it one of several.

    Of addresses that fail in different ways the client makes one error without a number, whose text
    has the texts of all.
    """
    return f"[Errno {errno.ECONNREFUSED}]" in str(error)


def _cause_of(error: Exception) -> BaseException:
    """Return what is inside an error of aiohttp's connector."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
    return error


def _retry_after_ns(text: str, moment_ns: int) -> int | None:
    """Return how long to wait (RFC 9110, 10.2.3): seconds or a date; None if it is neither."""
    if _SECONDS.fullmatch(text.strip()):
        return int(text) * _NS_PER_SECOND
    try:
        date = parsedate_to_datetime(text)
        return max(0, int(date.timestamp()) * _NS_PER_SECOND - moment_ns)
    except (ValueError, OverflowError):
        return None


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
