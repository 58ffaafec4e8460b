"""Test when the endpoint of a queue is left alone."""

from server.exports.breaker import FAILURES_MAX, Breaker

SECOND = 10**9
NOW_NS = 1_795_341_600 * SECOND


def failed(breaker: Breaker, count: int, *, now_ns: int = NOW_NS) -> Breaker:
    """Return a breaker after so many failures."""
    for _ in range(count):
        breaker = breaker.failed(now_ns)
    return breaker


def test_breaker_when_nineteen_failures_then_stays_open() -> None:
    assert Breaker(failure_count=19) == failed(Breaker(), 19)


def test_breaker_when_twenty_failures_in_a_row_then_closed_for_half_a_minute() -> None:
    assert NOW_NS + 30 * SECOND == failed(Breaker(), FAILURES_MAX).closed_until_ns


def test_breaker_when_a_success_between_then_counts_anew() -> None:
    breaker = failed(failed(Breaker(), 19).succeeded(), 19)

    assert 0 == breaker.closed_until_ns


def test_breaker_when_probes_fail_then_twice_as_long_up_to_a_quarter_of_an_hour() -> None:
    breaker = failed(Breaker(), FAILURES_MAX)
    pauses = [breaker.closed_until_ns - NOW_NS]
    for _ in range(7):
        probe_ns = breaker.closed_until_ns
        breaker = breaker.failed(probe_ns)
        pauses.append(breaker.closed_until_ns - probe_ns)

    assert [30, 60, 120, 240, 480, 900, 900, 900] == [each // SECOND for each in pauses]


def test_breaker_when_probes_fail_for_years_then_still_a_quarter_of_an_hour() -> None:
    breaker = Breaker(FAILURES_MAX - 1, 10**6, NOW_NS)

    assert NOW_NS + 900 * SECOND == breaker.failed(NOW_NS).closed_until_ns


def test_breaker_when_what_began_before_the_pause_fails_then_no_longer_pause() -> None:
    breaker = failed(Breaker(), FAILURES_MAX)

    assert breaker == failed(breaker, 7, now_ns=NOW_NS + 29 * SECOND)


def test_breaker_when_a_probe_succeeds_then_as_new() -> None:
    breaker = failed(Breaker(), FAILURES_MAX)

    assert Breaker() == breaker.succeeded()


def test_probing_when_it_has_been_closed_then_until_a_success() -> None:
    breaker = failed(Breaker(), FAILURES_MAX)

    assert [False, True, False] == [
        each.is_probing for each in (Breaker(), breaker, breaker.succeeded())
    ]
