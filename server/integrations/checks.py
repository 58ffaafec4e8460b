"""Find what is wrong with an integration, before anything is sent to it.

Paths are relative to the integration and in the words of its message, such as `headers.Host`.
"""

from typing import Final

from engine import limits
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.numbers import format_micros
from engine.readers import Problems
from engine.strict_json import join, shown_text
from server.exports.deliveries.web_hook import header_problem
from server.exports.destination import HEADER_PREFIX, URL
from server.exports.network import Rules, url_problems
from server.exports.queue import Secrets
from server.exports.signatures import read_secret
from server.integrations.integration import NS_PER_SECOND, Integration

TIMEOUT_NS_MIN: Final = NS_PER_SECOND
TIMEOUT_NS_MAX: Final = 30 * NS_PER_SECOND
"""A customer waits at the till for no longer."""

CONCURRENCY_MAX: Final = 64
HEADERS_MAX: Final = 50
SECRETS_MAX: Final = 50
PLACES_MAX: Final = 1_000
SECRET_CHARACTERS_MAX: Final = 4_000
_NS_PER_MICRO: Final = 1_000
SIGNING_SECRETS: Final = ("signing_secret", "signing_secret_2")


def integration_problems(
    integration: Integration, secrets: Secrets, rules: Rules
) -> tuple[FieldProblem, ...]:
    """Return every bad field of an integration.

    Args:
        integration: The integration.
        secrets: All its secrets; no problem repeats the value of one.
        rules: What the operator allows.
    """
    problems = Problems()
    _check_name(integration.name, problems)
    _check_url(integration.url, secrets, rules, problems)
    _check_headers(integration, problems)
    _check_secrets(secrets, problems)
    _check_timeout(integration.timeout_ns, problems)
    if not 1 <= integration.concurrency <= CONCURRENCY_MAX:
        message = f"expected 1 to {CONCURRENCY_MAX}, was {integration.concurrency}"
        problems.add("concurrency", Reason.OUT_OF_BOUNDS, message)
    places = {"shop_ids": integration.shop_ids, "market_ids": integration.market_ids}
    for field, ids in places.items():
        if len(ids) > PLACES_MAX:
            message = f"expected at most {PLACES_MAX}, was {len(ids)}"
            problems.add(field, Reason.TOO_MANY, message)
    try:
        problems.finish()
    except InvalidInput as error:
        return error.problems
    return ()


def _check_name(name: str, problems: Problems) -> None:
    if not name:
        problems.add("name", Reason.REQUIRED, "expected a name, was absent")
    if len(name) > limits.ID_CHARACTERS_MAX or "\0" in name:
        expected = f"expected at most {limits.ID_CHARACTERS_MAX} characters without NUL"
        problems.add("name", Reason.OUT_OF_BOUNDS, f"{expected}, was {len(name)}")


def _check_url(url: str, secrets: Secrets, rules: Rules, problems: Problems) -> None:
    hidden = secrets.get(URL, "")
    if url and hidden:
        message = "expected the URL or the secret url, was both"
        problems.add("url", Reason.NOT_ALLOWED, message)
        return
    if not url and not hidden:
        problems.add("url", Reason.REQUIRED, "expected a URL, was absent")
        return
    wrong = url_problems(url or hidden, rules)
    if wrong is not None:
        problems.add("url" if url else join("secrets", URL), Reason.MALFORMED, wrong)


def _check_headers(integration: Integration, problems: Problems) -> None:
    if len(integration.headers) > HEADERS_MAX:
        message = f"expected at most {HEADERS_MAX}, was {len(integration.headers)}"
        problems.add("headers", Reason.TOO_MANY, message)
        return
    for name, value in integration.headers.items():
        wrong = header_problem(name, value) or _own_header_problem(name)
        if wrong is not None:
            problems.add(join("headers", name), Reason.NOT_ALLOWED, wrong)


def _check_secrets(secrets: Secrets, problems: Problems) -> None:
    if len(secrets) > SECRETS_MAX:
        message = f"expected at most {SECRETS_MAX}, was {len(secrets)}"
        problems.add("secrets", Reason.TOO_MANY, message)
        return
    for name, value in secrets.items():
        path = join("secrets", name)
        if len(value) > SECRET_CHARACTERS_MAX:
            message = f"expected at most {SECRET_CHARACTERS_MAX} characters, was {len(value)}"
            problems.add(path, Reason.OUT_OF_BOUNDS, message)
        elif name.startswith(HEADER_PREFIX):
            header = name.removeprefix(HEADER_PREFIX)
            wrong = header_problem(header, value) or _own_header_problem(header)
            if wrong is not None:
                problems.add(path, Reason.NOT_ALLOWED, wrong)
        elif name in SIGNING_SECRETS:
            try:
                read_secret(value)
            except ValueError as error:
                problems.add(path, Reason.MALFORMED, str(error))
        elif name != URL:
            known = ", ".join((URL, *SIGNING_SECRETS, f"{HEADER_PREFIX}NAME"))
            message = f"expected one of {known}, was {shown_text(name)}"
            problems.add(path, Reason.UNKNOWN_VALUE, message)


def _own_header_problem(name: str) -> str | None:
    if name.lower() != "idempotency-key":
        return None
    return f"expected another header than {name}, which the call sets itself"


def _check_timeout(value: int, problems: Problems) -> None:
    if not TIMEOUT_NS_MIN <= value <= TIMEOUT_NS_MAX:
        expected = f"{TIMEOUT_NS_MIN // NS_PER_SECOND} to {TIMEOUT_NS_MAX // NS_PER_SECOND} seconds"
        message = f"expected {expected}, was {format_micros(value // _NS_PER_MICRO)}"
        problems.add("timeout", Reason.OUT_OF_BOUNDS, message)
