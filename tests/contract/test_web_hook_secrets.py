"""Secrets of a web hook, which do not show in what an attempt came to."""

import json

import pytest

from server.exports.blackout import Blackout
from server.exports.outcome import RESPONSE_BYTES_MAX, Failure
from server.exports.queue import Secrets, WebHook
from server.exports.signatures import new_secret
from tests.support.web_hook_sink import Echo, Redirect, Reply, web_hook_sink
from tests.support.web_hooks import delivering, outcome_of, parcel_of


async def test_outcome_when_the_endpoint_echoes_the_request_then_shows_no_secret() -> None:
    signing = new_secret()
    secrets = {
        "header:Authorization": "Basic a2FzcGVyOmhlbW1lbGlndA==",
        "header:X-Token": 'q"<tok&en>/1+2',
        "signing_secret": signing,
    }
    async with web_hook_sink() as sink:
        secrets["url"] = sink.url("/t/Zm9vYmFyYmF6?key=s3cr3t%20key")
        sink.decide = lambda _: Echo(500)
        async with delivering(WebHook(url="https://a.example")) as deliver:
            body = json.dumps([*secrets.values(), "kasper:hemmeligt", "s3cr3t key"]).encode()
            outcome = await deliver(parcel_of(body), secrets)

    assert Failure.STATUS is outcome.failure
    assert "webhook-id: dlv_1" in outcome.response
    for word in ("a2FzcGVy", "hemmeligt", "tok&en", signing[6:], "Zm9vYmFy", "s3cr3t"):
        assert word not in outcome.response


@pytest.mark.parametrize(
    ("secrets", "echoed"),
    [
        ({"header:A": 'a"b<&>/+ c'}, 'a"b<&>/+ c'),
        ({"header:A": 'a"b<&>/+ c'}, r"a\"b<&>/+ c"),
        ({"header:A": 'a"b<&>/+ c'}, "a%22b%3C%26%3E%2F%2B%20c"),
        ({"header:A": 'a"b<&>/+ c'}, "a%22b%3C%26%3E/%2B%20c"),
        ({"header:A": 'a"b<&>/+ c'}, "a%22b%3C%26%3E%2F%2B+c"),
        ({"header:A": 'a"b<&>/+ c'}, "a&quot;b&lt;&amp;&gt;/+ c"),
        ({"header:A": "Bearer 0123456789"}, "0123456789"),
        ({"header:A": "Basic a2FzcGVyOmhlbW1lbGlndA=="}, "a2FzcGVyOmhlbW1lbGlndA=="),
        ({"header:A": "Basic a2FzcGVyOmhlbW1lbGlndA=="}, "kasper:hemmeligt"),
        ({"header:A": "Basic a2FzcGVyOmhlbW1lbGlndA=="}, "hemmeligt"),
        ({"header:A": "x1"}, "x1"),
        ({"signing_secret": "whsec_MDEyMzQ1Njc4OTAx"}, "MDEyMzQ1Njc4OTAx"),
        ({"url": "https://a.example/t/æble123?k=s3cr3t key"}, "/t/%C3%A6ble123?k=s3cr3t+key"),
        ({"url": "https://a.example/t/æble123?k=s3cr3t key"}, "æble123"),
        ({"url": "https://a.example/t/æble123?k=s3cr3t key"}, r"\u00e6ble123"),
        ({"url": "https://a.example/t/æble123?k=s3cr3t key"}, "s3cr3t key"),
        ({"url": "no url"}, "no url"),
    ],
)
def test_blackout_when_a_secret_is_written_in_some_way_then_hides_it(
    secrets: Secrets, echoed: str
) -> None:
    assert "was: ***, so" == Blackout(secrets).shown(f"was: {echoed}, so", 1_000)


@pytest.mark.parametrize("secrets", [{}, {"header:A": ""}, {"header:A": "Bearer 0123456789"}])
def test_blackout_when_a_text_holds_no_secret_then_leaves_it(secrets: Secrets) -> None:
    assert "Bearer *** or not\n" == Blackout(secrets).shown("Bearer *** or not\n", 1_000)


async def test_request_when_the_secrets_are_replaced_then_has_the_new_ones() -> None:
    async with web_hook_sink() as sink, delivering(WebHook(url=sink.url())) as deliver:
        for secret in ("first", "second"):
            await deliver(secrets={"header:X-Token": secret})

    assert ["first", "second"] == [delivery.headers["x-token"] for delivery in sink.deliveries]


async def test_outcome_when_a_secret_lies_across_the_cut_then_no_part_of_it_shows() -> None:
    secret = "0123456789abcdefghij"
    body = b"x" * (RESPONSE_BYTES_MAX - 10) + secret.encode() + b"y" * 100

    outcome = await outcome_of(Reply(500, body), secrets={"header:X-Token": secret})

    assert "x" * (RESPONSE_BYTES_MAX - 10) + "***" == outcome.response


async def test_outcome_when_a_redirect_repeats_the_secret_url_then_does_not_show_it() -> None:
    async with web_hook_sink() as sink, delivering(WebHook(url="https://a.example")) as deliver:
        sink.script("/hook/t0psecret", Redirect())

        outcome = await deliver(secrets={"url": sink.url("/hook/t0psecret")})

    assert "expected status 2xx, was 301 to ***; redirects are not followed" == outcome.error
