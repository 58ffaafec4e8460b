"""Evaluate baskets from files without a server: one JSON document, or one basket a line."""

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from engine import limits
from engine.catalog import read_context
from engine.errors import InvalidInput, Reason, TillcoreError, invalid
from engine.model import Basket, Context, EvaluatedBasket
from engine.render import error_json, summary_json
from engine.request import read_basket
from engine.strict_json import decode
from server import progress

STATUS_EVALUATED: Final = 0
STATUS_REFUSED: Final = 1
STATUS_BAD_CONTEXT: Final = 2

BASKET_BYTES_MAX: Final = 4 * limits.EVALUATE_MESSAGE_BYTES_MAX
"""Longest basket as JSON, which takes several times the bytes of the same basket as a message."""

_SKIPPED_BYTES = 1024 * 1024

Clock = Callable[[], int]
"""Returns the present moment in nanoseconds since 1970-01-01 UTC."""

Evaluate = Callable[[Basket], EvaluatedBasket]


class Answer(msgspec.Struct, frozen=True):
    """The JSON of an evaluated basket or of an error, without a line break."""

    json: bytes
    status: int


def run(
    context_path: Path,
    basket_path: Path | None,
    *,
    is_ndjson: bool,
    is_reference: bool,
    clock: Clock,
) -> int:
    """Evaluate what the files hold, write the answers to standard output, return the exit status.

    Args:
        context_path: The market with its products and campaigns.
        basket_path: The basket, or the baskets line by line; None is standard input.
        is_ndjson: Whether each line holds a basket.
        is_reference: Whether the readable evaluator runs, not the compiled one.
        clock: The moment of baskets that state none.

    Raises:
        OSError: A file cannot be read, or the output cannot be written.
    """
    try:
        context = read_context(decode(context_path.read_bytes()))
        evaluate = evaluator(context, is_reference=is_reference)
    except InvalidInput as error:
        sys.stderr.write(_complaint(context_path, error))
        return STATUS_BAD_CONTEXT
    answer_to = partial(answer, evaluate=evaluate, market_id=context.market.id, clock=clock)
    # Descriptors, not sys.stdin and sys.stdout: a closed one is an error of the system here.
    with (
        open(0, "rb", closefd=False) if basket_path is None else basket_path.open("rb") as source,
        open(1, "wb", closefd=False) as output,
    ):
        if source.isatty():
            sys.stderr.write("reading baskets from the terminal; Ctrl-D ends the input\n")
        if is_ndjson:
            return _answer_lines(source, output, answer_to)
        whole = answer_to(source.read(BASKET_BYTES_MAX + 1))
        output.write(msgspec.json.format(whole.json, indent=2) + b"\n")
        return whole.status


def evaluator(context: Context, *, is_reference: bool) -> Evaluate:
    """Return the function that evaluates a basket in a context.

    Raises:
        InvalidInput: The context breaks a rule that only compiling sees.
    """
    if is_reference:
        from engine import reference

        return partial(reference.evaluate, context=context)
    from engine import basket, plan

    return partial(basket.evaluate, plan=plan.compile_plan(context))


def answer(data: bytes, *, evaluate: Evaluate, market_id: str, clock: Clock) -> Answer:
    """Return the evaluated basket of some JSON, or the error that says what is wrong with it."""
    try:
        basket = _read(data, market_id=market_id, clock=clock)
        return Answer(summary_json(evaluate(basket)), STATUS_EVALUATED)
    except TillcoreError as error:
        return Answer(error_json(error), STATUS_REFUSED)
    except Exception:
        # A mistake of ours: it must not take the baskets behind it along, and must be seen.
        traceback.print_exc()
        return Answer(error_json(TillcoreError("an internal error")), STATUS_REFUSED)


def _read(data: bytes, *, market_id: str, clock: Clock) -> Basket:
    """Return the basket of some JSON; one without a moment has the clock's.

    Raises:
        InvalidInput: The basket is bad, or longer than BASKET_BYTES_MAX.
    """
    if len(data) > BASKET_BYTES_MAX:
        raise invalid("", Reason.TOO_MANY, f"expected at most {BASKET_BYTES_MAX} bytes, was more")
    basket = read_basket(decode(data), market_id=market_id)
    if basket.evaluate_time_ns is not None:
        return basket
    return msgspec.structs.replace(basket, evaluate_time_ns=clock())


def _answer_lines(source: BinaryIO, output: BinaryIO, answer_to: Callable[[bytes], Answer]) -> int:
    """Answer the baskets line by line, each as soon as it is there."""
    # Where the answers scroll by, they are the progress.
    is_watched = sys.stderr.isatty() and not output.isatty()
    with progress.bar(source) if is_watched else nullcontext() as bar:
        for line in lines(source):
            answered = answer_to(line)
            output.write(answered.json + b"\n")
            output.flush()
            if bar is not None:
                bar.advance(len(line) + 1, is_refused=answered.status != STATUS_EVALUATED)
    return STATUS_EVALUATED


def lines(source: BinaryIO) -> Iterator[bytes]:
    """Yield the lines that are not blank, without their ends, in bounded memory.

    Of a line of more than BASKET_BYTES_MAX bytes that many and one more are yielded.
    """
    while line := source.readline(BASKET_BYTES_MAX + 1):
        if not line.isspace():
            yield line.removesuffix(b"\n")
        while line and not line.endswith(b"\n"):
            line = source.readline(_SKIPPED_BYTES)


def _complaint(path: Path, error: InvalidInput) -> str:
    """Return what is wrong with a context, a line for each bad field."""
    shown = error.problems[: limits.PROBLEMS_REPORTED_MAX]
    every = [f"error: {path}: {p.field}{': ' if p.field else ''}{p.message}" for p in shown]
    if len(error.problems) > len(shown):
        every.append(f"error: {path}: and {len(error.problems) - len(shown)} more")
    return "".join(f"{each}\n" for each in every)
