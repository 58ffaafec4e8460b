"""Evaluate every golden case: the kernel, the reference, and the command line from file to file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine import reference
from engine.basket import evaluate
from engine.catalog import read_context
from engine.errors import TillcoreError
from engine.model import Basket, Context, EvaluatedBasket
from engine.plan import compile_plan
from engine.render import error_json, summary_json
from engine.request import read_basket
from engine.strict_json import decode
from server import evaluation
from tests.support.goldens import FILES, ROOT, Golden, differences, from_json, goldens, to_json

GOLDENS = list(goldens())
SMALL = [golden for golden in GOLDENS if not golden.is_kernel_only]
LONG_AGO_NS = 0
"""The clock of the command line: before any campaign of a golden case begins."""

Evaluate = Callable[[Basket, Context], EvaluatedBasket]


def name_of(value: object) -> str | None:
    """Return the name of a case, and None for what pytest names well itself."""
    return value.name if isinstance(value, Golden) else None


def of_kernel(basket: Basket, context: Context) -> EvaluatedBasket:
    return evaluate(basket, compile_plan(context))


def requested(golden: Golden) -> tuple[Basket, Context]:
    """Return the request of a case as the readers of JSON see it."""
    context = read_context(decode(to_json(golden.context)))
    return read_basket(decode(to_json(golden.basket)), market_id=context.market.id), context


def complaints(golden: Golden, answer: bytes) -> list[str]:
    """Return where an answer differs from what the case expects."""
    decoded = from_json(answer)
    assert isinstance(decoded, dict)
    if golden.expected_error is None:
        return list(differences(golden.expected, decoded))
    error = decoded.get("error", {})
    found = {"code": error.get("code"), "fields": [each["field"] for each in error["fields"]]}
    return list(differences(golden.expected_error, found))


def answer_of(golden: Golden, run: Evaluate) -> bytes:
    try:
        return summary_json(run(*requested(golden)))
    except TillcoreError as error:
        return error_json(error)


@pytest.mark.parametrize("golden", GOLDENS, ids=name_of)
def test_golden_when_evaluated_by_the_kernel_then_answers_as_expected(golden: Golden) -> None:
    assert [] == complaints(golden, answer_of(golden, of_kernel)), golden.why


@pytest.mark.parametrize("golden", SMALL, ids=name_of)
def test_golden_when_evaluated_by_the_reference_then_answers_as_expected(golden: Golden) -> None:
    assert [] == complaints(golden, answer_of(golden, reference.evaluate)), golden.why


@pytest.mark.parametrize(
    "golden", [golden for golden in SMALL if golden.expected is not None], ids=name_of
)
def test_golden_when_evaluated_by_both_then_results_are_equal(golden: Golden) -> None:
    basket, context = requested(golden)

    assert reference.evaluate(basket, context) == of_kernel(basket, context)


@pytest.mark.parametrize(
    ("golden", "is_reference"),
    [(golden, False) for golden in GOLDENS] + [(golden, True) for golden in SMALL],
    ids=name_of,
)
def test_golden_when_run_by_the_command_then_answers_as_expected(
    golden: Golden,
    *,
    is_reference: bool,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    context, basket = tmp_path / "context.json", tmp_path / "basket.json"
    context.write_bytes(to_json(golden.context))
    basket.write_bytes(to_json(golden.basket))

    status = evaluation.run(
        context, basket, is_ndjson=False, is_reference=is_reference, clock=lambda: LONG_AGO_NS
    )

    printed = capfdbinary.readouterr()
    assert (golden.expected_error is not None) == (status != evaluation.STATUS_EVALUATED)
    if status == evaluation.STATUS_BAD_CONTEXT:
        assert golden.expected_error is not None
        fields = golden.expected_error["fields"]
        assert isinstance(fields, list)
        assert [] == [field for field in fields if field.encode() not in printed.err]
    else:
        assert [] == complaints(golden, printed.out), golden.why


def test_goldens_when_counted_then_every_case_has_a_name_and_one_expectation() -> None:
    names = [golden.name for golden in GOLDENS]

    assert sorted(set(names)) == sorted(names)
    assert [] == [g.name for g in GOLDENS if (g.expected is None) == (g.expected_error is None)]
    assert len(list(ROOT.glob(FILES))) <= len(GOLDENS)
