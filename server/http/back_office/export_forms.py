"""The form of an export queue: what it takes, when, made into what, brought where."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf import json_format

from server.exports.destination import secret_names
from server.exports.queue import Email, Ftp, ObjectStorage, Provider, Sftp, WebHook
from server.http.back_office import forms
from server.http.back_office.forms import Field, Kind
from tillcore.v1 import export_queue_pb2, export_transform_pb2

_Choice = Kind.CHOICE

GENERAL: Final = (
    Field("id", is_required=True, is_fixed=True),
    Field("name", is_required=True),
    Field("kind", _Choice, is_required=True, is_fixed=True),
    Field("order", _Choice),
    Field("retry", _Choice),
    Field("concurrency", Kind.INTEGER),
    Field("rate_per_second", Kind.INTEGER),
)

TRIGGERS: Final[Mapping[str, tuple[Field, ...]]] = {
    "real_time": (),
    "cron": (Field("trigger.cron.expression"), Field("trigger.cron.timezone")),
}

TRANSFORMS: Final[Mapping[str, tuple[Field, ...]]] = {
    "identity": (),
    "mustache": (
        Field("transform.mustache.template", Kind.CODE),
        Field("transform.mustache.content_type"),
        Field("transform.mustache.partials", Kind.PAIRS),
    ),
    "handlebars": (
        Field("transform.handlebars.template", Kind.CODE),
        Field("transform.handlebars.content_type"),
        Field("transform.handlebars.partials", Kind.PAIRS),
    ),
    "csv": (Field("transform.csv", Kind.CODE),),
    "simple_json": (
        Field("transform.simple_json.members", Kind.LINES),
        Field("transform.simple_json.missing", _Choice),
        Field("transform.simple_json.vendor_compat", Kind.FLAG),
    ),
    "report": (
        Field("transform.report.format", _Choice),
        Field("transform.report.language"),
    ),
    "order_hook": (
        Field("transform.order_hook.event", _Choice),
        Field("transform.order_hook.link_base_url"),
        Field("transform.order_hook.link_days", Kind.INTEGER),
    ),
}

_FILE: Final = ("directory", "file_name")


def _named(kind: str, *names: str) -> tuple[Field, ...]:
    return tuple(Field(f"delivery.{kind}.{name}") for name in names)


DELIVERIES: Final[Mapping[str, tuple[Field, ...]]] = {
    "web_hook": (
        Field("delivery.web_hook.url"),
        Field(
            "delivery.web_hook.method",
            _Choice,
            choices=(("POST", "POST"), ("PUT", "PUT")),
        ),
        Field("delivery.web_hook.headers", Kind.PAIRS),
        Field("delivery.web_hook.body", _Choice),
        Field("delivery.web_hook.timeout", Kind.SECONDS),
    ),
    "folder": _named("folder", *_FILE),
    "email": (
        Field("delivery.email.recipients", Kind.LINES),
        *_named("email", "sender", "subject"),
        Field("delivery.email.text", Kind.LONG),
        *_named("email", "file_name", "host"),
        Field("delivery.email.port", Kind.INTEGER),
        Field("delivery.email.security", _Choice),
        *_named("email", "username"),
    ),
    "ftp": (
        *_named("ftp", "host"),
        Field("delivery.ftp.port", Kind.INTEGER),
        Field("delivery.ftp.security", _Choice),
        *_named("ftp", "username", *_FILE),
    ),
    "sftp": (
        *_named("sftp", "host"),
        Field("delivery.sftp.port", Kind.INTEGER),
        *_named("sftp", "username", "host_key", *_FILE),
    ),
    "object_storage": (
        Field("delivery.object_storage.provider", _Choice),
        *_named(
            "object_storage",
            "bucket",
            "prefix",
            "object_name",
            "region",
            "endpoint",
            "account",
        ),
    ),
}

SECRETS: Final[Mapping[str, tuple[str, ...]]] = {
    "web_hook": tuple(sorted(secret_names(WebHook(url="")))),
    "folder": (),
    "email": tuple(sorted(secret_names(Email(recipients=())))),
    "ftp": tuple(sorted(secret_names(Ftp(host="")))),
    "sftp": tuple(sorted(secret_names(Sftp(host="", username="", host_key="")))),
    "object_storage": tuple(
        sorted(
            {
                name
                for each in Provider
                for name in secret_names(ObjectStorage(provider=each, bucket=""))
            }
        )
    ),
}
"""The secrets that a delivery can have by name; those of headers are written as lines."""

_SPECIAL: Final = frozenset({"transform.csv", "transform.simple_json.members"})
CSV_EXAMPLE: Final = """{
  "columns": [
    {"header": "Receipt", "value": "sequence_number"},
    {"header": "Total", "value": "total", "format": "0.00"}
  ],
  "rows": [{"type": "EXPORT_CSV_ROW_TYPE_LINE_ITEMS", "aggregates": {"total": "{total|0}"}}]
}"""


def all_fields() -> tuple[Field, ...]:
    """Return every field of the form."""
    groups = (TRIGGERS, TRANSFORMS, DELIVERIES)
    return (*GENERAL, *(f for group in groups for fields in group.values() for f in fields))


def show_queue(queue: export_queue_pb2.ExportQueue) -> dict[str, str]:
    """Return what the form shows of a queue; never a secret."""
    chosen = {
        "trigger": queue.trigger.WhichOneof("kind") or "real_time",
        "transform": queue.transform.WhichOneof("kind") or "identity",
        "delivery": queue.delivery.WhichOneof("kind") or "web_hook",
    }
    # Reading a member that is not chosen shows its defaults and chooses nothing.
    plain = [field for field in all_fields() if field.path not in _SPECIAL]
    shown = forms.show(plain, queue) | chosen
    csv = queue.transform.csv
    text = json_format.MessageToJson(csv, preserving_proto_field_name=True)
    shown["transform.csv"] = text if chosen["transform"] == "csv" else CSV_EXAMPLE
    members = queue.transform.simple_json.members
    lines = [f"{each.name}: {each.template}" for each in members]
    shown["transform.simple_json.members"] = "\n".join(lines)
    return shown


def read_queue(
    form: Mapping[str, str], queue: export_queue_pb2.ExportQueue, *, is_new: bool
) -> list[tuple[str, str]]:
    """Read a form into a queue; return what cannot be read."""
    queue.ClearField("trigger")
    queue.ClearField("transform")
    queue.ClearField("delivery")
    general = [field for field in GENERAL if is_new or not field.is_fixed]
    problems = forms.read(general, form, queue)
    for name, group in (
        ("trigger", TRIGGERS),
        ("transform", TRANSFORMS),
        ("delivery", DELIVERIES),
    ):
        chosen = form.get(name, "")
        if chosen not in group:
            problems.append((name, "expected one of the list, was another"))
            continue
        holder = getattr(queue, name)
        getattr(holder, chosen).SetInParent()
        plain = [field for field in group[chosen] if field.path not in _SPECIAL]
        problems += forms.read(plain, form, queue)
        problems += _read_special(form, queue, chosen)
    for name, value in _sent_secrets(form):
        queue.secrets[name] = value
    for line in forms.lines_of(form.get("secrets", "")):
        name, equals, value = line.partition("=")
        if equals:
            queue.secrets[name.strip()] = value.strip()
        else:
            # What was written may be a secret: it is not repeated.
            problems.append(("secrets", "expected lines such as header:X-Key = value"))
    return problems


def _read_special(
    form: Mapping[str, str], queue: export_queue_pb2.ExportQueue, chosen: str
) -> Iterator[tuple[str, str]]:
    """Read what no kind of field is for: the tables of CSV, and members in their order."""
    if chosen == "csv":
        path = "transform.csv"
        try:
            csv = json_format.Parse(form.get(path, ""), export_transform_pb2.ExportCsv())
        except json_format.ParseError as error:
            yield path, f"expected the settings of a CSV file: {str(error)[:300]}"
        else:
            queue.transform.csv.CopyFrom(csv)
    elif chosen == "simple_json":
        path = "transform.simple_json.members"
        for line in forms.lines_of(form.get(path, "")):
            name, colon, template = line.partition(":")
            if not colon:
                yield path, "expected lines such as name: {path}"
                return
            queue.transform.simple_json.members.add(name=name.strip(), template=template.strip())


def _sent_secrets(form: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the secrets that were typed, and an empty text for each that is taken away."""
    delivery = form.get("delivery", "")
    for name in SECRETS.get(delivery, ()):
        text = form.get(f"secret.{delivery}.{name}", "")
        if form.get(f"remove.{delivery}.{name}"):
            yield name, ""
        elif text.strip():
            # Keys in several lines need the last line end.
            yield name, text if "\n" in text else text.strip()


def choices(queue: export_queue_pb2.ExportQueue) -> dict[str, Any]:
    """Return the values that each choice of the form has."""
    return {
        field.path: forms.choices_of(field, queue)
        for field in all_fields()
        if field.kind is Kind.CHOICE
    }
