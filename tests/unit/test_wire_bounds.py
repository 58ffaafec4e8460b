"""Check what bounds the compiled codec: the size of answers, kept memory, words of conditions."""

import pytest
from msgspec.structs import replace

from benchmarks import workloads
from engine.model import Conditions, Customer
from engine.plan import compile_plan
from ext.wire import kept_bytes
from tests.support.wire_cases import Codec, request_of

WORKLOAD = workloads.standard(10, baskets=1)
BASKET = WORKLOAD.baskets[0]
COMMENT_BYTES = 10_000


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(compile_plan(replace(WORKLOAD.context, campaigns=())))


def _commented(count: int, last_bytes: int = COMMENT_BYTES) -> bytes:
    """Return the request of so many lines with the longest comment, the last of another size."""
    line = replace(BASKET.line_items[0], line_item_id=None, comment="x" * COMMENT_BYTES)
    last = replace(line, comment="x" * last_bytes)
    return request_of(replace(BASKET, line_items=(*[line] * (count - 1), last)))


@pytest.mark.parametrize(("count", "is_answered"), [(6_000, True), (6_800, False)])
def test_answer_when_it_is_too_large_then_is_handed_over(
    codec: Codec, count: int, *, is_answered: bool
) -> None:
    assert is_answered == (codec.answer(_commented(count)) is not None)


def test_answer_when_it_was_large_then_its_memory_is_given_back(codec: Codec) -> None:
    before = kept_bytes()

    answer = codec.answer(_commented(600))

    assert len(answer or b"") > 600 * COMMENT_BYTES
    assert kept_bytes() <= before


# --- the words of conditions -----------------------------------------------------------------

WORDS = ("vip", "staff", "newsletter", "plain")


def _gated(codec_conditions: tuple[Conditions, ...]) -> Codec:
    """Return a codec whose campaigns all give a discount, each under conditions of its own."""
    campaign = WORKLOAD.context.campaigns[0]
    campaigns = tuple(
        replace(campaign, id=f"gated-{number}", conditions=conditions)
        for number, conditions in enumerate(codec_conditions)
    )
    return Codec(compile_plan(replace(WORKLOAD.context, campaigns=campaigns)))


@pytest.fixture(scope="module")
def gated() -> Codec:
    """Return a codec with the same words as coupons, groups, customers and shops."""
    lists: list[tuple[str, ...]] = [(word,) for word in WORDS]
    lists += [WORDS, tuple(f"other-{number}" for number in range(100)) + WORDS[:1]]
    return _gated(
        tuple(
            conditions
            for words in lists
            for conditions in (
                Conditions(coupons=words),
                Conditions(customer_groups=words),
                Conditions(customer_ids=words),
                Conditions(shops=words),
                Conditions(coupons=words, customer_groups=words),
            )
        )
    )


@pytest.mark.parametrize("coupons", [(), ("vip",), ("absent", "staff", "plain")])
@pytest.mark.parametrize("groups", [(), ("vip", "staff"), ("absent",)])
@pytest.mark.parametrize(("shop", "customer_id"), [("", "vip"), ("vip", "absent")])
def test_gates_when_one_word_is_of_several_kinds_then_equal_the_python_path(
    gated: Codec, coupons: tuple[str, ...], groups: tuple[str, ...], shop: str, customer_id: str
) -> None:
    customer = Customer(identifier=customer_id, groups=groups)
    request = request_of(
        replace(BASKET, coupons=coupons, customer=customer, shop=shop or BASKET.shop)
    )
    expected = gated.expected(request)
    assert expected is not None

    assert expected == gated.answer(request)
