"""What a web hook makes of an endpoint that answers well, badly, late or never."""

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import ip_network

import aiohttp
import pytest

from server.exports.deliveries.web_hook import READ_BYTES_MAX, WebHookDeliverer, web_hook_session
from server.exports.network import AddressInfo, BlockedAddress, Rules
from server.exports.outcome import RESPONSE_BYTES_MAX, Failure, Outcome
from server.exports.queue import WebHook
from tests.support import web_hook_sink as other_end
from tests.support.web_hook_sink import (
    LOOPBACK_RULES,
    Answer,
    Close,
    DripBody,
    DripHead,
    Endless,
    Hang,
    Raw,
    Redirect,
    Reply,
    Reset,
    Tls,
    web_hook_sink,
)
from tests.support.web_hooks import (
    BODY,
    SHORT_NS,
    TRUSTING_NOBODY,
    closed_port,
    delivering,
    lookup_of,
    outcome_of,
    parcel_of,
)

# --- what comes back (design: reliability.md row 9) ------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_outcome_when_the_answer_is_2xx_then_is_delivered(status: int) -> None:
    assert Outcome(status=status) == await outcome_of(Reply(status))


@pytest.mark.parametrize("status", [304, 400, 401, 404, 410, 413, 500, 502, 503, 522, 524, 999])
async def test_outcome_when_the_answer_is_no_2xx_then_has_its_status_and_head(status: int) -> None:
    body = b"" if status == 304 else "nej, nøt nu".encode()

    outcome = await outcome_of(Reply(status, body))

    error = f"expected status 2xx, was {status}"
    assert Outcome(Failure.STATUS, error, status, body.decode()) == outcome


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_outcome_when_the_answer_is_a_redirect_then_it_is_not_followed(status: int) -> None:
    async with web_hook_sink() as sink, delivering(WebHook(url=sink.url())) as deliver:
        sink.script("/hook", Redirect(status=status))

        outcome = await deliver()

    assert (Failure.STATUS, status) == (outcome.failure, outcome.status)
    assert f"was {status} to {sink.url()}; redirects are not followed" in outcome.error
    assert 1 == len(sink.deliveries)


async def test_outcome_when_a_redirect_leads_to_loopback_then_nothing_arrives_there() -> None:
    async with web_hook_sink() as inner, web_hook_sink() as sink:
        sink.script("/hook", Redirect(inner.url("/admin")))
        async with delivering(WebHook(url=sink.url())) as deliver:
            assert Failure.STATUS is (await deliver()).failure

    assert [] == inner.deliveries


MOMENT_NS = 1_700_000_000_500_000_000


@pytest.mark.parametrize(
    ("status", "text", "retry_after_ns"),
    [
        (429, "7", 7_000_000_000),
        (503, "120", 120_000_000_000),
        (503, "0", 0),
        (
            429,
            format_datetime(datetime.fromtimestamp(1_700_000_060, UTC), usegmt=True),
            59_500_000_000,
        ),
        (503, "Wed, 21 Oct 2015 07:28:00 GMT", 0),
        (503, "soon", None),
        (503, "-1", None),
        (503, "1.5", None),
        (503, "9" * 20, None),
        (503, "٣", None),
        (500, "7", None),
    ],
)
async def test_outcome_when_the_endpoint_asks_for_time_then_says_how_much(
    status: int, text: str, retry_after_ns: int | None
) -> None:
    line = f"Retry-After: {text}".encode().decode("latin-1")

    outcome = await outcome_of(
        Reply(status, headers=(line,)), parcel=parcel_of(moment_ns=MOMENT_NS)
    )

    assert retry_after_ns == outcome.retry_after_ns


@pytest.mark.parametrize("answer", [Hang(), DripHead(0.005), Reply(delay_seconds=60)])
async def test_outcome_when_no_whole_head_comes_in_time_then_is_a_time_out(answer: Answer) -> None:
    outcome = await outcome_of(answer, timeout_ns=SHORT_NS)

    assert Outcome(Failure.TIMEOUT, "expected an answer within 0.3 s, was none") == outcome


async def test_outcome_when_the_endpoint_reads_nothing_then_is_a_time_out() -> None:
    async with web_hook_sink(is_deaf=True) as sink:
        configuration = WebHook(url=sink.url(), timeout_ns=SHORT_NS)
        async with delivering(configuration) as deliver:
            outcome = await deliver(parcel_of(b"x" * 20_000_000))

    assert Failure.TIMEOUT is outcome.failure


async def test_connection_when_an_attempt_timed_out_then_is_closed() -> None:
    async with web_hook_sink() as sink:
        sink.script("/hook", Hang())
        configuration = WebHook(url=sink.url(), timeout_ns=SHORT_NS)
        async with delivering(configuration) as deliver:
            await deliver()
            await sink.abandoned()


async def test_outcome_when_the_body_drips_then_the_status_decides_at_the_deadline() -> None:
    fine, bad = await asyncio.gather(
        *(outcome_of(DripBody(status, 0.005), timeout_ns=2_000_000_000) for status in (200, 500))
    )

    assert (None, 200) == (fine.failure, fine.status)
    assert (Failure.STATUS, 500) == (bad.failure, bad.status)
    assert {"x"} == set(fine.response)


@pytest.mark.parametrize("status", [200, 500])
async def test_outcome_when_the_body_never_ends_then_it_is_cut(status: int) -> None:
    async with web_hook_sink() as sink, delivering(WebHook(url=sink.url())) as deliver:
        sink.script("/hook", Endless(status))

        outcome = await deliver()
        await sink.abandoned()

    assert ("x" * RESPONSE_BYTES_MAX, status) == (outcome.response, outcome.status)


async def test_outcome_when_the_body_breaks_off_then_the_status_decides() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"

    assert Outcome(status=200, response="half") == await outcome_of(Raw(head))


async def test_outcome_when_the_body_is_packed_then_it_is_not_unpacked() -> None:
    answer = Reply(200, b"\x1f\x8b\x08 bomb", headers=("Content-Encoding: gzip",))

    assert r"\x1f" in (await outcome_of(answer)).response


async def test_outcome_when_the_body_is_binary_then_every_character_can_be_seen() -> None:
    answer = Reply(500, "a\0b\x1b[31mc\r\n\td\u202ee\x85".encode() + b"\xff")

    outcome = await outcome_of(answer)

    assert "a\\x00b\\x1b[31mc\\r\n\td\\u202ee\\x85\N{REPLACEMENT CHARACTER}" == outcome.response


async def test_outcome_when_the_body_is_long_then_its_head_is_kept() -> None:
    outcome = await outcome_of(Reply(500, ("ø" * READ_BYTES_MAX).encode()))

    assert "ø" * (RESPONSE_BYTES_MAX // 2) == outcome.response


@pytest.mark.parametrize("answer", [Close(), Reset(), Raw(b""), Raw(b"HTTP/1.1 200 OK\r\nX")])
async def test_outcome_when_the_connection_ends_without_an_answer_then_it_is_lost(
    answer: Answer,
) -> None:
    outcome = await outcome_of(answer)

    assert (Failure.CONNECTION, None) == (outcome.failure, outcome.status)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_outcome_when_the_answer_is_no_http_then_is_a_protocol_error(data: bytes) -> None:
    assert Failure.PROTOCOL is (await outcome_of(Raw(data, is_closed=False))).failure


async def test_outcome_when_nothing_listens_then_is_refused() -> None:
    async with delivering(WebHook(url=f"http://127.0.0.1:{closed_port()}")) as deliver:
        outcome = await deliver()

    assert Outcome(Failure.REFUSED, "expected a connection, was refused") == outcome


async def test_outcome_when_one_of_two_addresses_refuses_then_is_refused() -> None:
    port = closed_port()

    async def lookup(_host: str, _port: int) -> list[AddressInfo]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("255.255.255.255", port)), (*kind, ("127.0.0.1", port))]

    rules = Rules(allowed=(ip_network("0.0.0.0/0"),), is_http_allowed=True)
    configuration = WebHook(url="http://two.example")
    async with delivering(configuration, rules, lookup=lookup) as deliver:
        assert Failure.REFUSED is (await deliver()).failure


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 63 + ".invalid"])
async def test_outcome_when_the_host_is_unknown_then_says_so(host: str) -> None:
    async def lookup(_host: str, _port: int) -> list[AddressInfo]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with delivering(WebHook(url=f"https://{host}"), lookup=lookup) as deliver:
        outcome = await deliver()

    assert Failure.NAME is outcome.failure
    assert "Name or service not known" in outcome.error


async def test_attempt_when_it_is_cancelled_then_the_cancellation_passes_through() -> None:
    async with web_hook_sink() as sink, delivering(WebHook(url=sink.url())) as deliver:
        sink.script("/hook", Hang())
        attempt = asyncio.ensure_future(deliver())
        await sink.arrived(1)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await sink.abandoned()


async def test_attempt_when_the_session_is_closed_then_the_defect_is_an_outcome() -> None:
    async with web_hook_session(LOOPBACK_RULES) as session:
        deliverer = WebHookDeliverer(WebHook(url="http://127.0.0.1"), session, LOOPBACK_RULES)

    assert Failure.DEFECT is (await deliverer.deliver(parcel_of(), {})).failure


# --- TLS -------------------------------------------------------------------------------------


async def test_outcome_when_the_certificate_is_trusted_then_is_delivered() -> None:
    tls = other_end.trusted_tls()
    async with web_hook_sink(tls=tls.server) as sink:
        configuration = WebHook(url=sink.url(host="localhost"))
        async with delivering(configuration, tls=tls) as deliver:
            assert Outcome(status=200) == await deliver()


@pytest.mark.parametrize(
    ("make_tls", "said"),
    [
        (other_end.wrong_host_tls, "mismatch"),
        (other_end.expired_tls, "expired"),
        (other_end.stranger_tls, "unable to get local issuer certificate"),
    ],
)
async def test_outcome_when_the_certificate_is_bad_then_says_why(
    make_tls: Callable[[], Tls], said: str
) -> None:
    tls = make_tls()
    async with (
        web_hook_sink(tls=tls.server) as sink,
        delivering(WebHook(url=sink.url()), tls=tls) as deliver,
    ):
        outcome = await deliver()

    assert Failure.TLS is outcome.failure
    assert said in outcome.error
    assert [] == sink.deliveries


async def test_outcome_when_the_endpoint_speaks_no_tls_then_is_a_tls_error() -> None:
    async with web_hook_sink() as sink:
        configuration = WebHook(url=f"https://127.0.0.1:{sink.port}")
        async with delivering(configuration) as deliver:
            assert Failure.TLS is (await deliver()).failure


# --- addresses (design: reliability.md row 10) -----------------------------------------------


async def test_attempt_when_the_address_is_loopback_then_is_blocked_every_time() -> None:
    rules = Rules(is_http_allowed=True)
    async with web_hook_sink() as sink:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "0"):
            async with delivering(WebHook(url=sink.url(host=host)), rules) as deliver:
                outcomes = [await deliver(), await deliver()]
            assert [Failure.BLOCKED_ADDRESS] * 2 == [outcome.failure for outcome in outcomes]

    assert 0 == sink.connections_count


async def test_attempt_when_a_secret_url_names_loopback_then_is_blocked() -> None:
    async with web_hook_sink() as sink:
        rules = Rules(is_http_allowed=True)
        async with delivering(WebHook(url="https://a.example"), rules) as deliver:
            outcome = await deliver(secrets={"url": sink.url()})

    assert Failure.BLOCKED_ADDRESS is outcome.failure
    assert 0 == sink.connections_count


async def test_attempt_when_the_name_server_names_loopback_then_is_blocked() -> None:
    async with web_hook_sink() as sink:
        url = sink.url(host="hook.example")
        lookup = lookup_of("127.0.0.1")
        rules = Rules(is_http_allowed=True)
        async with delivering(WebHook(url=url), rules, lookup=lookup) as deliver:
            outcome = await deliver()

    error = "expected a host with public addresses only, was hook.example (Loopback)"
    assert Outcome(Failure.BLOCKED_ADDRESS, error) == outcome
    assert 0 == sink.connections_count


async def test_attempt_when_the_name_server_changes_its_mind_then_the_new_address_is_blocked() -> (
    None
):
    async with web_hook_sink() as sink:
        sink.script("/hook", Reply(is_last=True))
        rules = Rules(allowed=(LOOPBACK_RULES.allowed[0],), is_http_allowed=True)
        lookup = lookup_of("127.0.0.1", "10.0.0.5")
        configuration = WebHook(url=sink.url(host="hook.example"))
        async with delivering(configuration, rules, lookup=lookup) as deliver:
            outcomes = [await deliver()]
            await sink.abandoned()
        async with delivering(configuration, rules, lookup=lookup) as deliver:
            outcomes.append(await deliver())

    assert [None, Failure.BLOCKED_ADDRESS] == [outcome.failure for outcome in outcomes]


async def test_session_when_it_followed_a_redirect_to_a_forbidden_address_then_is_blocked() -> None:
    rules = Rules(allowed=(ip_network("127.0.0.1/32"),), is_http_allowed=True)
    async with web_hook_sink() as sink, web_hook_session(rules, tls=TRUSTING_NOBODY) as session:
        sink.script("/hook", Redirect(sink.url("/admin", host="127.0.0.2"), 307))
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.post(sink.url(), data=BODY)

    assert isinstance(caught.value.os_error, BlockedAddress)
    assert ["/hook"] == [delivery.path for delivery in sink.deliveries]


async def test_attempt_when_http_is_not_allowed_then_is_a_configuration_error() -> None:
    rules = Rules(allowed=LOOPBACK_RULES.allowed)
    async with delivering(WebHook(url="http://127.0.0.1"), rules) as deliver:
        outcome = await deliver()

    assert Outcome(Failure.CONFIGURATION, "url: expected https, was http") == outcome
