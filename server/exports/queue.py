"""An export queue as values: trigger, transform, delivery, retry and order.

The store keeps `Configuration` as JSON; what a delivery must not show is apart, in `Secrets`.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from server.exports.csv_rows import CsvTransform
from server.exports.kinds import ExportKind
from server.exports.order_hook import OrderHook


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frozen value of a configuration."""


# --- triggers --------------------------------------------------------------------------------


class RealTime(Value, frozen=True, kw_only=True, tag_field="type", tag="real_time"):
    """Export each element as soon as it is placed (reference: Trigger Types)."""


class Cron(Value, frozen=True, kw_only=True, tag_field="type", tag="cron"):
    """Export all elements that wait, in one batch, at the times of an expression.

    Attributes:
        expression: Five fields, as Debian's cron reads them; hourly is `0 * * * *`.
        timezone: IANA name of the zone that the expression is read in.
    """

    expression: str
    timezone: str = "UTC"


Trigger = RealTime | Cron


# --- transforms ------------------------------------------------------------------------------


class Identity(Value, frozen=True, kw_only=True, tag_field="type", tag="identity"):
    """Export the dictionary of elements as it is."""


class Mustache(Value, frozen=True, kw_only=True, tag_field="type", tag="mustache"):
    """Fill a Mustache template.

    The template sees the dictionary of elements, and beside it `elements`: a list of
    `{"key": ..., "value": ...}`, because Mustache cannot walk a dictionary.

    Attributes:
        template: The template.
        partials: Further templates by name.
        content_type: Of the result, such as `text/html; charset=utf-8`.
    """

    template: str
    partials: Mapping[str, str] = {}
    content_type: str = "text/plain; charset=utf-8"


class Handlebars(Value, frozen=True, kw_only=True, tag_field="type", tag="handlebars"):
    """Fill a Handlebars template; it sees what a Mustache template sees.

    Attributes:
        template: The template.
        partials: Further templates by name.
        content_type: Of the result.
    """

    template: str
    partials: Mapping[str, str] = {}
    content_type: str = "text/plain; charset=utf-8"


class Missing(Enum):
    """What a Simple JSON member is whose path leads nowhere."""

    EMPTY = "empty"
    NULL = "null"
    SKIP = "skip"


class SimpleJson(Value, frozen=True, kw_only=True, tag_field="type", tag="simple_json"):
    """Describe a flat JSON object: names, and templates with `{dotted.paths}`.

    Attributes:
        members: The template of each member, in their order.
        missing: What a member is whose path leads nowhere.
        vendor_compat: Whether numbers are printed as whole numbers with thousands separators, and
            every value is a text (design: models.md, 6.4).
    """

    members: Mapping[str, str]
    missing: Missing = Missing.SKIP
    vendor_compat: bool = False


class ReportFormat(Enum):
    """How a report is rendered."""

    HTML = "html"
    PDF = "pdf"


class Report(Value, frozen=True, kw_only=True, tag_field="type", tag="report"):
    """Render each element for people: receipts of sales and checkouts, Z reports of closes.

    Attributes:
        format: The format of the file.
        language: The language of names, such as `da`; the first one there is without it.
    """

    format: ReportFormat
    language: str = ""


Transform = Identity | Mustache | Handlebars | CsvTransform | SimpleJson | Report | OrderHook


# --- deliveries ------------------------------------------------------------------------------


class BodyEncoding(Enum):
    """How a web hook carries what the transform made."""

    RAW = "raw"
    FORM = "form"


class WebHook(Value, frozen=True, kw_only=True, tag_field="type", tag="web_hook"):
    """Send an HTTP request to an endpoint.

    Secrets: `signing_secret` and `signing_secret_2` (`whsec_...`: each adds a signature as Standard
    Webhooks has it), `header:NAME` (the value of a header), `url` (in place of `url`, where the
    address itself carries a token).

    Attributes:
        url: Where to; https, or http where the operator allows it.
        method: POST or PUT.
        headers: Further headers whose values are no secret.
        body: How the body is encoded; `form` flattens a JSON object into form fields.
        timeout_ns: How long one attempt may take in all.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    body: BodyEncoding = BodyEncoding.RAW
    timeout_ns: int = 15_000_000_000


class Security(Enum):
    """How a connection to a mail or FTP server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Email(Value, frozen=True, kw_only=True, tag_field="type", tag="email"):
    """Send a mail with the result as an attachment.

    Secrets: `password`. Without a host the operator's mail server is used.

    Attributes:
        recipients: Addresses.
        sender: The address it comes from; empty for the operator's.
        subject: May hold `{queue}`, `{key}` and `{date}`.
        text: The text of the mail, with the same words.
        file_name: Of the attachment, with the same words; empty for a name made of them.
        host: Of the mail server.
        port: Of the mail server; 0 for the usual one.
        security: How the connection is protected.
        username: Empty for none.
    """

    recipients: tuple[str, ...]
    sender: str = ""
    subject: str = "{queue} {key}"
    text: str = ""
    file_name: str = ""
    host: str = ""
    port: int = 0
    security: Security = Security.STARTTLS
    username: str = ""


class Ftp(Value, frozen=True, kw_only=True, tag_field="type", tag="ftp"):
    """Put a file on an FTP server, or over TLS (FTPS), under a temporary name that is renamed.

    Secrets: `password`.

    Attributes:
        host: Of the server.
        port: Of the server; 0 for the usual one.
        security: `starttls` is explicit FTPS, `tls` implicit.
        username: Empty for anonymous.
        directory: Where the file is put; it has to be there.
        file_name: May hold `{queue}`, `{key}`, `{date}`; empty for a name made of them.
    """

    host: str
    port: int = 0
    security: Security = Security.STARTTLS
    username: str = ""
    directory: str = ""
    file_name: str = ""


class Sftp(Value, frozen=True, kw_only=True, tag_field="type", tag="sftp"):
    """Put a file on an SFTP server under a temporary name that is renamed.

    Secrets: `password`, or `private_key` (OpenSSH or PEM) with `passphrase`.

    Attributes:
        host: Of the server.
        port: Of the server.
        username: Who signs in.
        host_key: The server's public key in the form `ssh-ed25519 AAAA...`; another is refused.
        directory: Where the file is put; it has to be there.
        file_name: As `Ftp.file_name`.
    """

    host: str
    port: int = 22
    username: str
    host_key: str
    directory: str = ""
    file_name: str = ""


class Provider(Enum):
    """Whose object storage it is."""

    S3 = "s3"
    AZURE = "azure"
    GOOGLE = "google"


class ObjectStorage(Value, frozen=True, kw_only=True, tag_field="type", tag="object_storage"):
    """Put an object in a bucket.

    Secrets: S3 `access_key_id` and `secret_access_key`; Azure `account_key`; Google
    `service_account_key` (the JSON).

    Attributes:
        provider: Whose it is.
        bucket: Bucket or container.
        prefix: Put before the name of the object.
        object_name: As `Ftp.file_name`.
        region: S3 only.
        endpoint: URL of an S3-compatible service; empty for the provider's own.
        account: Azure only.
    """

    provider: Provider
    bucket: str
    prefix: str = ""
    object_name: str = ""
    region: str = ""
    endpoint: str = ""
    account: str = ""


class Folder(Value, frozen=True, kw_only=True, tag_field="type", tag="folder"):
    """Write a file below a directory of the server that the operator has set aside for it.

    Attributes:
        directory: A path relative to that directory; it is made.
        file_name: As `Ftp.file_name`.
    """

    directory: str = ""
    file_name: str = ""


Delivery = WebHook | Email | Ftp | Sftp | ObjectStorage | Folder

Secrets = Mapping[str, str]
"""What a delivery must not show, by the names that its class states."""


# --- retry and order -------------------------------------------------------------------------


class RetryPreset(Enum):
    """Which failures are tried again, and when.

    `reference`: only real time, web hook, and 503, 522, 524, time-out or connection refused; five
    attempts in all (reference: Retry mechanism). `standard_webhooks`: whatever may pass, of any
    trigger and delivery; ten attempts in 75.6 hours. `none`: nothing.
    """

    REFERENCE = "reference"
    STANDARD_WEBHOOKS = "standard_webhooks"
    NONE = "none"


class Order(Enum):
    """Whether an element may overtake one that is tried again: no under `strict`."""

    NONE = "none"
    STRICT = "strict"


class Configuration(Value, frozen=True, kw_only=True):
    """What happens with the entries of a queue.

    Attributes:
        trigger: When.
        transform: What is made of them.
        delivery: Where it goes.
        retry: Which failures are tried again.
        order: Whether an element may overtake another.
        concurrency: Attempts at a time in real time; 1 under `strict`.
        rate_per_second: Attempts begun a second at most; 0 for no bound.
    """

    trigger: Trigger = RealTime()
    transform: Transform = Identity()
    delivery: Delivery
    retry: RetryPreset = RetryPreset.REFERENCE
    order: Order = Order.NONE
    concurrency: int = 8
    rate_per_second: int = 0


class QueueState(Enum):
    """Whether a queue is dispatched; its entries are placed all the same, and wait."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class ExportQueue(Value, frozen=True, kw_only=True):
    """An export queue.

    Attributes:
        identifier: Its id within the account.
        name: For people, and in the names of files.
        kind: What is placed in it.
        ignored_types: Types of stock events that are not.
        configuration: What happens with its entries.
        state: Whether it is dispatched.
        state_reason: Why not, when the server has disabled it.
    """

    identifier: str
    name: str
    kind: ExportKind
    ignored_types: tuple[str, ...] = ()
    configuration: Configuration
    state: QueueState = QueueState.ACTIVE
    state_reason: str = ""


_DECODER: Final = msgspec.json.Decoder(Configuration)


def configuration_to_json(configuration: Configuration) -> str:
    """Return a configuration as the store keeps it."""
    return msgspec.json.encode(configuration).decode()


def configuration_from_json(text: str) -> Configuration:
    """Return what `configuration_to_json` made.

    Raises:
        ValidationError: It is not of this version.
    """
    return _DECODER.decode(text)
