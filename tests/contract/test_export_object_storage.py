"""Deliver into object storage: signatures, addresses, and what goes wrong, on real connections."""

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from server.exports.deliveries.egress import Egress
from server.exports.deliveries.file_names import file_name_of
from server.exports.deliveries.object_storage import ObjectStorageDeliverer
from server.exports.network import Rules
from server.exports.outcome import Failure, Outcome
from server.exports.queue import ObjectStorage, Provider, Secrets
from tests.support.bad_servers import cutting_proxy, refusing_port, silent_server
from tests.support.certificates import HOST, Authority
from tests.support.parcels import BODY, LOOPBACK, NOTHING_PRIVATE, parcel
from tests.support.s3_sink import (
    ACCESS_KEY,
    REGION,
    SECRET_KEY,
    S3Sink,
    Stored,
    azure_check,
    google_check,
    s3_sink,
)

NAME = file_name_of("", parcel())
KEYS = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
ACCOUNT = "tillcore"
ACCOUNT_KEY = base64.b64encode(bytes(range(64))).decode()
EMAIL = "till@project.iam.gserviceaccount.example"
HTTPS_ONLY = Rules(allowed=LOOPBACK.allowed)


@pytest.fixture
async def sink() -> AsyncIterator[S3Sink]:
    """Yield a store that speaks like S3, without TLS."""
    async with s3_sink() as running:
        yield running


@pytest.fixture
def foreign_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what the library would read of the operator's own environment."""
    others = {
        "AWS_SESSION_TOKEN": "operator",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_ENDPOINT": "http://192.0.2.1",
        "AWS_PROXY_EXCLUDES": "*",
        "AWS_PROXY_URL": "http://192.0.2.1",
        "NO_PROXY": "*",
        "HTTPS_PROXY": "http://192.0.2.1",
        "AZURE_STORAGE_TOKEN": "operator",
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "GOOGLE_BEARER_TOKEN": "operator",
        "GOOGLE_BASE_URL": "http://192.0.2.1",
    }
    for name, value in others.items():
        monkeypatch.setenv(name, value)


def storage(port: int, **changes: Any) -> ObjectStorage:
    """Return a delivery to a store on loopback, with changes."""
    fields: dict[str, Any] = {
        "provider": Provider.S3,
        "bucket": "exports",
        "region": REGION,
        "endpoint": f"http://{HOST}:{port}",
    }
    return ObjectStorage(**fields | changes)


async def put(
    delivery: ObjectStorage,
    *,
    rules: Rules = LOOPBACK,
    secrets: Secrets = KEYS,
    root_certificates: str = "",
    timeout_seconds: float = 20,
    **changes: Any,
) -> Outcome:
    """Deliver a parcel, with changes to it."""
    deliverer = ObjectStorageDeliverer(
        delivery, rules, root_certificates=root_certificates, timeout_seconds=timeout_seconds
    )
    moment_ns = time.time_ns()
    return await deliverer.deliver(parcel(moment_ns=moment_ns, **changes), secrets)


@pytest.mark.parametrize("body", [b"", BODY, bytes(range(256)) * 32_768])
async def test_object_when_taken_then_it_is_equal_byte_for_byte(sink: S3Sink, body: bytes) -> None:
    outcome = await put(storage(sink.port, prefix="/ind/bøger ~ + %/"), body=body)

    assert (Outcome(), []) == (outcome, sink.refused)
    expected = {f"/exports/ind/bøger ~ + %/{NAME}": Stored(body, "text/csv; charset=utf-8")}
    assert expected == sink.objects


async def test_object_when_delivered_again_then_it_is_replaced(sink: S3Sink) -> None:
    await put(storage(sink.port), body=b"before")
    await put(storage(sink.port))

    assert [BODY] == [stored.content for stored in sink.objects.values()]


async def test_object_when_https_then_name_is_verified_through_the_egress() -> None:
    authority = Authority()
    async with s3_sink(tls=authority.server()) as sink:
        outcome = await put(
            storage(0, endpoint=f"https://{HOST}:{sink.port}"),
            rules=HTTPS_ONLY,
            root_certificates=authority.root,
        )

    assert (Outcome(), 1) == (outcome, len(sink.objects))


@pytest.mark.parametrize("flaw", ["unknown authority", "other host"])
async def test_object_when_certificate_cannot_be_verified_then_nothing_is_sent(flaw: str) -> None:
    authority = Authority()
    signer = Authority() if flaw == "unknown authority" else authority
    tls = signer.server("other.example" if flaw == "other host" else HOST)
    async with s3_sink(tls=tls) as sink:
        outcome = await put(
            storage(0, endpoint=f"https://{HOST}:{sink.port}"), root_certificates=authority.root
        )

    assert (Failure.TLS, {}, []) == (outcome.failure, sink.objects, sink.refused)


async def test_object_when_provider_is_azure_then_shared_key_is_taken() -> None:
    async with s3_sink(
        azure_check(ACCOUNT, ACCOUNT_KEY), content_type_header="x-ms-blob-content-type"
    ) as sink:
        outcome = await put(
            storage(sink.port, provider=Provider.AZURE, account=ACCOUNT),
            secrets={"account_key": ACCOUNT_KEY},
        )

    assert (Outcome(), []) == (outcome, sink.refused)
    assert {f"/exports/{NAME}": Stored(BODY, "text/csv; charset=utf-8")} == sink.objects


@pytest.mark.usefixtures("foreign_environment")
async def test_object_when_provider_is_google_then_token_is_taken() -> None:
    key = rsa.generate_private_key(65_537, 2_048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {"client_email": EMAIL, "private_key_id": "1", "private_key": pem}
    async with s3_sink(google_check(EMAIL, key.public_key())) as sink:
        outcome = await put(
            storage(sink.port, provider=Provider.GOOGLE),
            secrets={"service_account_key": json.dumps(account)},
        )

    assert (Outcome(), []) == (outcome, sink.refused)
    assert {f"/exports/{NAME}": Stored(BODY, "text/csv; charset=utf-8")} == sink.objects


async def test_object_when_secret_is_wrong_then_credentials_and_no_secret_in_it(
    sink: S3Sink,
) -> None:
    outcome = await put(storage(sink.port), secrets=KEYS | {"secret_access_key": "something else"})

    assert (Failure.CREDENTIALS, 403) == (outcome.failure, outcome.status)
    assert ["another signature"] == sink.refused
    assert not any(secret in str(outcome) for secret in ("something else", ACCESS_KEY))


@pytest.mark.parametrize("status", [404, 409, 500, 503, 507])
async def test_object_when_store_refuses_then_one_attempt_and_its_status(
    sink: S3Sink, status: int
) -> None:
    sink.status = status
    outcome = await put(storage(sink.port))

    assert (Failure.STATUS, status, 1) == (outcome.failure, outcome.status, sink.request_count)
    assert "Unlucky" in outcome.response
    assert "Debug source" not in outcome.error


async def test_object_when_cut_in_the_middle_then_lost_and_not_there(sink: S3Sink) -> None:
    async with cutting_proxy(sink.port, after_bytes=200_000) as port:
        outcome = await put(storage(port), body=b"x" * 2_000_000)

    assert (Failure.CONNECTION, {}) == (outcome.failure, sink.objects)


async def test_object_when_store_says_nothing_then_times_out() -> None:
    async with silent_server() as port:
        outcome = await put(storage(port), timeout_seconds=0.3)

    assert Failure.TIMEOUT is outcome.failure


async def test_object_when_cancelled_then_ends() -> None:
    async with silent_server() as port:
        work = asyncio.create_task(put(storage(port)))
        await asyncio.sleep(0.1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_object_when_nobody_listens_then_refused(scheme: str) -> None:
    with refusing_port() as port:
        outcome = await put(storage(0, endpoint=f"{scheme}://{HOST}:{port}"))

    assert Failure.REFUSED is outcome.failure


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_object_when_host_has_no_address_then_unknown_host(scheme: str) -> None:
    outcome = await put(storage(0, endpoint=f"{scheme}://nowhere.invalid"))

    assert Failure.NAME is outcome.failure


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "0x7f.1", "2130706433"])
async def test_object_when_host_is_private_then_blocked(
    sink: S3Sink, scheme: str, host: str
) -> None:
    rules = Rules(is_http_allowed=True)
    outcome = await put(storage(0, endpoint=f"{scheme}://{host}:{sink.port}"), rules=rules)

    assert (Failure.BLOCKED_ADDRESS, {}) == (outcome.failure, sink.objects)


async def test_object_when_http_is_not_allowed_then_nothing_is_sent(sink: S3Sink) -> None:
    outcome = await put(storage(sink.port), rules=HTTPS_ONLY)

    assert (Failure.CONFIGURATION, {}, []) == (outcome.failure, sink.objects, sink.refused)


@pytest.mark.usefixtures("foreign_environment")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_object_when_environment_names_no_proxy_then_egress_still_guards(
    sink: S3Sink, scheme: str
) -> None:
    rules = Rules(is_http_allowed=True)
    outcome = await put(storage(0, endpoint=f"{scheme}://{HOST}:{sink.port}"), rules=rules)

    assert (Failure.BLOCKED_ADDRESS, 0) == (outcome.failure, sink.request_count)


@pytest.mark.usefixtures("foreign_environment")
async def test_object_when_environment_has_credentials_then_they_are_not_used(
    sink: S3Sink,
) -> None:
    outcome = await put(storage(sink.port))
    async with s3_sink(
        azure_check(ACCOUNT, ACCOUNT_KEY), content_type_header="x-ms-blob-content-type"
    ) as azure:
        delivery = storage(azure.port, provider=Provider.AZURE, account=ACCOUNT)
        second = await put(delivery, secrets={"account_key": ACCOUNT_KEY})

    assert (Outcome(), Outcome()) == (outcome, second)


@pytest.mark.parametrize(
    ("changes", "secrets"),
    [
        ({"bucket": "A_b"}, KEYS),
        ({"prefix": "../x"}, KEYS),
        ({"endpoint": "ftp://localhost"}, KEYS),
        ({"endpoint": "http://user@localhost"}, KEYS),
        ({"endpoint": "http://localhost/?x"}, KEYS),
        ({"object_name": "{what}"}, KEYS),
        ({"region": "", "endpoint": ""}, KEYS),
        ({}, {}),
        ({"provider": Provider.AZURE}, {"account_key": ACCOUNT_KEY}),
        ({"provider": Provider.AZURE, "account": ACCOUNT}, {"account_key": "%"}),
        ({"provider": Provider.GOOGLE}, {"service_account_key": "{}"}),
        ({"provider": Provider.GOOGLE}, {"service_account_key": "no JSON"}),
        (
            {"provider": Provider.GOOGLE},
            {"service_account_key": '{"client_email": "a", "private_key": "b"}'},
        ),
    ],
)
async def test_object_when_configuration_is_wrong_then_refused(
    sink: S3Sink, changes: dict[str, Any], secrets: Secrets
) -> None:
    outcome = await put(storage(sink.port, **changes), secrets=secrets)

    assert (Failure.CONFIGURATION, []) == (outcome.failure, sink.refused)


async def test_egress_when_asked_without_its_password_then_refuses(sink: S3Sink) -> None:
    egress = Egress(LOOPBACK)
    async with egress.listening():
        port = int(egress.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"CONNECT 127.0.0.1:{sink.port} HTTP/1.1\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 403")
    assert 0 == egress.connection_count


async def test_egress_when_http_passes_then_its_password_goes_no_further() -> None:
    seen: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    async with server:
        outcome = await put(storage(server.sockets[0].getsockname()[1]))

    assert (Failure.STATUS, 503) == (outcome.failure, outcome.status)
    assert seen[0].startswith(b"PUT /exports/")
    assert b"proxy" not in seen[0].lower()


def test_object_when_library_is_not_installed_then_says_how_to_get_it() -> None:
    program = (
        "import sys, asyncio\n"
        "sys.modules['obstore'] = None\n"
        "from tests.contract.test_export_object_storage import put, storage\n"
        "print(asyncio.run(put(storage(1))).error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert "tillcore[cloud]" in ran.stdout


async def test_object_when_nothing_private_is_allowed_then_public_names_still_are() -> None:
    outcome = await put(storage(0, endpoint="https://nowhere.invalid"), rules=NOTHING_PRIVATE)

    assert Failure.NAME is outcome.failure
