"""Deliver by web hook: one HTTP request for each attempt, signed as Standard Webhooks has it.

The other end is not trusted: its address is checked, its redirects are not followed, its answer is
read up to a bound and a deadline, and nothing that it says back shows a secret.

Source: design, exports.md section 2 and reliability.md rows 9 and 10.
"""

import asyncio
import functools
import io
import re
import socket
import ssl
from contextvars import ContextVar
from typing import Final
from urllib.parse import urlencode
from weakref import WeakSet

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL

from server.exports import network, signatures
from server.exports.blackout import Blackout
from server.exports.deliveries import web_hook_answers
from server.exports.network import Lookup, Rules
from server.exports.outcome import Failure, Outcome, Parcel
from server.exports.queue import BodyEncoding, Secrets, WebHook

METHODS: Final = ("POST", "PUT")

READ_BYTES_MAX: Final = 65_536
"""How much of an answer is read; a longer one costs the connection (design: reliability row 9)."""

HEADER_VALUE_LENGTH_MAX: Final = 4_000
"""Half of what common servers take for all headers together."""

KEEP_ALIVE_SECONDS: Final = 2.0
"""Less than common servers wait, so that they seldom hang up on a request that is under way."""

_REUSES_MAX: Final = 3
"""How many pooled connections may turn out to be dead before an attempt counts as failed."""

_HEADER_SECRET: Final = "header:"
_SIGNING_SECRETS: Final = ("signing_secret", "signing_secret_2")
_NS_PER_SECOND: Final = 10**9
_LARGE_BODY_BYTES: Final = 1 << 20
_FORM_TYPE: Final = "application/x-www-form-urlencoded"

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_RESERVED: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_RESERVED_PREFIXES: Final = ("webhook-", "proxy-")

_is_connection_used: ContextVar[bool] = ContextVar("is_connection_used", default=False)

_FORM_DECODER: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class WebHookDeliverer:
    """Delivers parcels to one endpoint; a `server.exports.outcome.Deliverer`."""

    def __init__(
        self, configuration: WebHook, session: aiohttp.ClientSession, rules: Rules
    ) -> None:
        """Set it up.

        Args:
            configuration: Where to and how.
            session: From `web_hook_session` with the same rules; all deliverers share it.
            rules: What the operator allows.
        """
        self._configuration = configuration
        self._session = session
        self._rules = rules
        self._secrets: Secrets = {}
        self._blackout = Blackout(self._secrets)
        self._endpoint: _Endpoint | None = None

    async def deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        """Make one attempt; it raises nothing but CancelledError, and ends within its time-out.

        The status decides, as soon as it is there: a receiver that has said 2xx has the delivery,
        even if the rest of its answer drips, breaks off or never ends.
        """
        if secrets != self._secrets:
            self._secrets = dict(secrets)
            self._blackout = Blackout(self._secrets)
            self._endpoint = None
        blackout = self._blackout
        try:
            if self._endpoint is None:
                self._endpoint = _endpoint_of(self._configuration, secrets, self._rules)
            request = _request_of(self._endpoint, parcel)
            return await self._attempt(request, parcel.moment_ns, blackout)
        except _Unusable as error:
            return Outcome(Failure.CONFIGURATION, str(error))
        except Exception as error:  # the loop of a lane must not end with one attempt
            return web_hook_answers.failed(error, self._configuration.timeout_ns, blackout)

    async def _attempt(self, request: "_Request", moment_ns: int, blackout: Blackout) -> Outcome:
        deadline = asyncio.get_running_loop().time()
        deadline += self._configuration.timeout_ns / _NS_PER_SECOND
        async with asyncio.timeout_at(deadline):
            response = await self._answer_to(request)
        try:
            body = await _body_of(response, deadline)
            return web_hook_answers.answered(
                status=response.status,
                headers=response.headers,
                body=body,
                moment_ns=moment_ns,
                blackout=blackout,
            )
        finally:
            response.close()

    async def _answer_to(self, request: "_Request") -> aiohttp.ClientResponse:
        """Send a request and return the answer, of which only the head has been read.

        A connection of the pool may have been closed by the other end just now, which says nothing
        about the endpoint: it is tried again on another one. What the other end has got all the
        same it knows by its id.
        """
        for _ in range(_REUSES_MAX):
            _is_connection_used.set(False)
            try:
                return await self._send(request)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not _is_connection_used.get():
                    raise
        return await self._send(request)

    async def _send(self, request: "_Request") -> aiohttp.ClientResponse:
        is_large = len(request.body) > _LARGE_BODY_BYTES
        return await self._session.request(
            self._configuration.method,
            request.url,
            data=io.BytesIO(request.body) if is_large else request.body,
            headers=request.headers,
            allow_redirects=False,
        )


def web_hook_session(
    rules: Rules,
    tls: ssl.SSLContext | None = None,
    lookup: Lookup = network.system_lookup,
) -> aiohttp.ClientSession:
    """Return the session of a process; close it at its end. It needs a running event loop.

    It asks no environment for proxies or passwords, keeps no cookies, unpacks nothing, and connects
    to checked addresses only. It bounds no concurrency: the lanes of the dispatcher do.

    Args:
        rules: What the operator allows.
        tls: Whom to trust; the system's certificate authorities when None.
        lookup: Finds the addresses of a host.
    """
    connector = _Connector(
        limit=0,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        resolver=_CheckedResolver(rules, lookup),
        socket_factory=network.checked_sockets(rules),
        ssl=tls or ssl.create_default_context(),
    )
    return aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BYTES_MAX,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        trust_env=False,
    )


def header_problem(name: str, value: str) -> str | None:
    """Return the sentence that says what is wrong with a configured header; None if it is fine.

    The sentence does not repeat the value, which may be a secret.
    """
    if not _TOKEN.fullmatch(name):
        return "expected the name of a header, up to 100 letters, digits and hyphens"
    if name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES):
        return f"expected another header than {name}, which the delivery sets itself"
    if len(value) > HEADER_VALUE_LENGTH_MAX:
        return (
            f"expected at most {HEADER_VALUE_LENGTH_MAX} characters in header {name},"
            f" was {len(value)}"
        )
    if not _VALUE.fullmatch(value):
        return f"expected printable ASCII without blanks at its ends in header {name}"
    return None


class _Unusable(Exception):
    """What is configured cannot be sent; the text says why and shows no secret."""


class _Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What all attempts with the same secrets share; its headers are never changed."""

    url: URL
    headers: CIMultiDict[str]
    keys: tuple[bytes, ...]
    is_form: bool


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt sends."""

    url: URL
    headers: CIMultiDict[str]
    body: bytes


def _endpoint_of(configuration: WebHook, secrets: Secrets, rules: Rules) -> _Endpoint:
    """Check a configuration and its secrets.

    Raises:
        _Unusable: One of them cannot be sent.
        BlockedAddress: The URL names an address that may not be reached.
    """
    if configuration.method not in METHODS:
        raise _Unusable(f"expected method POST or PUT, was {configuration.method[:20]!r}")
    url = secrets.get("url") or configuration.url
    try:
        network.check_url(url, rules)
    except ValueError as error:
        raise _Unusable(f"url: {error}") from None
    headers = CIMultiDict({"Accept-Encoding": "identity", "User-Agent": "Tillcore"})
    hidden = {
        name.removeprefix(_HEADER_SECRET): value
        for name, value in secrets.items()
        if name.startswith(_HEADER_SECRET)
    }
    # The secret ones come last, and so win.
    for name, value in (*configuration.headers.items(), *hidden.items()):
        problem = header_problem(name, value)
        if problem is not None:
            raise _Unusable(problem)
        headers[name] = value
    try:
        keys = tuple(
            signatures.read_secret(secrets[name]) for name in _SIGNING_SECRETS if secrets.get(name)
        )
    except ValueError as error:
        raise _Unusable(str(error)) from None
    is_form = configuration.body is BodyEncoding.FORM
    return _Endpoint(url=URL(url), headers=headers, keys=keys, is_form=is_form)


def _request_of(endpoint: _Endpoint, parcel: Parcel) -> _Request:
    """Return what one attempt sends, with the headers of Standard Webhooks.

    Raises:
        _Unusable: The body cannot be sent as a form, or its type cannot stand in a header.
    """
    if not _VALUE.fullmatch(parcel.content_type):
        raise _Unusable("expected a content type of printable ASCII, such as text/plain")
    body = _form_of(parcel.body) if endpoint.is_form else parcel.body
    timestamp_seconds = parcel.moment_ns // _NS_PER_SECOND
    headers = endpoint.headers.copy()
    headers["Content-Type"] = _FORM_TYPE if endpoint.is_form else parcel.content_type
    headers["webhook-id"] = parcel.delivery_id
    headers["webhook-timestamp"] = str(timestamp_seconds)
    if endpoint.keys:
        headers["webhook-signature"] = signatures.sign(
            delivery_id=parcel.delivery_id,
            timestamp_seconds=timestamp_seconds,
            body=body,
            keys=endpoint.keys,
        )
    return _Request(url=endpoint.url, headers=headers, body=body)


def _form_of(body: bytes) -> bytes:
    """Return the members of a JSON object as fields of a form.

    Texts stand as they are, null is empty, and numbers, truths, objects and arrays stand as their
    JSON, to the letter.

    Raises:
        _Unusable: The body is no JSON object.
    """
    try:
        members = _FORM_DECODER.decode(body)
        return urlencode({name: _field_of(bytes(raw)) for name, raw in members.items()}).encode()
    except (msgspec.DecodeError, UnicodeError):
        raise _Unusable("expected a JSON object to be sent as a form, was another body") from None


def _field_of(raw: bytes) -> str:
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str)
    return "" if raw == b"null" else raw.decode()


async def _body_of(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """Return what there is of the body, up to the bound and the deadline; it never raises."""
    body = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            while len(body) < READ_BYTES_MAX:
                chunk = await response.content.read(READ_BYTES_MAX - len(body))
                if not chunk:
                    break
                body += chunk
    except (TimeoutError, OSError, aiohttp.ClientError):
        pass
    return bytes(body)


class _Connector(aiohttp.TCPConnector):
    """Tells the task that asked for a connection whether that has carried a request before.

    aiohttp's tracing tells it too, for 50 us a request.
    """

    @functools.cached_property
    def _used(self) -> WeakSet[object]:
        return WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """Return a connection, from the pool or a new one."""
        connection = await super().connect(req, traces, timeout)
        _is_connection_used.set(connection.protocol in self._used)
        self._used.add(connection.protocol)
        return connection


class _CheckedResolver(AbstractResolver):
    """Resolves names for aiohttp, and checks what comes back."""

    def __init__(self, rules: Rules, lookup: Lookup) -> None:
        self._rules = rules
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            BlockedAddress: One of them may not be reached.
            gaierror: The host is not known.
        """
        found = await network.resolve(host, port, self._rules, self._lookup)
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=port,
                family=address_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address_family, _, protocol, _, address in found
            if family in (socket.AF_UNSPEC, address_family)
        ]

    async def close(self) -> None:
        """Close nothing: nothing is open."""
