"""Deliver by mail to a real server: what arrives, what is refused, and what is never said."""

from ipaddress import ip_network
from typing import Any

import pytest

from server.exports.deliveries.email import ATTACHMENT_BYTES_MAX, EmailDeliverer
from server.exports.mail_server import MailServer
from server.exports.network import Rules
from server.exports.outcome import Failure, Outcome
from server.exports.queue import Email, Security
from tests.support.bad_servers import cutting_proxy, refusing_port, silent_server
from tests.support.certificates import HOST, Authority
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.parcels import BODY, LOOPBACK, NOTHING_PRIVATE, parcel

SENDER = "pos@shop.example"
PASSWORD = "open sesame"


def email(port: int, **changes: Any) -> Email:
    """Return a delivery to a server on loopback, with changes."""
    fields: dict[str, Any] = {
        "recipients": ("books@shop.example",),
        "sender": SENDER,
        "host": HOST,
        "port": port,
        "security": Security.NONE,
    }
    return Email(**fields | changes)


async def sent(
    delivery: Email,
    *,
    rules: Rules = LOOPBACK,
    authority: Authority | None = None,
    mail_server: MailServer | None = None,
    password: str = "",
    timeout_seconds: float = 20,
    **changes: Any,
) -> Outcome:
    """Deliver a parcel, with changes to it."""
    deliverer = EmailDeliverer(
        delivery,
        rules,
        mail_server,
        tls=authority.client() if authority else None,
        timeout_seconds=timeout_seconds,
    )
    secrets = {"password": password} if password else {}
    return await deliverer.deliver(parcel(**changes), secrets)


def only_attachment(sink: MailSink) -> Any:
    """Return the attachment of the only mail."""
    (mail,) = sink.mails
    (attachment,) = mail.message.iter_attachments()
    return attachment


async def test_email_when_taken_then_attachment_is_equal_byte_for_byte() -> None:
    async with mail_sink() as sink:
        outcome = await sent(email(sink.port, text="Hello,\n\nfor {date}."))

    message, attachment = sink.mails[0].message, only_attachment(sink)
    body = message.get_body()
    assert Outcome(status=250, response="2.0.0 taken as number 1") == outcome
    assert attachment.get_payload(decode=True) == BODY
    assert attachment.get_content_type() == "text/csv"
    assert body is not None
    assert "Hello,\n\nfor 2026-05-28T202640Z.\n" == body.get_content().replace("\r", "")
    assert "Salg på Ærø sale-1" == message["Subject"]
    assert "Mon, 21 Sep 2026 14:13:20 +0000" == message["Date"]
    assert all(len(line) <= 998 for line in sink.mails[0].content.splitlines())


async def test_email_when_sent_twice_then_message_id_and_file_name_stay() -> None:
    async with mail_sink() as sink:
        await sent(email(sink.port), moment_ns=10**18)
        await sent(email(sink.port), moment_ns=2 * 10**18)

    first, second = (mail.message for mail in sink.mails)
    assert "<msg_0123456789abcdef0123456789abcdef@shop.example>" == first["Message-ID"]
    assert first["Message-ID"] == second["Message-ID"]
    names = [next(each.iter_attachments()).get_filename() for each in (first, second)]
    assert names[0] == names[1]
    assert first["Date"] != second["Date"]


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_email_when_tls_is_configured_then_mail_and_password_are_encrypted(
    security: Security,
) -> None:
    authority = Authority()
    async with mail_sink(
        tls=authority.server(), security=security, username="till", password=PASSWORD
    ) as sink:
        outcome = await sent(
            email(sink.port, security=security, username="till"),
            authority=authority,
            password=PASSWORD,
        )

    assert None is outcome.failure
    assert sink.mails[0].is_encrypted


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
@pytest.mark.parametrize("flaw", ["unknown authority", "other host"])
async def test_email_when_certificate_cannot_be_verified_then_nothing_is_sent(
    security: Security, flaw: str
) -> None:
    authority = Authority()
    signer = Authority() if flaw == "unknown authority" else authority
    tls = signer.server("other.example" if flaw == "other host" else HOST)
    async with mail_sink(tls=tls, security=security) as sink:
        outcome = await sent(email(sink.port, security=security), authority=authority)

    assert (Failure.TLS, []) == (outcome.failure, sink.mails)
    assert "certificate" in outcome.error


async def test_email_when_server_offers_no_starttls_then_nothing_goes_unencrypted() -> None:
    async with mail_sink() as sink:
        outcome = await sent(email(sink.port, security=Security.STARTTLS))

    assert (Failure.TLS, []) == (outcome.failure, sink.mails)


async def test_email_when_password_is_wrong_then_credentials_and_no_echo_of_it() -> None:
    async with mail_sink(username="till", password="another") as sink:
        outcome = await sent(email(sink.port, username="till"), password=PASSWORD)

    assert (Failure.CREDENTIALS, 535) == (outcome.failure, outcome.status)
    assert "no entry with ***" in outcome.response
    assert PASSWORD not in str(outcome)


async def test_email_when_password_is_absent_then_says_so() -> None:
    async with mail_sink(username="till", password=PASSWORD) as sink:
        outcome = await sent(email(sink.port, username="till"))

    assert Failure.CONFIGURATION is outcome.failure
    assert "expected the secret password, was absent" == outcome.error


async def test_email_when_one_recipient_is_refused_then_names_it_and_others_have_it() -> None:
    recipients = ("books@shop.example", "gone@shop.example")
    async with mail_sink() as sink:
        sink.replies["gone@shop.example"] = "550 5.1.1 no such box"
        outcome = await sent(email(sink.port, recipients=recipients))

    assert (Failure.PROTOCOL, 550) == (outcome.failure, outcome.status)
    assert "gone@shop.example: 550 5.1.1 no such box" in outcome.error
    assert [("books@shop.example",)] == [mail.recipients for mail in sink.mails]


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        (SENDER, "451 4.3.0 try later"),
        (SENDER, "552 5.3.4 too large"),
        ("books@shop.example", "450 4.2.1 greylisted"),
        ("books@shop.example", "550 5.1.1 no such box"),
        ("data", "452 4.3.1 disk full"),
        ("data", "554 5.7.1 spam"),
    ],
)
async def test_email_when_server_refuses_then_status_and_text_are_told(
    step: str, reply: str
) -> None:
    async with mail_sink() as sink:
        sink.replies[step] = reply
        sink.reply_to_data = reply if step == "data" else ""
        outcome = await sent(email(sink.port))

    assert (Failure.STATUS, int(reply[:3])) == (outcome.failure, outcome.status)
    assert reply[4:] in outcome.error
    assert [] == sink.mails


async def test_email_when_server_says_nothing_then_times_out() -> None:
    async with silent_server() as port:
        outcome = await sent(email(port), timeout_seconds=0.2)

    assert Failure.TIMEOUT is outcome.failure


async def test_email_when_nobody_listens_then_refused() -> None:
    with refusing_port() as port:
        outcome = await sent(email(port))

    assert Failure.REFUSED is outcome.failure


async def test_email_when_host_has_no_address_then_unknown_host() -> None:
    outcome = await sent(email(25, host="nowhere.invalid"))

    assert Failure.NAME is outcome.failure


async def test_email_when_cut_in_the_middle_then_lost_and_no_mail() -> None:
    async with mail_sink() as sink, cutting_proxy(sink.port, after_bytes=20_000) as port:
        outcome = await sent(email(port), body=b"x" * 100_000)

    assert (Failure.CONNECTION, []) == (outcome.failure, sink.mails)


async def test_email_when_host_is_private_then_blocked_but_the_operators_may_be() -> None:
    async with mail_sink() as sink:
        own = MailServer(
            host=HOST, port=sink.port, security=Security.NONE, sender="export@tillcore.example"
        )
        blocked = await sent(email(sink.port), rules=NOTHING_PRIVATE)
        through_own = await sent(email(0, host=""), rules=NOTHING_PRIVATE, mail_server=own)

    assert (Failure.BLOCKED_ADDRESS, None) == (blocked.failure, through_own.failure)
    (mail,) = sink.mails
    assert "export@tillcore.example" == mail.sender
    assert ("export@tillcore.example", SENDER) == (mail.message["From"], mail.message["Reply-To"])


async def test_email_when_nobody_has_a_mail_server_then_says_so() -> None:
    outcome = await sent(email(0, host=""))

    assert Failure.CONFIGURATION is outcome.failure
    assert "no mail server is set up" in outcome.error


@pytest.mark.parametrize(
    "changes",
    [
        {"recipients": ("a@shop.example\r\nRCPT TO:<b@evil.example>",)},
        {"recipients": ("a@shop.example\nBcc: b@evil.example",)},
        {"recipients": ("<a@shop.example> SIZE=1",)},
        {"sender": "pos@shop.example\r\nX: y"},
        {"subject": "a\r\nBcc: b@evil.example"},
        {"file_name": "a\r\nX: y"},
        {"username": "till\r\nQUIT"},
        {"host": "localhost\r\nQUIT"},
        {"recipients": ()},
    ],
)
async def test_email_when_configuration_carries_commands_then_refused(
    changes: dict[str, Any],
) -> None:
    async with mail_sink() as sink:
        outcome = await sent(email(sink.port, **changes), password=PASSWORD)

    assert (Failure.CONFIGURATION, []) == (outcome.failure, sink.mails)


async def test_email_when_names_carry_headers_then_they_are_flattened() -> None:
    async with mail_sink() as sink:
        outcome = await sent(
            email(sink.port, file_name="{queue}", text="{queue}\n.\nend"),
            queue_name="a\r\nBcc: b@evil.example\r\n\r\nbody",
            element_keys=("k\u2028ey\x00",),
        )

    message = sink.mails[0].message
    assert None is outcome.failure
    assert "a Bcc: b@evil.example body k ey" == message["Subject"]
    assert None is message["Bcc"]
    assert ("books@shop.example",) == sink.mails[0].recipients
    assert only_attachment(sink).get_filename().startswith("a_Bcc_b_evil.example_body-")


@pytest.mark.parametrize("content_type", ["", "text", "text/csv\r\nX: y", "multipart/mixed"])
async def test_email_when_content_type_is_none_then_refused(content_type: str) -> None:
    async with mail_sink() as sink:
        outcome = await sent(email(sink.port), content_type=content_type)

    assert (Failure.CONFIGURATION, []) == (outcome.failure, sink.mails)


async def test_email_when_domains_are_not_ascii_then_they_go_as_the_protocol_spells_them() -> None:
    async with mail_sink() as sink:
        outcome = await sent(
            email(sink.port, recipients=("b@grøn.example",), sender="p@grøn.example")
        )

    assert None is outcome.failure
    assert ("b@xn--grn-1na.example",) == sink.mails[0].recipients
    assert "p@xn--grn-1na.example" == sink.mails[0].sender


async def test_email_when_attachment_is_too_large_for_mail_then_refused() -> None:
    outcome = await sent(email(25), body=bytes(ATTACHMENT_BYTES_MAX + 1))

    assert Failure.CONFIGURATION is outcome.failure


async def test_email_when_one_network_is_allowed_then_others_stay_blocked() -> None:
    rules = Rules(allowed=(ip_network("10.0.0.0/8"),))
    async with mail_sink() as sink:
        outcome = await sent(email(sink.port, host="127.0.0.1"), rules=rules)

    assert Failure.BLOCKED_ADDRESS is outcome.failure
