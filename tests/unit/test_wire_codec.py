"""Check the doors of the compiled codec: batches, streams, capsules, markets, shops and moments."""

import ctypes
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from benchmarks import workloads
from engine.model import Context, DiscountPolicy
from engine.plan import PricePlan, compile_plan
from engine.rpc.convert import basket_to_proto
from engine.rpc.hot_plans import FIRST_MOMENT_NS, attach_hot_plan
from ext.wire import EVALUATE_BASKET, EVALUATE_BASKETS, STREAM_BASKETS, Answerer
from tests.support.wire_cases import (
    NOW_NS,
    Codec,
    batch_answer_of,
    batch_of,
    request_of,
    stream_answer_of,
    stream_of,
)
from tillcore.v1 import basket_pb2, basket_service_pb2

WORKLOAD = workloads.standard(10, baskets=12)
REQUESTS = [request_of(basket) for basket in WORKLOAD.baskets]
ANSWERED = 0
BAD = basket_pb2.Basket(line_items=[basket_pb2.BasketLine(id="absent")])


def _hot(context: Context) -> PricePlan:
    plan = compile_plan(context)
    attach_hot_plan(plan)
    return plan


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(compile_plan(WORKLOAD.context))


@pytest.fixture(scope="module")
def dearer() -> PricePlan:
    """Return a plan under which everything costs one unit more."""
    products = tuple(
        replace(product, retail_price_micros=product.retail_price_micros + 10**6)
        for product in workloads.products()
        if isinstance(product.retail_price_micros, int)
    )
    return _hot(replace(WORKLOAD.context, products=products))


def _request(**fields: object) -> bytes:
    basket = basket_to_proto(WORKLOAD.baskets[0])
    market_id = str(fields.pop("market_id", ""))
    basket.MergeFrom(basket_pb2.Basket(**fields))  # type: ignore[arg-type] # of any field
    return basket_service_pb2.EvaluateBasketRequest(
        basket=basket, market_id=market_id
    ).SerializeToString()


# --- methods ---------------------------------------------------------------------------------


def test_batch_when_all_are_good_then_is_the_answers_of_its_baskets(codec: Codec) -> None:
    answers = [codec.expected(request) or b"" for request in REQUESTS]

    assert batch_answer_of(answers) == codec.answer(batch_of(REQUESTS), EVALUATE_BASKETS)


def test_batch_when_one_is_bad_then_that_one_alone_is_handed_over(codec: Codec) -> None:
    bad = basket_service_pb2.EvaluateBasketRequest(basket=BAD).SerializeToString()
    batch = codec.answerer.batch(batch_of([*REQUESTS[:2], bad, REQUESTS[3]]))
    assert batch is not None

    results = batch.results(0, batch.count, NOW_NS)

    good = [codec.expected(REQUESTS[i]) or b"" for i in (0, 1, 3)]
    assert [False, False, True, False] == [result is None for result in results]
    assert batch_answer_of(good) == b"".join(filter(None, results))


def test_batch_when_divided_among_threads_then_the_parts_make_the_whole(codec: Codec) -> None:
    batch = codec.answerer.batch(batch_of(REQUESTS * 20))
    assert batch is not None
    whole = batch.results(0, batch.count, NOW_NS)

    with ThreadPoolExecutor(4) as executor:
        parts = executor.map(
            lambda at: batch.results(at, min(at + 32, batch.count), NOW_NS, apart=True),
            range(0, batch.count, 32),
        )

    assert whole == [result for part in parts for result in part]


@pytest.mark.parametrize("count", [0, 1001])
def test_batch_when_it_has_too_few_or_many_then_is_handed_over(codec: Codec, count: int) -> None:
    request = batch_of(REQUESTS[:1] * count)

    assert (None, None) == (codec.answer(request, EVALUATE_BASKETS), codec.answerer.batch(request))


@pytest.mark.parametrize("sequence", [0, 1, -1, 2**63 - 1])
def test_stream_when_answered_then_repeats_the_sequence(codec: Codec, sequence: int) -> None:
    expected = stream_answer_of(codec.expected(REQUESTS[0]) or b"", sequence)

    assert expected == codec.answer(stream_of(REQUESTS[0], sequence), STREAM_BASKETS)


@pytest.mark.parametrize("method", [EVALUATE_BASKET, EVALUATE_BASKETS, STREAM_BASKETS])
def test_answer_when_there_is_no_basket_then_is_handed_over(codec: Codec, method: int) -> None:
    assert codec.answer(b"", method) is None


# --- markets, shops and moments --------------------------------------------------------------


@pytest.mark.parametrize(
    ("market_id", "only_market", "is_answered"),
    [("", 0, True), ("", -1, False), ("dk", -1, True), ("se", 0, False)],
)
def test_answer_when_a_market_is_meant_then_only_if_it_is_known(
    codec: Codec, market_id: str, only_market: int, *, is_answered: bool
) -> None:
    markets = [("dk", FIRST_MOMENT_NS, {"": codec.plan.hot})]
    answerer = Answerer(markets, only_market)

    answer = answerer.answer(EVALUATE_BASKET, _request(market_id=market_id), NOW_NS)

    assert is_answered == (answer is not None)


def test_answer_when_a_shop_has_a_plan_of_its_own_then_under_that(
    codec: Codec, dearer: PricePlan
) -> None:
    plans = {"": codec.plan.hot, "airport": dearer.hot}
    answerer = Answerer([("dk", FIRST_MOMENT_NS, plans)], 0)

    answers = [
        answerer.answer(EVALUATE_BASKET, _request(shop=shop), NOW_NS)
        for shop in ("", "centre", "airport")
    ]

    expected = [
        codec.expected(_request(shop="")),
        codec.expected(_request(shop="centre")),
        Codec(dearer).expected(_request(shop="airport")),
    ]
    assert expected == answers


def test_answer_when_the_plan_of_a_shop_is_not_there_yet_then_is_handed_over(codec: Codec) -> None:
    answerer = Answerer([("dk", FIRST_MOMENT_NS, {"": codec.plan.hot, "airport": None})], 0)

    assert answerer.answer(EVALUATE_BASKET, _request(shop="airport"), NOW_NS) is None


@pytest.mark.parametrize(("before_ns", "is_answered"), [(1, False), (0, True)])
def test_answer_when_the_moment_is_before_the_catalogue_then_is_handed_over(
    codec: Codec, before_ns: int, *, is_answered: bool
) -> None:
    answerer = Answerer([("dk", NOW_NS, {"": codec.plan.hot})], 0)
    basket = WORKLOAD.baskets[0]
    request = request_of(replace(basket, evaluate_time_ns=NOW_NS - before_ns))

    answer = answerer.answer(EVALUATE_BASKET, request, NOW_NS)

    assert is_answered == (answer is not None)


def test_used_when_a_market_has_answered_then_is_told_once(codec: Codec) -> None:
    answerer = Answerer([("dk", FIRST_MOMENT_NS, {"": codec.plan.hot})], 0)
    before = answerer.take_used()
    answerer.answer(EVALUATE_BASKET, REQUESTS[0], NOW_NS)

    assert ([], [0], []) == (before, answerer.take_used(), answerer.take_used())


def test_answer_when_best_prices_are_searched_then_only_apart() -> None:
    market = replace(WORKLOAD.context.market, discount_policy=DiscountPolicy.BEST_PRICE)
    searching = Codec(compile_plan(replace(WORKLOAD.context, market=market)))

    here = searching.answerer.answer(EVALUATE_BASKET, REQUESTS[0], NOW_NS)

    assert (None, searching.expected(REQUESTS[0])) == (here, searching.answer(REQUESTS[0]))


# --- the capsule -----------------------------------------------------------------------------


class _Bytes(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("capacity", ctypes.c_size_t),
    )


class _Functions(ctypes.Structure):
    """The `tc_answerer` of ext/answer.h."""

    _fields_ = (
        ("plans", ctypes.c_void_p),
        ("new_workspace", ctypes.CFUNCTYPE(ctypes.c_void_p)),
        ("free_workspace", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        (
            "answer",
            ctypes.CFUNCTYPE(
                ctypes.c_int,
                ctypes.c_void_p,
                ctypes.c_void_p,
                ctypes.c_int,
                ctypes.c_char_p,
                ctypes.c_size_t,
                ctypes.c_int64,
                ctypes.POINTER(_Bytes),
            ),
        ),
    )


def _functions_of(capsule: object) -> _Functions:
    read = ctypes.pythonapi.PyCapsule_GetPointer
    read.restype, read.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return _Functions.from_address(read(capsule, b"tillcore.answerer"))


def _answers_of(functions: _Functions, requests: list[bytes]) -> list[bytes | None]:
    """Answer requests as a door does: a workspace and a buffer for all of them."""
    workspace, response = functions.new_workspace(), _Bytes()
    found: list[bytes | None] = []
    for request in requests:
        status = functions.answer(
            functions.plans,
            workspace,
            EVALUATE_BASKET,
            request,
            len(request),
            NOW_NS,
            ctypes.byref(response),
        )
        is_answered = status == ANSWERED
        found.append(ctypes.string_at(response.data, response.size) if is_answered else None)
    functions.free_workspace(workspace)
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]
    free(response.data)
    return found


def test_capsule_when_the_answerer_has_left_then_answers_in_any_thread(codec: Codec) -> None:
    capsule = Answerer([("dk", FIRST_MOMENT_NS, {"": codec.plan.hot})], 0).capsule
    functions = _functions_of(capsule)
    bad = basket_service_pb2.EvaluateBasketRequest(basket=BAD).SerializeToString()
    requests = [*REQUESTS, bad]

    with ThreadPoolExecutor(3) as executor:
        answers = list(executor.map(lambda _: _answers_of(functions, requests), range(6)))

    expected = [*(codec.expected(request) for request in REQUESTS), None]
    assert [expected] * 6 == answers
