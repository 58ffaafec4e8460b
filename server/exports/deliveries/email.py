"""Deliver by mail: what was made goes out as an attachment, through the queue's or our server."""

import asyncio
import base64
import contextlib
import hashlib
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from ipaddress import ip_network
from typing import Final, NamedTuple

import aiosmtplib

from server.exports.deliveries.checks import own_problems
from server.exports.deliveries.file_names import file_name_of, lines_of, text_of
from server.exports.deliveries.undeliverable import (
    Undeliverable,
    attempt,
    outcome_of,
    refuse,
    secret_of,
    verified_tls,
)
from server.exports.mail_server import MailServer
from server.exports.network import Rules, open_connection
from server.exports.outcome import Failure, Outcome, Parcel
from server.exports.queue import Email, Secrets, Security

SECONDS_MAX: Final = 30.0
"""How long one attempt may take in all."""

ATTACHMENT_BYTES_MAX: Final = 20_000_000
"""How large an attachment may be; beyond 25 MB as encoded, most mailboxes take nothing."""

QUIT_SECONDS_MAX: Final = 2.0
"""How long the goodbye may take, after which the mail has been taken all the same."""

_PORTS = {Security.NONE: 25, Security.STARTTLS: 587, Security.TLS: 465}
_NS_PER_SECOND = 10**9
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;\s*[\w.+-]+=(\"[^\"\\\r\n]*\"|[\w.+-]+))*", re.ASCII)
_ATOM = re.compile(r"[A-Za-z0-9_-]+")
_TAKEN = 250
_EVERYWHERE = Rules(allowed=(ip_network("0.0.0.0/0"), ip_network("::/0")))


class _Way(NamedTuple):
    """How a mail goes out.

    Attributes:
        host: Of the mail server.
        port: Of the mail server.
        security: How the connection is protected.
        username: Who signs in; empty for nobody.
        password: For the username.
        sender: Where the mail comes from.
        reply_to: Where answers go; empty for the sender.
        rules: What addresses the mail server may have.
    """

    host: str
    port: int
    security: Security
    username: str
    password: str
    sender: str
    reply_to: str
    rules: Rules


class EmailDeliverer:
    """Sends parcels to the recipients of a queue.

    A mail has the same Message-ID at every attempt, so that a mailbox can drop a twin. Through the
    operator's server mails come from the operator's sender, as its domain has to vouch for them;
    the sender that the queue names is where replies go.
    """

    def __init__(
        self,
        email: Email,
        rules: Rules,
        mail_server: MailServer | None,
        *,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = SECONDS_MAX,
    ) -> None:
        """Set up.

        Args:
            email: What the queue configures.
            rules: What a server that the queue names may be.
            mail_server: Used where the queue names none; None where the operator has none.
            tls: What certificates are verified with; the system's roots by default.
            timeout_seconds: How long one attempt may take in all.
        """
        self._email = email
        self._rules = rules
        self._mail_server = mail_server
        self._tls = tls
        self._timeout_seconds = timeout_seconds

    async def deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        """Send one mail to all recipients.

        Where the server refuses some of them, the others have got the mail: that is a failure of
        the protocol, which is not tried again by itself. A re-send goes to all of them once more,
        with the same Message-ID.
        """
        return await attempt(
            self._deliver(parcel, secrets),
            timeout_seconds=self._timeout_seconds,
            secrets={**secrets, **self._as_sent(secrets)},
        )

    async def _deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        way = self._way(secrets)
        recipients = [*map(_wired, self._email.recipients)]
        # Encoding megabytes takes a while in which the event loop would answer nobody.
        content = await asyncio.to_thread(_content_of, self._email, way, parcel)
        try:
            async with self._connected(way) as client:
                refused, answer = await client.sendmail(_wired(way.sender), recipients, content)
        except aiosmtplib.SMTPException as error:
            raise _undeliverable(error) from error
        if refused:
            raise _partly_refused(refused, answer)
        return Outcome(status=_TAKEN, response=answer)

    def _way(self, secrets: Secrets) -> _Way:
        """Return how the mail goes out, or say what is missing."""
        email, own = self._email, self._mail_server
        refuse(own_problems(email))
        if email.host:
            return _Way(
                host=email.host,
                port=email.port or _PORTS[email.security],
                security=email.security,
                username=email.username,
                password=secret_of(secrets, "password") if email.username else "",
                sender=email.sender,
                reply_to="",
                rules=self._rules,
            )
        if own is None:
            raise Undeliverable(
                Failure.CONFIGURATION,
                "no mail server is set up: expected one in the queue or of the operator",
            )
        return _Way(
            host=own.host,
            port=own.port or _PORTS[own.security],
            security=own.security,
            username=own.username,
            password=own.password,
            sender=own.sender,
            reply_to=email.sender,
            rules=_EVERYWHERE,
        )

    @asynccontextmanager
    async def _connected(self, way: _Way) -> AsyncIterator[aiosmtplib.SMTP]:
        """Yield a client that is connected and signed in; nothing is left behind afterwards."""
        client = aiosmtplib.SMTP(
            hostname=way.host,
            username=way.username or None,
            password=way.password if way.username else None,
            local_hostname=_domain_of(way.sender),
            timeout=self._timeout_seconds,
            use_tls=way.security is Security.TLS,
            start_tls=way.security is Security.STARTTLS,
            tls_context=self._tls or verified_tls(),
        )
        connection = await open_connection(way.host, way.port, way.rules, self._timeout_seconds)
        try:
            await client.connect(sock=connection)
            yield client
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=QUIT_SECONDS_MAX)
        finally:
            transport = client.transport
            client.close()
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()

    def _as_sent(self, secrets: Secrets) -> dict[str, str]:
        """Return the forms in which passwords go over the wire, which a server may repeat."""
        forms: list[str] = []
        accounts = [(self._email.username, secrets.get("password", ""))]
        if self._mail_server is not None:
            accounts.append((self._mail_server.username, self._mail_server.password))
        for username, each in accounts:
            if each:
                forms += (each, base64.b64encode(each.encode()).decode())
                forms.append(base64.b64encode(f"\0{username}\0{each}".encode()).decode())
        return {f"sent {number}": form for number, form in enumerate(forms)}


def _content_of(email: Email, way: _Way, parcel: Parcel) -> bytes:
    """Return a mail as it goes over the wire: in seven bits, which every server takes."""
    message = message_of(email, parcel, sender=way.sender, reply_to=way.reply_to)
    return message.as_bytes(policy=SMTP_POLICY.clone(cte_type="7bit"))


def message_of(email: Email, parcel: Parcel, *, sender: str, reply_to: str) -> EmailMessage:
    """Return a parcel as a mail; at every attempt it differs by its date and its boundary.

    Args:
        email: What the queue configures; its fields have been checked.
        parcel: What is attached.
        sender: Where the mail comes from; the Message-ID is in its domain.
        reply_to: Where answers go; empty for the sender.

    Raises:
        Undeliverable: Something cannot be put into a mail.
    """
    size = len(parcel.body)
    if size > ATTACHMENT_BYTES_MAX:
        raise Undeliverable(
            Failure.CONFIGURATION,
            f"expected at most {ATTACHMENT_BYTES_MAX} bytes in a mail, was {size}",
        )
    message = EmailMessage(policy=SMTP_POLICY)
    moment = datetime.fromtimestamp(parcel.moment_ns // _NS_PER_SECOND, UTC)
    try:
        message["From"] = _wired(sender)
        message["To"] = ", ".join(map(_wired, email.recipients))
        if reply_to:
            message["Reply-To"] = _wired(reply_to)
        message["Subject"] = text_of(email.subject, parcel)
        message["Date"] = format_datetime(moment)
        message["Message-ID"] = f"<{_atom_of(parcel.delivery_id)}@{_domain_of(sender)}>"
        # RFC 3834, 5: no answering machine should answer a machine.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(lines_of(email.text, parcel))
        maintype, subtype, parameters = _type_of(parcel.content_type)
        message.add_attachment(
            parcel.body,
            maintype=maintype,
            subtype=subtype,
            params=parameters,
            filename=file_name_of(email.file_name, parcel),
        )
    except ValueError as error:
        raise Undeliverable(Failure.CONFIGURATION, f"expected a valid mail: {error}") from error
    return message


def _type_of(content_type: str) -> tuple[str, str, dict[str, str]]:
    """Return a content type in its parts.

    Raises:
        ValueError: It is none.
    """
    is_composite = content_type.lower().startswith(("multipart/", "message/"))
    if is_composite or not _TYPE.fullmatch(content_type):
        raise ValueError(f"expected a content type such as text/csv, was {content_type[:100]!r}")
    probe = EmailMessage()
    probe["Content-Type"] = content_type
    header = probe["Content-Type"]
    return header.maintype, header.subtype, dict(header.params)


def _atom_of(delivery_id: str) -> str:
    """Return an id as it may stand in a Message-ID."""
    if _ATOM.fullmatch(delivery_id):
        return delivery_id
    return hashlib.sha256(delivery_id.encode()).hexdigest()


def _domain_of(address: str) -> str:
    """Return the domain of an address as the protocol spells it."""
    return address.rpartition("@")[2].encode("idna").decode()


def _wired(address: str) -> str:
    """Return an address as the protocol spells it."""
    return f"{address.rpartition('@')[0]}@{_domain_of(address)}"


def _undeliverable(error: aiosmtplib.SMTPException) -> Undeliverable:
    """Return what an error of the protocol means."""
    cause = error.__cause__
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return _replied(Failure.CREDENTIALS, error, "the server refused the credentials")
        case aiosmtplib.SMTPRecipientsRefused():
            return _all_refused(error)
        case aiosmtplib.SMTPResponseException() if error.code > 0:
            return _replied(Failure.STATUS, error, "the server refused the mail")
        case aiosmtplib.SMTPServerDisconnected():
            return Undeliverable(Failure.CONNECTION, "the server closed the connection")
        case _ if isinstance(cause, OSError) and not isinstance(cause, aiosmtplib.SMTPException):
            outcome = outcome_of(cause)
            return Undeliverable(outcome.failure or Failure.CONNECTION, outcome.error)
        case aiosmtplib.SMTPConnectError():
            return Undeliverable(Failure.CONNECTION, "the server closed the connection")
        case _ if "STARTTLS" in error.message:
            return Undeliverable(Failure.TLS, "expected STARTTLS, the server does not offer it")
        case _ if "auth" in error.message.lower():
            return Undeliverable(Failure.CREDENTIALS, error.message)
        case _:
            return Undeliverable(Failure.PROTOCOL, error.message)


def _replied(
    failure: Failure, error: aiosmtplib.SMTPResponseException, words: str
) -> Undeliverable:
    text = f"{error.code} {error.message}"
    return Undeliverable(failure, f"{words}: {text}", status=error.code, response=text)


def _all_refused(error: aiosmtplib.SMTPRecipientsRefused) -> Undeliverable:
    lines = [f"{each.recipient}: {each.code} {each.message}" for each in error.recipients]
    return Undeliverable(
        Failure.STATUS,
        f"the server refused all recipients: {'; '.join(lines)}",
        status=error.recipients[0].code,
        response="\n".join(lines),
    )


def _partly_refused(refused: dict[str, aiosmtplib.SMTPResponse], answer: str) -> Undeliverable:
    lines = [f"{address}: {reply.code} {reply.message}" for address, reply in refused.items()]
    return Undeliverable(
        Failure.PROTOCOL,
        f"the others have got it, but the server refused {'; '.join(lines)}",
        status=next(iter(refused.values())).code,
        response="\n".join([answer, *lines]),
    )
