"""Name what is wrong with export queues before anything is sent."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from server.exports.checks import TEMPLATE_BYTES_MAX, queue_problems
from server.exports.kinds import ExportKind
from server.exports.network import Rules
from server.exports.queue import (
    Configuration,
    Cron,
    Delivery,
    Email,
    ExportQueue,
    Folder,
    Ftp,
    Handlebars,
    Mustache,
    ObjectStorage,
    Order,
    Provider,
    Report,
    ReportFormat,
    Sftp,
    SimpleJson,
    Transform,
    WebHook,
)
from server.exports.transforms import handlebars
from tests.support.export_queues import SIGNING_SECRET

RULES = Rules(allowed=(ip_network("127.0.0.0/8"),), is_http_allowed=True)
HOOK = WebHook(url="https://erp.example/hook")
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8R2rJpT1rnKkqyEGZaDNCNtsQ5CLU5JQRLzDHQp1Zu"


def a_queue(kind: ExportKind = ExportKind.SALE, **fields: Any) -> ExportQueue:
    """Return a queue of sales to a web hook, unless told otherwise."""
    names = ("identifier", "name", "ignored_types")
    own = {name: fields.pop(name) for name in names if name in fields}
    configuration = Configuration(**({"delivery": HOOK} | fields))
    values: dict[str, Any] = {"identifier": "q", "name": "Q", "configuration": configuration}
    return ExportQueue(kind=kind, **(values | own))


def fields_of(
    queue: ExportQueue, secrets: Mapping[str, str] | None = None, rules: Rules = RULES
) -> list[str]:
    """Return the bad fields of a queue."""
    return [each.field for each in queue_problems(queue, secrets or {}, rules)]


GOOD: list[tuple[Delivery, dict[str, str]]] = [
    (HOOK, {"signing_secret": SIGNING_SECRET, "header:Authorization": "Bearer t"}),
    (WebHook(url=""), {"url": "https://erp.example/t0ken"}),
    (Folder(directory="a"), {}),
    (Ftp(host="ftp.example"), {}),
    (Email(recipients=("a@b.example",)), {}),
    (Sftp(host="sftp.example", username="u", host_key=HOST_KEY), {"password": "p"}),
    (
        ObjectStorage(provider=Provider.S3, bucket="bucket", region="eu-north-1"),
        {"access_key_id": "a", "secret_access_key": "s"},
    ),
]


@pytest.mark.parametrize(("delivery", "secrets"), GOOD)
def test_queue_when_it_can_work_then_nothing_is_wrong(
    delivery: Delivery, secrets: dict[str, str]
) -> None:
    assert [] == fields_of(a_queue(delivery=delivery), secrets)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "x" * 256}, ["name"]),
        ({"name": "a\0"}, ["name"]),
        ({"ignored_types": ("sale",)}, ["ignored_stock_event_types"]),
        (
            {"kind": ExportKind.STOCK_EVENT, "ignored_types": ("sale", "theft", "sale")},
            ["ignored_stock_event_types[1]", "ignored_stock_event_types[2]"],
        ),
        ({"concurrency": 0}, ["concurrency"]),
        ({"concurrency": 65}, ["concurrency"]),
        ({"concurrency": 2, "order": Order.STRICT}, ["concurrency"]),
        ({"rate_per_second": -1}, ["rate_per_second"]),
        ({"rate_per_second": 1_001}, ["rate_per_second"]),
        ({"trigger": Cron(expression="0 0 30 2 *")}, ["trigger.cron.expression"]),
        ({"trigger": Cron(expression="* * * * * *")}, ["trigger.cron.expression"]),
        (
            {"trigger": Cron(expression="", timezone="Mars/Olympus")},
            ["trigger.cron.expression", "trigger.cron.timezone"],
        ),
    ],
)
def test_queue_when_a_field_is_bad_then_named(fields: dict[str, Any], expected: list[str]) -> None:
    assert expected == fields_of(a_queue(**fields))


LARGE = "x" * (TEMPLATE_BYTES_MAX - 1) + "å"


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (Mustache(template=""), ["mustache.template"]),
        (Mustache(template=LARGE), ["mustache.template"]),
        (Mustache(template="a", partials={"": "b"}), ['mustache.partials[""]']),
        (Mustache(template="a", partials={"p": LARGE}), ["mustache.partials.p"]),
        (Mustache(template="a", content_type="text"), ["mustache.content_type"]),
        (Mustache(template="a", content_type="a/b\r\nc"), ["mustache.content_type"]),
        (SimpleJson(members={}), ["simple_json.members"]),
        (SimpleJson(members={"a": LARGE}), ["simple_json.members.a"]),
        (Report(format=ReportFormat.PDF), ["report"]),
    ],
)
def test_transform_when_a_field_is_bad_then_named(
    transform: Transform, expected: list[str]
) -> None:
    queue = a_queue(ExportKind.STOCK_EVENT, transform=transform)

    assert [f"transform.{each}" for each in expected] == fields_of(queue)


def test_handlebars_when_the_server_lacks_it_then_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv(handlebars.PATH_VARIABLE, str(tmp_path / "absent.js"))

    assert ["transform.handlebars"] == fields_of(a_queue(transform=Handlebars(template="a")))


@pytest.mark.parametrize(
    ("delivery", "secrets", "expected"),
    [
        (WebHook(url=""), {}, ["delivery.web_hook.url"]),
        (WebHook(url="ftp://a.example"), {}, ["delivery.web_hook.url"]),
        (WebHook(url="http://10.0.0.1/"), {}, ["delivery.web_hook.url"]),
        (WebHook(url="https://u:p@a.example"), {}, ["delivery.web_hook.url"]),
        (WebHook(url="https://a.example", method="GET"), {}, ["delivery.web_hook.method"]),
        (
            WebHook(url="https://a.example", headers={"Host": "b", "X": "a\nb"}),
            {},
            ["delivery.web_hook.headers.Host", "delivery.web_hook.headers.X"],
        ),
        (WebHook(url="https://a.example", timeout_ns=1), {}, ["delivery.web_hook.timeout"]),
        (WebHook(url="https://a.example", timeout_ns=10**11), {}, ["delivery.web_hook.timeout"]),
        (HOOK, {"url": "http://10.0.0.1/t0ken"}, ["secrets.url"]),
        (HOOK, {"signing_secret": "t0ken"}, ["secrets.signing_secret"]),
        (HOOK, {"header:Host": "t0ken"}, ['secrets["header:Host"]']),
        (HOOK, {"header:X": "t0ken\n"}, ['secrets["header:X"]']),
        (HOOK, {"password": "t0ken"}, ["secrets.password"]),
        (HOOK, {"header:X": "t0ken" * 10_000}, ['secrets["header:X"]']),
        (HOOK, {f"header:X{number}": "t0ken" for number in range(51)}, ["secrets"]),
        (Folder(directory="../a"), {"password": "t0ken"}, ["delivery.folder.directory", ""]),
        (Ftp(host="", username="u"), {}, ["delivery.ftp.host", ""]),
        (Email(recipients=()), {}, ["delivery.email.recipients"]),
        (Sftp(host="a.example", username="u", host_key=HOST_KEY), {}, [""]),
        (
            ObjectStorage(provider=Provider.AZURE, bucket="bucket", account="account"),
            {},
            ["secrets.account_key"],
        ),
    ],
)
def test_delivery_when_a_field_is_bad_then_named_without_the_secrets(
    delivery: Delivery, secrets: dict[str, str], expected: list[str]
) -> None:
    found = queue_problems(a_queue(delivery=delivery), secrets, RULES)

    # An empty name stands for the password, which is unknown or absent.
    assert [each or "secrets.password" for each in expected] == [each.field for each in found]
    assert "t0ken" not in repr(found)


def test_web_hook_when_operator_allows_less_then_refused() -> None:
    queue = a_queue(delivery=msgspec.structs.replace(HOOK, url="http://127.0.0.1:8/hook"))

    assert [] == fields_of(queue)
    assert ["delivery.web_hook.url"] == fields_of(queue, rules=Rules())
