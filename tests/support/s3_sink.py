"""A real object store on loopback that keeps what is signed as S3, Azure or Google demand it.

The signatures are worked out here from the providers' documents, not with the library that makes
them, so that a request that is taken is one that a provider would take.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "eu-north-1"

SKEW_MAX = timedelta(minutes=15)
"""How far the clock of a client may be off."""

_HEAD_BYTES_MAX = 65_536


class Request(NamedTuple):
    """A request.

    Attributes:
        method: Such as PUT.
        path: As it came, encoded.
        query: Its parameters.
        headers: By lower-case names.
        body: Its content.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes


class Stored(NamedTuple):
    """An object.

    Attributes:
        content: Its bytes.
        content_type: Of the content.
    """

    content: bytes
    content_type: str


Check = Callable[[Request], str]
"""Returns what is wrong with the signature of a request; empty if nothing is."""


class S3Sink:
    """An object store, and how it goes wrong.

    Attributes:
        port: Where it listens on 127.0.0.1.
        objects: What it keeps, by path.
        request_count: How many requests came.
        refused: What was wrong with the requests that it refused.
        status: What it answers in place of keeping something; 0 for nothing.
        content_type_header: What names the content type of an object.
    """

    def __init__(self, check: Check, *, content_type_header: str) -> None:
        self.port = 0
        self.objects: dict[str, Stored] = {}
        self.request_count = 0
        self.refused: list[str] = []
        self.status = 0
        self.content_type_header = content_type_header
        self._check = check

    def answer(self, request: Request) -> tuple[int, bytes]:
        """Return status and body of the answer to a request."""
        self.request_count += 1
        wrong = self._check(request)
        if wrong:
            self.refused.append(wrong)
            return 403, f"<Error><Code>SignatureDoesNotMatch</Code>{wrong}</Error>".encode()
        if self.status:
            return self.status, b"<Error><Code>Unlucky</Code></Error>"
        path = unquote(request.path)
        if request.method == "PUT":
            content_type = request.headers.get(self.content_type_header, "")
            self.objects[path] = Stored(request.body, content_type)
            return 201, b""
        if path not in self.objects:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>"
        return 200, self.objects[path].content if request.method == "GET" else b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the requests of one connection."""
        try:
            while request := await _read(reader):
                status, body = self.answer(request)
                tag = hashlib.md5(body, usedforsecurity=False).hexdigest()
                head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\netag: {tag}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (OSError, EOFError):
            return
        finally:
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """Return the next request; None at the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = parse_qsl(parts.query, keep_blank_values=True)
    return Request(method, parts.path, query, headers, body)


def s3_check(request: Request) -> str:
    """Check Signature Version 4 (AWS: Create a signed AWS API request)."""
    algorithm, _, rest = request.headers.get("authorization", "").partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if algorithm != "AWS4-HMAC-SHA256" or set(fields) != {
        "Credential",
        "SignedHeaders",
        "Signature",
    }:
        return "no signature of version 4"
    moment_text = request.headers["x-amz-date"]
    scope = f"{moment_text[:8]}/{REGION}/s3/aws4_request"
    signed = fields["SignedHeaders"].split(";")
    must = {name for name in request.headers if name == "host" or name.startswith("x-amz-")}
    payload = request.headers.get("x-amz-content-sha256", "")
    moment = datetime.strptime(moment_text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if fields["Credential"] != f"{ACCESS_KEY}/{scope}":
        return "the credential is not that of this scope"
    if signed != sorted(signed) or not must <= set(signed):
        return "a header that has to be signed is not"
    if "x-amz-security-token" in request.headers:
        return "a token of a session, which this key has none of"
    if payload != hashlib.sha256(request.body).hexdigest():
        return "the body is not what was signed"
    if abs(datetime.now(UTC) - moment) > SKEW_MAX:
        return "the clock is off"
    canonical_headers = "".join(f"{name}:{request.headers[name]}\n" for name in signed)
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in request.query)
    canonical = "\n".join(
        [
            request.method,
            quote(unquote(request.path), safe="/~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            canonical_headers,
            ";".join(signed),
            payload,
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{moment_text}\n{scope}\n{digest}"
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    expected = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    return "" if hmac.compare_digest(expected, fields["Signature"]) else "another signature"


def azure_check(account: str, account_key: str) -> Check:
    """Return a check of Shared Key (Azure: Authorize with Shared Key, 2015-02-21 and later)."""
    key = base64.b64decode(account_key)

    def check(request: Request) -> str:
        headers = request.headers
        length = headers.get("content-length", "0")
        standard = [
            headers.get("content-encoding", ""),
            headers.get("content-language", ""),
            "" if length == "0" else length,
            headers.get("content-md5", ""),
            headers.get("content-type", ""),
            "" if "x-ms-date" in headers else headers.get("date", ""),
            *(
                headers.get(name, "")
                for name in (
                    "if-modified-since",
                    "if-match",
                    "if-none-match",
                    "if-unmodified-since",
                    "range",
                )
            ),
        ]
        own = [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-ms-")]
        resource = [f"/{account}{request.path}", *(f"{n}:{v}" for n, v in sorted(request.query))]
        to_sign = "\n".join([request.method, *standard, *own, *resource])
        signature = base64.b64encode(hmac.digest(key, to_sign.encode(), "sha256")).decode()
        moment = parsedate_to_datetime(headers.get("x-ms-date") or headers["date"])
        if abs(datetime.now(UTC) - moment) > SKEW_MAX:
            return "the clock is off"
        given = headers.get("authorization", "")
        is_same = hmac.compare_digest(f"SharedKey {account}:{signature}", given)
        return "" if is_same else "another signature"

    return check


def google_check(email: str, public_key: rsa.RSAPublicKey) -> Check:
    """Return a check of a token that a service account signs itself (AIP-4111)."""

    def decoded(segment: str) -> bytes:
        return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))

    def check(request: Request) -> str:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        signed, _, signature = token.rpartition(".")
        if kind != "Bearer" or signed.count(".") != 1:
            return "no token"
        try:
            public_key.verify(
                decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return "another signature"
        claims = json.loads(decoded(signed.partition(".")[2]))
        now = datetime.now(UTC).timestamp()
        if (claims["iss"], claims["sub"]) != (email, email) or "scope" not in claims:
            return "another account"
        is_valid = claims["iat"] - 60 <= now < claims["exp"] <= claims["iat"] + 3_600
        return "" if is_valid else "not valid now"

    return check


@asynccontextmanager
async def s3_sink(
    check: Check = s3_check,
    *,
    tls: ssl.SSLContext | None = None,
    content_type_header: str = "content-type",
) -> AsyncIterator[S3Sink]:
    """Yield an object store on 127.0.0.1 that runs in this event loop.

    Args:
        check: Of the signatures.
        tls: With a certificate; None for http.
        content_type_header: What names the content type of an object.
    """
    sink = S3Sink(check, content_type_header=content_type_header)
    tasks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(sink.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls, limit=_HEAD_BYTES_MAX)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
