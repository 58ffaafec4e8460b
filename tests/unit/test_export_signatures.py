"""Signatures of web hooks, verified by the library of Standard Webhooks."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError, hmac_data

from server.exports import signatures

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def headers_of(body: bytes, *secrets: str, delivery_id: str = "dlv_1") -> dict[str, str]:
    timestamp_seconds = int(time.time())
    signature = signatures.sign(
        delivery_id=delivery_id,
        timestamp_seconds=timestamp_seconds,
        body=body,
        keys=[signatures.read_secret(secret) for secret in secrets],
    )
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp_seconds),
        "webhook-signature": signature,
    }


@given(st.text(), st.text("abcXYZ019_-", min_size=1, max_size=40))
def test_signature_when_the_body_is_text_then_the_library_verifies_it(
    text: str, delivery_id: str
) -> None:
    body = text.encode(errors="replace")
    headers = headers_of(body, SECRET, delivery_id=delivery_id)

    Webhook(SECRET).verify(body, headers, json_parse=False)


@given(st.binary())
def test_signature_when_the_body_is_binary_then_is_the_librarys_over_the_bytes(
    body: bytes,
) -> None:
    signature = signatures.sign(
        delivery_id="dlv_1", timestamp_seconds=1_700_000_000, body=body, keys=[KEY]
    )

    digest = hmac_data(KEY, b"dlv_1.1700000000." + body)
    assert "v1," + base64.b64encode(digest).decode() == signature


def test_signature_when_anything_is_changed_then_the_library_refuses_it() -> None:
    body = b'{"total":1}'
    headers = headers_of(body, SECRET)

    assert json.loads(body) == Webhook(SECRET).verify(body, headers)
    for changed_body, changed_headers in (
        (b'{"total":2}', headers),
        (body, headers | {"webhook-id": "dlv_2"}),
        (body, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(changed_body, changed_headers)


def test_signature_when_two_secrets_are_live_then_has_one_of_each_in_their_order() -> None:
    other = signatures.new_secret()

    headers = headers_of(b"{}", SECRET, other)

    first, second = headers["webhook-signature"].split(" ")
    assert [first[:3], second[:3]] == ["v1,", "v1,"]
    for secret, signature in ((SECRET, first), (other, second)):
        Webhook(secret).verify(b"{}", headers)
        Webhook(secret).verify(b"{}", headers | {"webhook-signature": signature})
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(b"{}", headers | {"webhook-signature": first})


def test_signature_when_the_id_holds_a_dot_then_is_refused() -> None:
    with pytest.raises(ValueError, match="without a dot"):
        signatures.sign(delivery_id="a.b", timestamp_seconds=0, body=b"", keys=[KEY])


@pytest.mark.parametrize("size", [24, 25, 32, 64])
def test_secret_when_it_has_24_to_64_bytes_then_is_read(size: int) -> None:
    key = bytes(range(size))

    assert key == signatures.read_secret("whsec_" + base64.b64encode(key).decode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "whsec_"),
        ("hidden", "whsec_"),
        ("WHSEC_" + SECRET[6:], "whsec_"),
        ("whsec_", "was 0"),
        ("whsec_hid den", "base64"),
        ("whsec_hidden!!", "base64"),
        ("whsec_hidden", "base64"),
        ("whsec_h\u00eddden", "base64"),
        (SECRET + "\n", "base64"),
        ("whsec_" + base64.b64encode(bytes(23)).decode(), "was 23"),
        ("whsec_" + base64.b64encode(bytes(65)).decode(), "was 65"),
    ],
)
def test_secret_when_it_is_none_then_says_why_and_does_not_repeat_it(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        signatures.read_secret(text)

    assert "hidden" not in str(caught.value)


def test_secret_when_it_is_new_then_is_one_that_nobody_has() -> None:
    made = {signatures.new_secret() for _ in range(100)}

    assert 100 == len(made)
    assert {32} == {len(signatures.read_secret(secret)) for secret in made}
