"""Test which failed attempts are made again, and when."""

from collections.abc import Callable, Iterator

import pytest

from server.exports.outcome import Failure, Outcome
from server.exports.queue import (
    Configuration,
    Cron,
    Delivery,
    Email,
    Folder,
    Ftp,
    ObjectStorage,
    Provider,
    RealTime,
    RetryPreset,
    Sftp,
    Trigger,
    WebHook,
)
from server.exports.retry import (
    ENDPOINT_FAILURES,
    RETRY_AFTER_NS_MAX,
    Schedule,
    is_gone,
    wait_ns,
)

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

FIVE_ATTEMPTS = (5 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE)
TEN_ATTEMPTS = (
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
ONE_ATTEMPT: tuple[int, ...] = ()

REAL_TIME = RealTime()
HOURLY = Cron(expression="0 * * * *")
WEB_HOOK = WebHook(url="https://example.com/hook")
OTHER_DELIVERIES: tuple[Delivery, ...] = (
    Email(recipients=("a@example.com",)),
    Ftp(host="ftp.example.com"),
    Sftp(host="sftp.example.com", username="a", host_key="ssh-ed25519 AAAA"),
    ObjectStorage(provider=Provider.S3, bucket="b"),
    Folder(),
)
DELIVERIES = (WEB_HOOK, *OTHER_DELIVERIES)


def status(number: int) -> Outcome:
    """Return the outcome of an attempt that was answered so."""
    return Outcome(Failure.STATUS, "told", number)


OUTCOMES = {
    "200": Outcome(status=200),
    "404": status(404),
    "410": status(410),
    "429": status(429),
    "500": status(500),
    "503": status(503),
    "522": status(522),
    "524": status(524),
    **{each.value: Outcome(each, "told") for each in Failure if each is not Failure.STATUS},
}
FAILED = tuple(name for name in OUTCOMES if name != "200")
PASSING_FOR_REFERENCE = ("503", "522", "524", "timeout", "connection_refused")
PASSING_FOR_STANDARD = (
    *("404", "429", "500", "503", "522", "524"),
    *("timeout", "connection_refused", "connection_lost", "unknown_host"),
)


def in_the_middle() -> float:
    """Spread no wait."""
    return 0.5


def waits(
    outcome: Outcome,
    *,
    trigger: Trigger = REAL_TIME,
    delivery: Delivery = WEB_HOOK,
    retry: RetryPreset = RetryPreset.REFERENCE,
    random: Callable[[], float] = in_the_middle,
) -> tuple[int, ...]:
    """Return the waits after the first, the second ... attempt, until there is none."""
    configuration = Configuration(trigger=trigger, delivery=delivery, retry=retry)
    found: list[int] = []
    while True:
        wait = wait_ns(configuration, outcome, attempt_number=len(found) + 1, random=random)
        if wait is None:
            return tuple(found)
        found.append(wait)


def expected_waits(
    preset: RetryPreset, trigger: Trigger, delivery: Delivery, name: str
) -> tuple[int, ...]:
    """Return what the table of the issue says; reference: Retry mechanism."""
    match preset:
        case RetryPreset.NONE:
            return ONE_ATTEMPT
        case RetryPreset.STANDARD_WEBHOOKS:
            return TEN_ATTEMPTS if name in PASSING_FOR_STANDARD else ONE_ATTEMPT
        case RetryPreset.REFERENCE:
            is_real_time_hook = trigger == REAL_TIME and delivery == WEB_HOOK
            is_passing = is_real_time_hook and name in PASSING_FOR_REFERENCE
            return FIVE_ATTEMPTS if is_passing else ONE_ATTEMPT


def table() -> Iterator[tuple[RetryPreset, Trigger, Delivery, str]]:
    """Yield every row."""
    for preset in RetryPreset:
        for trigger in (REAL_TIME, HOURLY):
            for delivery in DELIVERIES:
                for name in FAILED:
                    yield preset, trigger, delivery, name


def test_waits_when_an_attempt_failed_then_as_the_table_says() -> None:
    rows = tuple(table())
    expected = [(*row, expected_waits(*row)) for row in rows]

    actual = [
        (*row, waits(OUTCOMES[row[3]], trigger=row[1], delivery=row[2], retry=row[0]))
        for row in rows
    ]

    assert 3 * 2 * 6 * 19 == len(rows)
    assert expected == actual


@pytest.mark.parametrize("name", PASSING_FOR_REFERENCE)
def test_reference_when_a_web_hook_in_real_time_may_pass_then_five_attempts(name: str) -> None:
    assert FIVE_ATTEMPTS == waits(OUTCOMES[name])


@pytest.mark.parametrize("name", sorted(set(FAILED) - set(PASSING_FOR_REFERENCE)))
def test_reference_when_it_will_not_pass_then_one_attempt(name: str) -> None:
    assert ONE_ATTEMPT == waits(OUTCOMES[name])


@pytest.mark.parametrize("delivery", OTHER_DELIVERIES, ids=lambda each: type(each).__name__)
def test_reference_when_no_web_hook_then_one_attempt(delivery: Delivery) -> None:
    assert ONE_ATTEMPT == waits(OUTCOMES["timeout"], delivery=delivery)


def test_reference_when_cron_then_one_attempt() -> None:
    assert ONE_ATTEMPT == waits(OUTCOMES["503"], trigger=HOURLY)


def test_standard_webhooks_when_all_fail_then_seventy_five_hours() -> None:
    found = waits(OUTCOMES["503"], retry=RetryPreset.STANDARD_WEBHOOKS)

    assert 75 * HOUR + 35 * MINUTE + 5 * SECOND == sum(found)


@pytest.mark.parametrize(("random", "permille"), [(0.0, 800), (0.5, 1_000), (0.999_999, 1_200)])
def test_waits_when_spread_then_by_a_fifth_to_both_sides(random: float, permille: int) -> None:
    found = waits(OUTCOMES["503"], random=lambda: random)

    assert tuple(each * permille // 1_000 for each in FIVE_ATTEMPTS) == found


@pytest.mark.parametrize(
    ("asked_ns", "expected_ns"),
    [
        (0, 5 * SECOND),
        (4 * SECOND, 5 * SECOND),
        (90 * SECOND, 90 * SECOND),
        (RETRY_AFTER_NS_MAX, RETRY_AFTER_NS_MAX),
        (10**18, RETRY_AFTER_NS_MAX),
    ],
)
def test_wait_when_the_endpoint_asks_for_one_then_no_sooner(
    asked_ns: int, expected_ns: int
) -> None:
    outcome = OUTCOMES["503"]._replace(retry_after_ns=asked_ns)

    assert expected_ns == waits(outcome)[0]


def test_attempts_when_the_endpoint_asks_for_a_wait_each_time_then_still_five() -> None:
    outcome = OUTCOMES["503"]._replace(retry_after_ns=HOUR)

    assert (HOUR,) * 4 == waits(outcome)


def test_waits_when_another_schedule_then_its_own() -> None:
    configuration = Configuration(delivery=WEB_HOOK)

    actual = [
        wait_ns(
            configuration,
            OUTCOMES["503"],
            attempt_number=number,
            random=in_the_middle,
            schedule=Schedule(reference_ns=(1_000, 2_000)),
        )
        for number in (1, 2, 3)
    ]

    assert [1_000, 2_000, None] == actual


@pytest.mark.parametrize("name", OUTCOMES)
def test_gone_when_an_attempt_ended_then_only_after_410(name: str) -> None:
    assert (name == "410") == is_gone(OUTCOMES[name])


@pytest.mark.parametrize("name", FAILED)
def test_breaker_when_an_attempt_failed_then_counts_what_the_endpoint_is_to_blame_for(
    name: str,
) -> None:
    ours = ("blocked_address", "protocol", "configuration", "transform", "secrets", "defect")

    assert (name not in ours) == (OUTCOMES[name].failure in ENDPOINT_FAILURES)
