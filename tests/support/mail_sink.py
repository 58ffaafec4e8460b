"""A real SMTP server on loopback that keeps the mails it gets."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from server.exports.queue import Security


class Mail(NamedTuple):
    """A mail that was taken.

    Attributes:
        sender: Of the envelope.
        recipients: Of the envelope.
        content: Byte for byte.
        is_encrypted: Whether it came over TLS.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    is_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        message = message_from_bytes(self.content, policy=default_policy)
        assert isinstance(message, EmailMessage), "the default policy makes them"
        return message


class MailSink:
    """A mail server.

    Attributes:
        port: Where it listens on 127.0.0.1.
        mails: What it took, in order.
        replies: What it answers to recipients and senders in place of OK.
        reply_to_data: What it answers to a mail in place of OK; the mail is not kept then.
        username: Who may sign in; empty for anybody without signing in.
        password: For the username.
    """

    def __init__(self, username: str, password: str, *, is_encrypted: bool) -> None:
        self.port = 0
        self.mails: list[Mail] = []
        self.replies: dict[str, str] = {}
        self.reply_to_data = ""
        self.username = username
        self.password = password
        self._is_encrypted = is_encrypted

    async def handle_MAIL(  # noqa: N802 the name is that of aiosmtpd
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer to a sender."""
        if address in self.replies:
            return self.replies[address]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 the name is that of aiosmtpd
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Answer to a recipient."""
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 the name is that of aiosmtpd
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail."""
        if self.reply_to_data:
            return self.reply_to_data
        content = envelope.original_content
        assert content is not None, "there is content after DATA"
        recipients = tuple(envelope.rcpt_tos)
        is_encrypted = self._is_encrypted or session.ssl is not None
        self.mails.append(Mail(envelope.mail_from or "", recipients, content, is_encrypted))
        return "250 2.0.0 taken as number 1"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        """Check who signs in."""
        assert isinstance(data, LoginPassword), "the mechanisms on offer send both"
        expected = (self.username.encode(), self.password.encode())
        if (data.login, data.password) == expected:
            return AuthResult(success=True)
        # A server that is rude enough to repeat what it was given must not bring it into a log.
        text = f"535 5.7.8 no entry with {data.password.decode()}"
        return AuthResult(success=False, handled=False, message=text)


@asynccontextmanager
async def mail_sink(
    *,
    tls: ssl.SSLContext | None = None,
    security: Security = Security.NONE,
    username: str = "",
    password: str = "",
) -> AsyncIterator[MailSink]:
    """Yield a mail server on 127.0.0.1 that runs in this event loop.

    Args:
        tls: With a certificate; None where there is no TLS.
        security: `STARTTLS` demands it, `TLS` begins with it.
        username: Who has to sign in; empty for nobody.
        password: For the username.
    """
    sink = MailSink(username, password, is_encrypted=security is Security.TLS)
    protocols: list[SMTP] = []
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            # That passwords should not go unencrypted is true, and what some tests are about.
            warnings.simplefilter("ignore", UserWarning)
            made = SMTP(
                sink,
                hostname="localhost",
                ident="sink",
                enable_SMTPUTF8=True,
                tls_context=tls if security is Security.STARTTLS else None,
                require_starttls=security is Security.STARTTLS,
                auth_required=bool(username),
                auth_require_tls=False,
                authenticator=sink.authenticate if username else None,
                loop=loop,
            )
        protocols.append(made)
        return made

    server = await loop.create_server(
        protocol, "127.0.0.1", 0, ssl=tls if security is Security.TLS else None
    )
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        for each in protocols:
            if isinstance(each.transport, asyncio.WriteTransport):
                # In Python 3.11.2 a TLS transport that was closed twice has nothing to abort.
                with suppress(AttributeError):
                    each.transport.abort()
        handlers = [each._handler_coroutine for each in protocols if each._handler_coroutine]
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await server.wait_closed()
