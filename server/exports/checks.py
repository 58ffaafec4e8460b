"""Find what is wrong with an export queue as a whole, before anything is sent with it.

Paths are relative to the queue and in the words of its message, such as
`delivery.web_hook.headers.Host` and `transform.csv.columns[2].date`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from engine.errors import FieldProblem, InvalidInput, Reason
from engine.instants import timezone_name
from engine.model.stock import StockEventType
from engine.readers import Problems, text
from engine.strict_json import join, shown_text
from server.exports.cron import cron_problem
from server.exports.csv_check import check_csv, check_simple_json
from server.exports.csv_rows import CsvTransform
from server.exports.deliveries.checks import delivery_problems
from server.exports.deliveries.web_hook import METHODS, header_problem
from server.exports.destination import HEADER_PREFIX, URL, secret_names, takes_secret
from server.exports.kinds import ExportKind
from server.exports.network import Rules, url_problems
from server.exports.order_hook import OrderHook
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
    Report,
    Secrets,
    Sftp,
    SimpleJson,
    Transform,
    WebHook,
)
from server.exports.signatures import read_secret
from server.exports.transforms.handlebars import check_available
from server.exports.transforms.job import TransformError
from server.exports.transforms.report import report_kinds

NAME_CHARACTERS_MAX: Final = 255
TEMPLATE_BYTES_MAX: Final = 256 * 1024
"""How large each template and partial may be."""

PARTIALS_MAX: Final = 100
CONTENT_TYPE_CHARACTERS_MAX: Final = 200
CONCURRENCY_MAX: Final = 64
RATE_PER_SECOND_MAX: Final = 1_000
HEADERS_MAX: Final = 50
SECRETS_MAX: Final = 50
SECRET_CHARACTERS_MAX: Final = 32_768
"""Room for any private key in PEM."""

TIMEOUT_NS_MIN: Final = 1_000_000_000
TIMEOUT_NS_MAX: Final = 60_000_000_000

_NS_PER_SECOND: Final = 10**9
_BASE_URL: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}(/[A-Za-z0-9._~/-]{0,255})?")
LINK_DAYS_MAX: Final = 3_650
_CONTENT_TYPE: Final = re.compile(
    r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+(; ?[\x20-\x7e]+)?", re.IGNORECASE
)
_STOCK_EVENT_TYPES: Final = frozenset(each.value for each in StockEventType)
_SIGNING_SECRETS: Final = ("signing_secret", "signing_secret_2")


def queue_problems(queue: ExportQueue, secrets: Secrets, rules: Rules) -> tuple[FieldProblem, ...]:
    """Return every bad field of a queue.

    Args:
        queue: The queue.
        secrets: All its secrets; no problem repeats the value of one.
        rules: What the operator allows.
    """
    problems = Problems()
    if not queue.name:
        problems.add("name", Reason.REQUIRED, "expected a name, was absent")
    _check_length(queue.name, "name", NAME_CHARACTERS_MAX, problems)
    _check_ignored_types(queue, problems)
    _check_pace(queue.configuration, problems)
    if isinstance(queue.configuration.trigger, Cron):
        _check_cron(queue.configuration.trigger, problems)
    problems.add_all("transform", transform_problems(queue.configuration.transform, queue.kind))
    _check_delivery(queue.configuration.delivery, secrets, rules, problems)
    _check_secrets(queue.configuration.delivery, secrets, problems)
    return _found(problems)


def transform_problems(transform: Transform, kind: ExportKind) -> tuple[FieldProblem, ...]:
    """Return every bad field of a transform; what a template says shows when it is filled."""
    problems = Problems()
    match transform:
        case Mustache():
            _check_template(transform, "mustache", problems)
        case Handlebars():
            _check_template(transform, "handlebars", problems)
            try:
                check_available()
            except TransformError as error:
                problems.add("handlebars", Reason.NOT_ALLOWED, str(error))
        case CsvTransform():
            problems.add_all("csv", check_csv(transform, kind))
        case SimpleJson():
            problems.add_all("simple_json", check_simple_json(transform, kind))
            for name, template in transform.members.items():
                _check_size(template, join("simple_json.members", name), problems)
        case Report():
            _check_report(transform, kind, problems)
        case OrderHook():
            _check_order_hook(transform, kind, problems)
    return _found(problems)


# --- when and how fast -----------------------------------------------------------------------


def _check_ignored_types(queue: ExportQueue, problems: Problems) -> None:
    field = "ignored_stock_event_types"
    if queue.ignored_types and queue.kind is not ExportKind.STOCK_EVENT:
        message = f"expected none of a queue of {queue.kind.name}, was some"
        problems.add(field, Reason.NOT_ALLOWED, message)
    for index, each in enumerate(queue.ignored_types):
        if each not in _STOCK_EVENT_TYPES:
            message = f"expected a type of stock events, was {shown_text(each)}"
            problems.add(f"{field}[{index}]", Reason.UNKNOWN_VALUE, message)
        elif each in queue.ignored_types[:index]:
            message = f"expected each type once, was {each} again"
            problems.add(f"{field}[{index}]", Reason.DUPLICATE, message)


def _check_pace(configuration: Configuration, problems: Problems) -> None:
    is_strict = configuration.order is Order.STRICT
    most = 1 if is_strict else CONCURRENCY_MAX
    _check_range(configuration.concurrency, 1, most, "concurrency", problems)
    rate = configuration.rate_per_second
    _check_range(rate, 0, RATE_PER_SECOND_MAX, "rate_per_second", problems)


def _check_cron(trigger: Cron, problems: Problems) -> None:
    problem = cron_problem(trigger)
    if problem is not None:
        problems.add("trigger.cron.expression", Reason.MALFORMED, problem)
    timezone_name(trigger.timezone, "trigger.cron.timezone", problems)


# --- transforms ------------------------------------------------------------------------------


def _check_template(transform: Mustache | Handlebars, path: str, problems: Problems) -> None:
    if not transform.template:
        problems.add(f"{path}.template", Reason.REQUIRED, "expected a template, was absent")
    _check_size(transform.template, f"{path}.template", problems)
    if len(transform.partials) > PARTIALS_MAX:
        message = f"expected at most {PARTIALS_MAX}, was {len(transform.partials)}"
        problems.add(f"{path}.partials", Reason.TOO_MANY, message)
    for name, template in transform.partials.items():
        field = join(f"{path}.partials", name)
        if not name:
            problems.add(field, Reason.REQUIRED, "expected a name, was empty")
        _check_size(template, field, problems)
    content_type = transform.content_type
    is_long = len(content_type) > CONTENT_TYPE_CHARACTERS_MAX
    if is_long or not _CONTENT_TYPE.fullmatch(content_type):
        expected = "expected a type such as text/html; charset=utf-8"
        was = shown_text(content_type)
        problems.add(f"{path}.content_type", Reason.MALFORMED, f"{expected}, was {was}")


def _check_report(transform: Report, kind: ExportKind, problems: Problems) -> None:
    if kind not in report_kinds():
        known = ", ".join(sorted(each.name for each in report_kinds()))
        message = f"expected a queue of one of {known}, was {kind.name}"
        problems.add("report", Reason.NOT_ALLOWED, message)
    text(transform.language, "report.language", problems)


def _check_order_hook(transform: OrderHook, kind: ExportKind, problems: Problems) -> None:
    if kind is not ExportKind.SALE:
        message = f"expected a queue of SALE, was {kind.name}"
        problems.add("order_hook", Reason.NOT_ALLOWED, message)
    url = transform.link_base_url
    if url and not _BASE_URL.fullmatch(url):
        message = f"expected the address of this server from outside, was {shown_text(url)}"
        problems.add("order_hook.link_base_url", Reason.MALFORMED, message)
    if not 1 <= transform.link_days <= LINK_DAYS_MAX:
        message = f"expected 1 to {LINK_DAYS_MAX}, was {transform.link_days}"
        problems.add("order_hook.link_days", Reason.OUT_OF_BOUNDS, message)


def _check_size(template: str, field: str, problems: Problems) -> None:
    size = len(template.encode())
    if size > TEMPLATE_BYTES_MAX:
        message = f"expected at most {TEMPLATE_BYTES_MAX} bytes, was {size}"
        problems.add(field, Reason.OUT_OF_BOUNDS, message)


# --- deliveries ------------------------------------------------------------------------------


def _check_delivery(delivery: Delivery, secrets: Secrets, rules: Rules, problems: Problems) -> None:
    if isinstance(delivery, WebHook):
        _check_web_hook(delivery, secrets, rules, problems)
        return
    noun = _NOUNS[type(delivery)]
    for field, sentence in delivery_problems(delivery, rules):
        problems.add(f"delivery.{noun}.{field}", Reason.MALFORMED, sentence)


_NOUNS: Final[Mapping[type[Delivery], str]] = {
    Email: "email",
    Ftp: "ftp",
    Sftp: "sftp",
    ObjectStorage: "object_storage",
    Folder: "folder",
}


def _check_web_hook(hook: WebHook, secrets: Secrets, rules: Rules, problems: Problems) -> None:
    path = "delivery.web_hook"
    if hook.url:
        problem = url_problems(hook.url, rules)
        if problem is not None:
            problems.add(f"{path}.url", Reason.MALFORMED, problem)
    elif URL not in secrets:
        expected = "expected a URL here or in the secret url"
        problems.add(f"{path}.url", Reason.REQUIRED, f"{expected}, was absent")
    if hook.method not in METHODS:
        message = f"expected one of {', '.join(METHODS)}, was {shown_text(hook.method)}"
        problems.add(f"{path}.method", Reason.UNKNOWN_VALUE, message)
    if len(hook.headers) > HEADERS_MAX:
        message = f"expected at most {HEADERS_MAX}, was {len(hook.headers)}"
        problems.add(f"{path}.headers", Reason.TOO_MANY, message)
    for name, value in hook.headers.items():
        problem = header_problem(name, value)
        if problem is not None:
            problems.add(join(f"{path}.headers", name), Reason.MALFORMED, problem)
    if not TIMEOUT_NS_MIN <= hook.timeout_ns <= TIMEOUT_NS_MAX:
        most = TIMEOUT_NS_MAX // _NS_PER_SECOND
        message = f"expected 1 to {most} seconds, was {hook.timeout_ns} nanoseconds"
        problems.add(f"{path}.timeout", Reason.OUT_OF_BOUNDS, message)
    # The URL may carry a token: nothing of it is repeated.
    if URL in secrets and url_problems(secrets[URL], rules) is not None:
        expected = "expected the URL of an endpoint that may be reached, was another text"
        problems.add("secrets.url", Reason.MALFORMED, expected)


# --- secrets ---------------------------------------------------------------------------------


def _check_secrets(delivery: Delivery, secrets: Secrets, problems: Problems) -> None:
    if len(secrets) > SECRETS_MAX:
        message = f"expected at most {SECRETS_MAX}, was {len(secrets)}"
        problems.add("secrets", Reason.TOO_MANY, message)
        return
    for name, value in secrets.items():
        field = join("secrets", name)
        if not takes_secret(delivery, name):
            problems.add(field, Reason.UNKNOWN_FIELD, _unknown_secret(delivery, name))
        elif len(value) > SECRET_CHARACTERS_MAX or "\0" in value:
            expected = f"expected at most {SECRET_CHARACTERS_MAX} characters without NUL"
            problems.add(field, Reason.OUT_OF_BOUNDS, f"{expected}, was another text")
        elif name.startswith(HEADER_PREFIX):
            problem = header_problem(name.removeprefix(HEADER_PREFIX), value)
            if problem is not None:
                problems.add(field, Reason.MALFORMED, problem)
        elif name in _SIGNING_SECRETS:
            try:
                read_secret(value)
            except ValueError as error:
                problems.add(field, Reason.MALFORMED, str(error))
    for name in _missing_secrets(delivery, secrets):
        problems.add(join("secrets", name), Reason.REQUIRED, "expected a secret, was absent")


def _unknown_secret(delivery: Delivery, name: str) -> str:
    known = sorted(secret_names(delivery))
    if isinstance(delivery, WebHook):
        known.append(f"{HEADER_PREFIX}NAME")
    listed = f"one of {', '.join(known)}" if known else "no secret"
    return f"expected {listed}, was {shown_text(name)}"


def _missing_secrets(delivery: Delivery, secrets: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of the secrets without which no attempt can succeed."""
    match delivery:
        case Email() if delivery.host and delivery.username:
            needed = ["password"]
        case Ftp() if delivery.username:
            needed = ["password"]
        case Sftp() if "private_key" not in secrets:
            needed = ["password"]
        case ObjectStorage():
            needed = sorted(secret_names(delivery))
        case _:
            needed = []
    return (name for name in needed if name not in secrets)


# --- numbers and texts -----------------------------------------------------------------------


def _check_range(value: int, least: int, most: int, field: str, problems: Problems) -> None:
    if not least <= value <= most:
        expected = f"{least} to {most}" if least < most else str(least)
        problems.add(field, Reason.OUT_OF_BOUNDS, f"expected {expected}, was {value}")


def _check_length(value: str, field: str, most: int, problems: Problems) -> None:
    if len(value) > most:
        message = f"expected at most {most} characters, was {len(value)}"
        problems.add(field, Reason.OUT_OF_BOUNDS, message)
    elif "\0" in value:
        problems.add(field, Reason.MALFORMED, "expected text without a NUL character")


def _found(problems: Problems) -> tuple[FieldProblem, ...]:
    try:
        problems.finish()
    except InvalidInput as error:
        return error.problems
    return ()
