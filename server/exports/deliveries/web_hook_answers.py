"""Read what came back from a web hook as an outcome in which no secret shows."""

import errno
import re
import socket
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from server.exports.blackout import Blackout
from server.exports.network import BlockedAddress
from server.exports.outcome import ERROR_LENGTH_MAX, RESPONSE_BYTES_MAX, Failure, Outcome

_RETRY_AFTER_STATUSES: Final = frozenset({429, 503})
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_NS_PER_SECOND: Final = 10**9
_LOCATION_SHOWN_MAX: Final = 200


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
