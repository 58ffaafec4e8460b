"""Attempts to deliver by web hook, for tests: parcels, deliverers and name servers."""

import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from server.exports.deliveries.web_hook import WebHookDeliverer, web_hook_session
from server.exports.network import AddressInfo, Lookup, Rules, system_lookup
from server.exports.outcome import Outcome, Parcel
from server.exports.queue import Secrets, WebHook
from tests.support import web_hook_sink as other_end
from tests.support.web_hook_sink import LOOPBACK_RULES, Answer, Tls, web_hook_sink

SHORT_NS = 300_000_000
"""A time-out for what never answers; nothing that should succeed runs under it."""

TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For what speaks no TLS: to load the system's certificates takes longer than the test."""

BODY = '{"sale-1":{"total":12.50,"text":"rødgrød"}}'.encode()


def parcel_of(body: bytes = BODY, *, delivery_id: str = "dlv_1", moment_ns: int = 0) -> Parcel:
    return Parcel(
        delivery_id=delivery_id,
        queue_id="queue",
        queue_name="Sales",
        element_keys=("sale-1",),
        moment_ns=moment_ns or time.time_ns(),
        placed_ns=1_700_000_000 * 10**9,
        body=body,
        content_type="application/json",
        extension=".json",
    )


@asynccontextmanager
async def delivering(
    configuration: WebHook,
    rules: Rules = LOOPBACK_RULES,
    *,
    tls: Tls | None = None,
    lookup: Lookup = system_lookup,
) -> AsyncIterator[Callable[..., Awaitable[Outcome]]]:
    """Yield a function that makes one attempt with a parcel and secrets."""
    context = tls.client if tls else TRUSTING_NOBODY
    async with web_hook_session(rules, tls=context, lookup=lookup) as session:
        deliverer = WebHookDeliverer(configuration, session, rules)

        async def deliver(parcel: Parcel | None = None, secrets: Secrets | None = None) -> Outcome:
            return await deliverer.deliver(parcel or parcel_of(), secrets or {})

        yield deliver


async def outcome_of(
    answer: Answer,
    *,
    secrets: Secrets | None = None,
    timeout_ns: int = 15_000_000_000,
    parcel: Parcel | None = None,
) -> Outcome:
    """Deliver once to a sink that gives this answer."""
    async with web_hook_sink() as sink:
        sink.script("/hook", answer)
        configuration = WebHook(url=sink.url(), timeout_ns=timeout_ns)
        async with delivering(configuration) as deliver:
            return await deliver(parcel, secrets)


async def sent_by(
    configuration_of: Callable[[str], WebHook],
    *,
    body: bytes = BODY,
    secrets: Secrets | None = None,
) -> other_end.Delivery:
    """Deliver once to a sink that accepts, and return what arrived."""
    async with web_hook_sink() as sink, delivering(configuration_of(sink.url())) as deliver:
        assert Outcome(status=200) == await deliver(parcel_of(body), secrets)
        (delivery,) = sink.deliveries
        return delivery


def lookup_of(*answers: str) -> Lookup:
    """Return a name server that gives another answer each time; the last one is repeated."""
    left = list(answers)

    async def lookup(_host: str, port: int) -> list[AddressInfo]:
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return lookup


def closed_port() -> int:
    """Return a port of loopback at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
