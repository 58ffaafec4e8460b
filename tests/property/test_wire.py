"""Hold the compiled codec to protobuf and the Python path, byte for byte or handed over."""

import pytest

from tests.support.wire_batches import Compared, compare_batches
from tests.support.wire_cases import Comparison, compare_round

ROUNDS = 150
BATCH_ROUNDS = 50
SEED = 1

ORDINARY_HANDED_OVER_PERCENT_MAX = 1
QUIRKY_HANDED_OVER_PERCENT_MAX = 30
"""What comes twice, or in two parts, is handed over where merging it is not worth the while."""


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    found = Comparison()
    for seed in range(SEED, SEED + ROUNDS):
        found.add(compare_round(seed))
    return found


def test_codec_when_given_any_request_then_equals_the_python_path_or_hands_over(
    comparison: Comparison,
) -> None:
    assert [] == comparison.differences[:3]


def test_codec_when_baskets_are_ordinary_then_answers_nearly_all(comparison: Comparison) -> None:
    assert comparison.handed_over_percent("ordinary") <= ORDINARY_HANDED_OVER_PERCENT_MAX


def test_codec_when_messages_are_quirky_then_answers_most(comparison: Comparison) -> None:
    assert comparison.handed_over_percent("quirky") <= QUIRKY_HANDED_OVER_PERCENT_MAX


@pytest.mark.parametrize("kind", ["any", "ordinary", "paid", "quirky", "wild", "damaged"])
def test_codec_when_compared_then_answered_and_refused_requests_of_every_kind(
    comparison: Comparison, kind: str
) -> None:
    assert comparison.counts[f"{kind} equal"] > 0
    assert comparison.counts[f"{kind} refused"] > 0


@pytest.fixture(scope="module")
def compared() -> Compared:
    found = Compared()
    for seed in range(SEED, SEED + BATCH_ROUNDS):
        compare_batches(seed, found)
    return found


def test_batch_and_stream_when_given_any_baskets_then_results_equal_the_python_path(
    compared: Compared,
) -> None:
    assert [] == compared.mismatches[:3]


@pytest.mark.parametrize(
    "outcome",
    [
        "batch evaluated",
        "batch refused",
        "batch handed over",
        "batch of the codec evaluated",
        "stream evaluated",
        "stream refused",
        "stream of the codec evaluated",
    ],
)
def test_batch_and_stream_when_compared_then_baskets_of_every_outcome_were(
    compared: Compared, outcome: str
) -> None:
    assert compared.counts[outcome] >= BATCH_ROUNDS


def test_codec_when_in_a_batch_or_a_stream_then_refuses_nothing_itself(compared: Compared) -> None:
    by_itself = [key for key in compared.counts if "of the codec" in key and "refused" in key]

    assert [] == by_itself
