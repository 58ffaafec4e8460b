"""Write lines of random baskets by template: byte for byte what `LineWriter` writes."""

import msgspec
import pytest

from engine import line_template
from engine.basket import evaluate
from engine.errors import TillcoreError
from engine.line_template import LineTemplates
from engine.model import EvaluatedLine, Product
from engine.plan import compile_plan
from engine.render_line import ENCODER, LineWriter, given
from tests.support.random_baskets import Generator

SEEDS = range(12)
BASKETS = 25


def random_lines(seed: int) -> tuple[str, list[EvaluatedLine]]:
    """Return the lines of random baskets, and their currency."""
    generator = Generator(seed)
    context = generator.context()
    plan = compile_plan(context)
    lines: list[EvaluatedLine] = []
    for _ in range(BASKETS):
        try:
            lines += evaluate(generator.basket(context), plan).line_items
        except TillcoreError:
            continue
    return context.market.currency_code, lines


@pytest.mark.parametrize("seed", SEEDS)
def test_line_json_when_a_line_comes_again_then_is_as_written_before(seed: int) -> None:
    currency_code, lines = random_lines(seed)
    writer, templates = LineWriter(currency_code), LineTemplates(currency_code)
    expected = [ENCODER.encode(given(writer.line(line))) for line in lines]

    # The first time it is written, the second time a template is made, the third time used.
    rounds = [[bytes(templates.line_json(line)) for line in lines] for _ in range(3)]

    assert [expected] * 3 == rounds


def test_line_json_when_numbers_differ_then_each_has_its_own() -> None:
    product = Product(id='a"\\\x01', name="Kaffe ☕", tags=("hot",), retail_price_micros=1)
    amounts = [name for name in EvaluatedLine.__struct_fields__ if name.endswith("_micros")]
    templates, writer = LineTemplates("DKK"), LineWriter("DKK")
    lines = [
        msgspec.convert(
            {name: number * 10**5 + place for place, name in enumerate(amounts)}
            | {"line_item_id": f'{number}"', "product": product},
            EvaluatedLine,
        )
        for number in range(-3, 4)
    ]

    written = [bytes(templates.line_json(line)) for line in lines]

    assert [ENCODER.encode(given(writer.line(line))) for line in lines] == written


def test_line_json_when_more_products_than_are_kept_then_all_are_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line_template, "TEMPLATES_MAX", 2)
    monkeypatch.setattr(line_template, "SEEN_MAX", 2)
    currency_code, lines = random_lines(1)
    writer, templates = LineWriter(currency_code), LineTemplates(currency_code)
    again = [msgspec.structs.replace(line) for line in (*lines, *lines, *reversed(lines))]

    written = [bytes(templates.line_json(line)) for line in again]

    assert [ENCODER.encode(given(writer.line(line))) for line in again] == written
