"""What a web hook sends, and what it refuses to send."""

import json
from urllib.parse import parse_qsl

import aiohttp
import msgspec
import pytest
from standardwebhooks.webhooks import Webhook

from server.exports.deliveries.web_hook import WebHookDeliverer, header_problem, web_hook_session
from server.exports.outcome import Failure, Outcome
from server.exports.queue import BodyEncoding, Secrets, WebHook
from server.exports.signatures import new_secret
from tests.support import web_hook_sink as other_end
from tests.support.web_hook_sink import LOOPBACK_RULES, Close, Reply, web_hook_sink
from tests.support.web_hooks import BODY, delivering, lookup_of, parcel_of, sent_by

# --- what is sent ----------------------------------------------------------------------------


async def test_request_when_nothing_is_configured_then_has_the_id_and_the_body_as_they_are() -> (
    None
):
    async with web_hook_sink() as sink, delivering(WebHook(url=sink.url("/a?b=c"))) as deliver:
        assert Outcome(status=200) == await deliver(parcel_of(moment_ns=1_700_000_001_999_999_999))

    (delivery,) = sink.deliveries
    assert ("POST", "/a?b=c", BODY) == (delivery.method, delivery.path, delivery.body)
    assert {
        "host": f"127.0.0.1:{sink.port}",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "Tillcore",
        "webhook-id": "dlv_1",
        "webhook-timestamp": "1700000001",
    } == delivery.headers


async def test_request_when_method_and_headers_are_configured_then_has_them() -> None:
    delivery = await sent_by(
        lambda url: WebHook(
            url=url, method="PUT", headers={"X-Shop": "aarhus 1", "User-Agent": "till"}
        ),
        secrets={"header:Authorization": "Bearer 0123456789"},
    )

    assert "PUT" == delivery.method
    assert ("aarhus 1", "till", "Bearer 0123456789") == tuple(
        delivery.headers[name] for name in ("x-shop", "user-agent", "authorization")
    )


async def test_request_when_a_secret_header_has_the_name_of_another_then_it_wins() -> None:
    delivery = await sent_by(
        lambda url: WebHook(url=url, headers={"x-token": "public"}),
        secrets={"header:X-Token": "hidden"},
    )

    assert "hidden" == delivery.headers["x-token"]


async def test_request_when_the_url_is_a_secret_then_goes_there() -> None:
    async with web_hook_sink() as sink, delivering(WebHook(url="https://shop.example")) as deliver:
        await deliver(secrets={"url": sink.url("/t0ken")})

    assert ["/t0ken"] == [delivery.path for delivery in sink.deliveries]


@pytest.mark.parametrize("size", [0, 1 << 20, (1 << 20) + 1, 3_000_000])
async def test_request_when_the_body_is_small_or_large_then_arrives_whole(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    delivery = await sent_by(lambda url: WebHook(url=url), body=body)

    assert body == delivery.body


async def test_request_when_there_are_two_secrets_then_either_receiver_verifies_it() -> None:
    old, new = new_secret(), new_secret()

    delivery = await sent_by(
        lambda url: WebHook(url=url), secrets={"signing_secret": new, "signing_secret_2": old}
    )

    for secret in (old, new):
        assert json.loads(BODY) == Webhook(secret).verify(delivery.body, delivery.headers)


async def test_request_when_sent_as_a_form_then_the_form_is_what_is_signed() -> None:
    secret = new_secret()

    def configuration_of(url: str) -> WebHook:
        return WebHook(url=url, body=BodyEncoding.FORM)

    body = (
        b'{"type":"sale & more","price":12.50,"isRefund":false,"note":null,'
        b'"items":[{"id":"a","price":0.10}],"n\xc3\xa6st":"\\u00e6+%"}'
    )

    delivery = await sent_by(configuration_of, body=body, secrets={"signing_secret": secret})

    Webhook(secret).verify(delivery.body, delivery.headers, json_parse=False)
    assert "application/x-www-form-urlencoded" == delivery.headers["content-type"]
    assert [
        ("type", "sale & more"),
        ("price", "12.50"),
        ("isRefund", "false"),
        ("note", ""),
        ("items", '[{"id":"a","price":0.10}]'),
        ("næst", "æ+%"),
    ] == parse_qsl(delivery.body.decode(), keep_blank_values=True, strict_parsing=True)


async def test_request_when_the_endpoint_sets_cookies_then_sends_none_back() -> None:
    async with web_hook_sink() as sink:
        sink.script("/hook", Reply(headers=("Set-Cookie: a=b; Path=/",)))
        # A jar of cookies would take none from an address.
        configuration = WebHook(url=sink.url(host="hook.example"))
        async with delivering(configuration, lookup=lookup_of("127.0.0.1")) as deliver:
            await deliver()
            await deliver()

    assert ["cookie" in delivery.headers for delivery in sink.deliveries] == [False, False]


async def test_request_when_the_environment_names_a_proxy_then_is_sent_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    await sent_by(lambda url: WebHook(url=url))


async def test_connection_when_attempts_follow_each_other_then_is_used_again() -> None:
    async with web_hook_sink() as sink, delivering(WebHook(url=sink.url())) as deliver:
        sink.script("/hook", Reply(500, b"broken"), Reply(200, b"fine"))
        await deliver()
        await deliver()

    assert 1 == sink.connections_count


async def test_attempt_when_a_used_connection_is_given_up_then_is_made_on_another() -> None:
    async with web_hook_sink() as sink, delivering(WebHook(url=sink.url())) as deliver:
        sink.script("/hook", Reply(), Close(), Reply(201))

        outcomes = [await deliver(), await deliver()]

    assert [Outcome(status=200), Outcome(status=201)] == outcomes
    assert ["dlv_1"] * 3 == [delivery.identifier for delivery in sink.deliveries]


async def test_attempt_when_a_new_connection_is_given_up_then_is_not_made_twice() -> None:
    async with web_hook_sink() as sink, delivering(WebHook(url=sink.url())) as deliver:
        sink.script("/hook", Close())

        assert Failure.CONNECTION is (await deliver()).failure

    assert 1 == len(sink.deliveries)


# --- what cannot be sent ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configuration", "secrets", "said"),
    [
        (WebHook(url="http://a.example", method="GET"), {}, "POST or PUT"),
        (WebHook(url="ftp://a.example"), {}, "https"),
        (WebHook(url="http://user:pass@a.example"), {}, "user or password"),
        (WebHook(url="http://a.example:0"), {}, "port"),
        (WebHook(url="http://a.example", headers={"X-A": "b\r\nX-C: d"}), {}, "X-A"),
        (WebHook(url="http://a.example", headers={"X-A\r\nX-C": "d"}), {}, "header"),
        (WebHook(url="http://a.example", headers={"Host": "b.example"}), {}, "Host"),
        (WebHook(url="http://a.example"), {"header:X-A": "hidden\0value"}, "X-A"),
        (WebHook(url="http://a.example"), {"signing_secret": "hidden"}, "whsec_"),
        (WebHook(url="http://a.example"), {"signing_secret_2": "whsec_hidden"}, "base64"),
        (WebHook(url="http://a.example"), {"url": "hidden"}, "URL"),
        (WebHook(url="http://a.example", body=BodyEncoding.FORM), {}, "JSON object"),
    ],
)
async def test_attempt_when_the_configuration_is_unusable_then_says_what_is_wrong(
    configuration: WebHook, secrets: Secrets, said: str
) -> None:
    async with delivering(configuration) as deliver:
        outcome = await deliver(parcel_of(b"[1]"), secrets)

    assert Failure.CONFIGURATION is outcome.failure
    assert said in outcome.error
    assert "hidden" not in outcome.error.removeprefix("whsec_")


@pytest.mark.parametrize("body", [b"[]", b"1", b'"a"', b"", b"\xff", b'{"a":"\\ud800"}', b'{"a":1'])
async def test_form_when_the_body_is_no_json_object_then_is_refused(body: bytes) -> None:
    configuration = WebHook(url="http://a.example", body=BodyEncoding.FORM)
    async with delivering(configuration) as deliver:
        assert Failure.CONFIGURATION is (await deliver(parcel_of(body))).failure


@pytest.mark.parametrize("content_type", ["", "text/plain\r\nX-A: b", "text/plain\n", "t\0", "æ"])
async def test_attempt_when_the_content_type_cannot_be_sent_then_is_refused(
    content_type: str,
) -> None:
    parcel = msgspec.structs.replace(parcel_of(), content_type=content_type)
    async with web_hook_sink() as sink, delivering(WebHook(url=sink.url())) as deliver:
        assert Failure.CONFIGURATION is (await deliver(parcel)).failure

    assert 0 == sink.connections_count


RESERVED = (
    "Host content-length Transfer-Encoding Connection TE Trailer Upgrade Expect Keep-Alive"
    " Content-Type Accept-Encoding Content-Encoding webhook-id Webhook-Signature"
    " Proxy-Authorization"
)


@pytest.mark.parametrize("name", [*RESERVED.split(), "", "A B", "A:", "Ä", "A\n", "x" * 101])
def test_header_problem_when_the_name_cannot_be_configured_then_says_so(name: str) -> None:
    assert header_problem(name, "value") is not None


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", " hidden", "hidden ", "hidden\r\nX: hidden", "hidden\n", "hidden\0"),
        *("hidden\x7f", "hidden \u00e4", "hidden\x85", "hidden" * 1_000),
    ],
)
def test_header_problem_when_the_value_cannot_be_sent_then_does_not_repeat_it(value: str) -> None:
    assert "hidden" not in (header_problem("X-Token", value) or "hidden")


@pytest.mark.parametrize(
    ("name", "value"),
    [("Authorization", "Basic dTpw"), ("X_a.b", "a\tb c"), ("Cookie", "a=b"), ("A", "x" * 4_000)],
)
def test_header_problem_when_there_is_none_then_is_none(name: str, value: str) -> None:
    assert header_problem(name, value) is None


# --- the session -----------------------------------------------------------------------------


async def test_session_when_nothing_is_said_about_tls_then_trusts_the_systems_authorities() -> None:
    tls = other_end.trusted_tls()
    async with web_hook_sink(tls=tls.server) as sink, web_hook_session(LOOPBACK_RULES) as session:
        deliverer = WebHookDeliverer(WebHook(url=sink.url()), session, LOOPBACK_RULES)
        assert Failure.TLS is (await deliverer.deliver(parcel_of(), {})).failure


async def test_session_when_it_is_made_then_bounds_no_concurrency() -> None:
    async with web_hook_session(LOOPBACK_RULES) as session:
        assert isinstance(session.connector, aiohttp.TCPConnector)
        assert (0, 0) == (session.connector.limit, session.connector.limit_per_host)
