"""The operator's own mail server: queues without one of their own send through it."""

import msgspec

from server.exports.queue import Security


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """How mails are sent where a queue names no server.

    The address guard does not apply to it: whoever sets it up runs this server, and a relay on a
    private address is the usual case.

    Attributes:
        host: Of the mail server.
        port: Of the mail server; 0 for the usual one.
        security: How the connection is protected; it is never less than this.
        username: Empty for none.
        password: For the username.
        sender: The address that mails come from.
    """

    host: str
    port: int = 0
    security: Security = Security.STARTTLS
    username: str = ""
    password: str = ""
    sender: str
