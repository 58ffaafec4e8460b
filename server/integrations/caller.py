"""Call the endpoint of an integration: within a deadline, to checked addresses, never redirected.

The other end is not trusted: no more than a bound is read of its answer, and nothing that it says
back shows a secret. An endpoint that fails again and again is left alone for a while.

Design: reliability.md rows 9, 10 and 19; exports.md section 2.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import Enum
from typing import Final, NamedTuple

import aiohttp
import msgspec
import yarl
from multidict import CIMultiDict

from engine.errors import FieldProblem, InvalidInput, Overloaded
from engine.strict_json import decode, shown_text
from server.exports import network, signatures
from server.exports.blackout import Blackout
from server.exports.breaker import Breaker
from server.exports.deliveries import web_hook_answers
from server.exports.deliveries.web_hook import header_problem
from server.exports.destination import HEADER_PREFIX, URL
from server.exports.network import BlockedAddress, Rules
from server.exports.queue import Secrets
from server.integrations.answers import read_refusal, unreadable
from server.integrations.checks import SIGNING_SECRETS
from server.integrations.errors import unsent
from server.integrations.integration import NS_PER_SECOND, Integration

ANSWER_BYTES_MAX: Final = 1 << 20
ERROR_BYTES_MAX: Final = 1_000
TRIES_MAX: Final = 2
"""How often a request is sent when its connection is lost: the idempotency key makes it safe."""

_CHUNK_BYTES: Final = 65_536
_DONE: Final = (200, 201)
_NOT_NOW: Final = (408, 409, 425, 429)
"""Statuses that refuse for the moment only: a time-out, a twin under way, too many requests."""


class Outcome(Enum):
    """What became of a call; the value is what the log keeps."""

    ANSWERED = "answered"
    REFUSED = "refused"
    UNSENT = "unsent"
    UNKNOWN = "unknown"


class Endpoint(NamedTuple):
    """Who is called.

    Attributes:
        account_id: Whose integration it is.
        integration: Where it is.
        secrets: Its secrets.
    """

    account_id: str
    integration: Integration
    secrets: Secrets

    @property
    def name(self) -> tuple[str, str]:
        """What is kept of the endpoint in memory is kept under this name."""
        return self.account_id, self.integration.identifier


class Reply(NamedTuple):
    """What came back.

    Attributes:
        outcome: What became of the call.
        value: The decoded answer of one that was answered.
        status: Of HTTP; None without an answer.
        error: Why it was refused or failed, without secrets.
        problem: Why it was refused.
        elapsed_ns: How long it took.
    """

    outcome: Outcome
    value: object = None
    status: int | None = None
    error: str = ""
    problem: FieldProblem | None = None
    elapsed_ns: int = 0


class _Unusable(Exception):
    """What is configured cannot be sent; the text says why and shows no secret."""


class Caller:
    """Calls endpoints, and remembers how they are."""

    def __init__(
        self, session: aiohttp.ClientSession, rules: Rules, *, clock: Callable[[], int]
    ) -> None:
        """Know no endpoint yet.

        Args:
            session: From `web_hook_session` with the same rules.
            rules: What the operator allows.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        """
        self._session = session
        self._rules = rules
        self._clock = clock
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._active: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def admitted(self, endpoint: Endpoint) -> Generator[None, None, None]:
        """Let one more call of an endpoint in for the length of the block.

        Raises:
            Overloaded: As many as it takes are under way; nothing was sent.
            IntegrationUnavailable: It is left alone after failures; nothing was sent.
        """
        name, was = endpoint.name, shown_text(endpoint.integration.identifier)
        breaker = self._breakers.get(name, Breaker())
        if self._clock() < breaker.closed_until_ns or (breaker.is_probing and self._active[name]):
            raise unsent(f"expected an integration that answers, was {was}, which failed lately")
        if self._active[name] >= endpoint.integration.concurrency:
            expected = f"expected at most {endpoint.integration.concurrency} calls at a time"
            raise Overloaded(f"{expected} of {was}, was one more; nothing was sent")
        self._active[name] += 1
        try:
            yield
        finally:
            self._active[name] -= 1
            if not self._active[name]:
                del self._active[name]

    async def call(self, endpoint: Endpoint, body: bytes, *, identifier: str) -> Reply:
        """Send a request and return what came back; it raises nothing but CancelledError.

        Args:
            endpoint: Who is called; `admitted` has let it in.
            body: JSON.
            identifier: The idempotency key, or an id of a request that changes nothing.
        """
        begin_ns = time.monotonic_ns()
        reply = await self._attempt(endpoint, body, identifier)
        breaker = self._breakers.pop(endpoint.name, Breaker())
        if reply.outcome in (Outcome.UNSENT, Outcome.UNKNOWN):
            # Only endpoints that fail are remembered.
            self._breakers[endpoint.name] = breaker.failed(self._clock())
        return reply._replace(elapsed_ns=time.monotonic_ns() - begin_ns)

    async def _attempt(self, endpoint: Endpoint, body: bytes, identifier: str) -> Reply:
        blackout = Blackout(endpoint.secrets)
        timeout_ns = endpoint.integration.timeout_ns
        is_sent = False
        try:
            url = self._url(endpoint)
            headers = _headers(endpoint)
            _sign(headers, endpoint.secrets, body, identifier, self._clock())
            async with asyncio.timeout(timeout_ns / NS_PER_SECOND):
                for tries_left in reversed(range(TRIES_MAX)):
                    try:
                        return await self._exchange(url, headers, body, blackout)
                    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                        is_sent = is_sent or not _is_unconnected(error)
                        if not tries_left or not is_sent:
                            raise
                raise AssertionError("the last try returns or raises")
        except _Unusable as error:
            return Reply(Outcome.UNSENT, error=str(error))
        except Exception as error:  # whatever it is, the till has to be told what to do
            outcome = Outcome.UNKNOWN if is_sent or not _is_unconnected(error) else Outcome.UNSENT
            said = web_hook_answers.failed(error, timeout_ns, blackout)
            return Reply(outcome, error=said.error)

    async def _exchange(
        self, url: yarl.URL, headers: CIMultiDict[str], body: bytes, blackout: Blackout
    ) -> Reply:
        async with self._session.post(
            url, data=body, headers=headers, allow_redirects=False
        ) as response:
            status, data = response.status, await _read(response)
            if data is None:
                response.close()
        return _understood(status, data, blackout)

    def _url(self, endpoint: Endpoint) -> yarl.URL:
        url = endpoint.secrets.get(URL) or endpoint.integration.url
        try:
            network.check_url(url, self._rules)
        except (BlockedAddress, ValueError) as error:
            raise _Unusable(f"url: {error}") from None
        return yarl.URL(url)


def _headers(endpoint: Endpoint) -> CIMultiDict[str]:
    """Return the headers that an integration configures.

    Raises:
        _Unusable: One of them cannot be sent.
    """
    headers = CIMultiDict({"Accept": "application/json", "User-Agent": "Tillcore"})
    hidden = {
        name.removeprefix(HEADER_PREFIX): value
        for name, value in endpoint.secrets.items()
        if name.startswith(HEADER_PREFIX)
    }
    # The secret ones come last, and so win.
    for name, value in (*endpoint.integration.headers.items(), *hidden.items()):
        problem = header_problem(name, value)
        if problem is not None:
            raise _Unusable(problem)
        headers[name] = value
    return headers


def _sign(
    headers: CIMultiDict[str], secrets: Secrets, body: bytes, identifier: str, now_ns: int
) -> None:
    """Add what a receiver knows a request by, as Standard Webhooks has it.

    Raises:
        _Unusable: A signing secret is none.
    """
    timestamp_seconds = now_ns // NS_PER_SECOND
    headers["Content-Type"] = "application/json"
    headers["Accept-Encoding"] = "identity"
    headers["Idempotency-Key"] = identifier
    headers["webhook-id"] = identifier
    headers["webhook-timestamp"] = str(timestamp_seconds)
    try:
        keys = [
            signatures.read_secret(secrets[name]) for name in SIGNING_SECRETS if name in secrets
        ]
    except ValueError as error:
        raise _Unusable(str(error)) from None
    if keys:
        headers["webhook-signature"] = signatures.sign(
            delivery_id=identifier, timestamp_seconds=timestamp_seconds, body=body, keys=keys
        )


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, None when it is longer than its bound."""
    data = bytearray()
    while chunk := await response.content.read(_CHUNK_BYTES):
        data += chunk
        if len(data) > ANSWER_BYTES_MAX:
            return None
    return bytes(data)


def _understood(status: int, data: bytes | None, blackout: Blackout) -> Reply:
    """Return what an answer means.

    Done is 200 or 201 with JSON, refused is 4xx with an error in our form. Whatever else says
    nothing about what was done: a proxy between may have made it up.
    """
    if data is None:
        error = f"expected at most {ANSWER_BYTES_MAX} bytes, was more (status {status})"
        return Reply(Outcome.UNKNOWN, status=status, error=error)
    is_refusal = 400 <= status <= 499 and status not in _NOT_NOW
    value: object = None
    if status in _DONE or is_refusal:
        try:
            value = decode(data)
        except InvalidInput as trouble:
            if not is_refusal:
                shown = blackout.shown(unreadable(trouble), ERROR_BYTES_MAX)
                return Reply(Outcome.UNKNOWN, status=status, error=shown)
    if status in _DONE:
        return Reply(Outcome.ANSWERED, value=value, status=status)
    problem = read_refusal(value) if is_refusal else None
    if problem is not None:
        shown = blackout.shown(problem.message, ERROR_BYTES_MAX)
        problem = msgspec.structs.replace(problem, message=shown)
        return Reply(Outcome.REFUSED, status=status, error=shown, problem=problem)
    error = f"expected status 200, or 4xx with an error in JSON, was {status}"
    return Reply(Outcome.UNKNOWN, status=status, error=error)


def _is_unconnected(error: Exception) -> bool:
    """Return whether no connection was made, so that nothing can have been sent."""
    return isinstance(error, aiohttp.ClientConnectorError | BlockedAddress | aiohttp.InvalidURL)
