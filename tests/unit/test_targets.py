"""Hold the table of targets: verdicts, ratios, what is said of a row without a value, the plot."""

import ast
import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from benchmarks import plot, targets
from benchmarks.curves import Curve
from benchmarks.curves import plot as plot_curves
from benchmarks.rows import GROUPS, ROWS, Group
from benchmarks.target import Measured, Target, number

ROOT = Path(__file__).parents[2]
AT_MOST = Target(key="a", what="a call", bound=5, unit="us")
AT_LEAST = Target(key="b", what="calls", bound=5, unit="/s", is_least=True)


def line(
    target: Target, value: float | None, *, note: str = "", limit: str = "", absent: str = ""
) -> targets.Line:
    """Return a row of the table."""
    measured = Measured(key=target.key, value=value, note=note, limit=limit, absent=absent)
    return targets.Line(target=target, measured=measured)


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (AT_MOST, 5.0, "met"),
        (AT_MOST, 5.1, "missed"),
        (AT_LEAST, 5.0, "met"),
        (AT_LEAST, 4.9, "missed"),
        (AT_MOST, None, "not measured"),
    ],
)
def test_row_when_measured_then_verdict_follows_the_bound(
    target: Target, value: float | None, verdict: str
) -> None:
    assert verdict == line(target, value).verdict


@pytest.mark.parametrize(
    ("target", "value", "ratio"),
    [(AT_MOST, 2.5, "2.00"), (AT_LEAST, 2.5, "0.50"), (AT_MOST, 0.0, ""), (AT_MOST, None, "")],
)
def test_ratio_when_better_than_the_bound_then_above_one(
    target: Target, value: float | None, ratio: str
) -> None:
    assert ratio == line(target, value).ratio


def test_remark_when_missed_then_says_what_explains_it() -> None:
    assert "a note; a limit" == line(AT_MOST, 6.0, note="a note", limit="a limit").remark


def test_remark_when_met_then_leaves_the_limit_out() -> None:
    assert "a note" == line(AT_MOST, 4.0, note="a note", limit="a limit").remark


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05123, "0.0512"), (1.2, "1.20"), (60.0, "60"), (71.234, "71.23"), (60_000.4, "60,000")],
)
def test_number_when_printed_then_has_digits_that_mean_something(value: float, text: str) -> None:
    assert text == number(value)


def test_rows_when_listed_then_their_keys_differ() -> None:
    assert len(ROWS) == len({row.key for row in ROWS})


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_group_when_listed_then_its_module_measures_its_rows(group: Group) -> None:
    path = ROOT / (group.module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text("utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    (measured,) = (each for each in functions if each.name == "measured")

    assert ["quick"] == [argument.arg for argument in measured.args.kwonlyargs]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_row_when_its_module_gives_a_value_then_also_what_limits_it(group: Group) -> None:
    path = ROOT / (group.module.replace(".", "/") + ".py")
    given = [
        {keyword.arg for keyword in node.keywords}
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Measured"
    ]

    assert [] == [names for names in given if "value" in names and "limit" not in names]
    assert any("value" in names for names in given)


def test_group_when_its_process_fails_then_every_row_says_why() -> None:
    group = Group(name="absent", module="benchmarks.absent", rows=(AT_MOST, AT_LEAST))

    found = list(targets.measure([group], quick=True))

    assert ["not measured", "not measured"] == [each.verdict for each in found]
    assert all(each.remark for each in found)


def test_table_when_replaced_then_the_rest_of_the_document_stays() -> None:
    text = f"before\n{targets.BEGIN}old\n{targets.END}after\n"

    replaced = targets.replace_table(text, "new\n")

    assert f"before\n{targets.BEGIN}new\n{targets.END}after\n" == replaced


def test_table_when_document_wants_it_in_short_then_has_no_remarks() -> None:
    text = f"{targets.BEGIN_SHORT}{targets.END}"
    lines = [line(AT_MOST, 4.0, note="a note")]

    table = targets.markdown(lines, {}, "a command", is_short=targets.is_short(text))

    assert "| a call | <= 5 us | 4 us | 1.25 | met |\n" in targets.replace_table(text, table)


def test_table_when_document_has_no_marks_then_refused() -> None:
    with pytest.raises(ValueError, match="expected a line"):
        targets.replace_table("nothing", "new\n")


def test_markdown_when_made_then_has_a_row_for_each_line() -> None:
    lines = [line(AT_MOST, 4.0), line(AT_LEAST, None, absent="no compiler")]

    made = targets.markdown(lines, {"processor": "2 x Example"}, "a command")

    assert "| a call | <= 5 us | 4 us | 1.25 | met |  |" in made
    assert "| calls | >= 5 /s |  |  | not measured | no compiler |" in made


def test_measured_when_written_and_read_then_is_the_same() -> None:
    given = Measured(key="a", value=1.5, note="b", facts={"c": [1]})

    assert given == msgspec.json.decode(msgspec.json.encode(given), type=Measured)


def test_plot_when_drawn_then_is_an_image_with_every_point() -> None:
    curves = [
        Curve(name="kernel", against="lines", points=[(1, 0.2), (10, 1.0), (1000, 90.0)]),
        Curve(name="a < b", against="lines", points=[(1, 20.0)]),
        Curve(name="kernel", against="campaigns", points=[(5, 1.0), (5000, 1.0)]),
    ]

    image = ElementTree.fromstring(plot_curves(curves))

    assert 6 == len(image.findall(".//{http://www.w3.org/2000/svg}circle"))


def test_scale_when_values_are_within_one_power_then_has_two_ends() -> None:
    axis = plot.Chart(
        title="t",
        across=plot.Axis(label="x"),
        up=plot.Axis(label="y"),
        series=[plot.Series(name="s", points=[(1.0, 1.0)])],
    )

    assert "NaN" not in plot.draw([axis])


def test_command_when_a_group_is_not_known_then_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        targets.main(["--only", "nothing"])

    assert 2 == stop.value.code
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["docs/performance.md", "benchmarks/README.md"])
def test_document_when_it_names_a_command_then_the_command_is_there(path: str) -> None:
    text = (ROOT / path).read_text("utf-8")

    named = set(re.findall(r"python -m (benchmarks[\w.]*)", text))

    assert named
    assert set() == {name for name in named if importlib.util.find_spec(name) is None}


def test_performance_when_read_then_the_table_can_be_replaced() -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")

    assert "| new |" in targets.replace_table(text, "| new |\n")
