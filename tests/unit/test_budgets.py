"""Hold the kernel to its instruction budgets: counted by callgrind, without a clock."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks import instructions

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "build" / "budgets.json"

PROFILE = """\
fn=__pyx_f_3ext_6basket_evaluate_one
12 30
+3 5
cfn=record
calls=2 40
-1 500
* 7

fn=record
40 500
totals: 542
"""


@pytest.mark.skipif(
    shutil.which("valgrind") is None,
    reason="no valgrind on this machine counts instructions; the ratio test guards the speed",
)
def test_kernel_when_counted_then_keeps_its_instruction_budgets() -> None:
    key, counts = instructions.machine_key(), instructions.count_instructions()
    budget = instructions.read_budgets().get(key)
    if budget is None:
        RECORD.parent.mkdir(exist_ok=True)
        instructions.write_budgets(key, counts, RECORD)
        pytest.skip(f"no budgets for {key}: recorded in {RECORD}, the ratio test guards the speed")

    found = instructions.breaches(counts, budget)

    assert [] == found, "slower or faster than its budget: see why, then run make budgets"


@pytest.mark.parametrize(
    ("count", "is_breach"), [(980, False), (1020, False), (979, True), (1021, True)]
)
def test_budget_when_left_in_either_direction_then_is_a_breach(
    count: int, *, is_breach: bool
) -> None:
    found = instructions.breaches({"lines_10": count}, {"lines_10": 1000})

    assert is_breach == bool(found)


def test_budget_when_a_scenario_is_new_or_gone_then_is_a_breach() -> None:
    found = instructions.breaches({"new": 1}, {"gone": 1})

    assert ["gone: expected a count, was none", "new: expected a budget, was none"] == found


def test_budgets_when_written_then_those_of_other_machines_stay(tmp_path: Path) -> None:
    path = tmp_path / "budgets.json"

    instructions.write_budgets("one", {"lines_10": 1}, path)
    instructions.write_budgets("two", {"lines_10": 2}, path)
    instructions.write_budgets("one", {"lines_10": 3}, path)

    assert {"one": {"lines_10": 3}, "two": {"lines_10": 2}} == json.loads(path.read_text("utf-8"))


def test_committed_budgets_when_read_then_name_every_scenario() -> None:
    budgets = instructions.read_budgets()

    assert budgets
    assert all(counts.keys() == instructions.SCENARIOS.keys() for counts in budgets.values())


def test_machine_key_when_made_twice_then_is_the_same() -> None:
    assert instructions.machine_key() == instructions.machine_key()


def test_profile_when_read_then_callees_do_not_count_for_their_callers() -> None:
    assert {"evaluate_one": 42, "record": 500} == instructions.own_instructions(PROFILE)


def test_profile_when_read_then_callees_count_for_the_measured_function() -> None:
    assert 542 == instructions.inclusive_instructions(PROFILE, "evaluate_one")


def test_instructions_when_valgrind_is_missing_then_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")

    status = instructions.main([])

    assert 1 == status
    assert "expected valgrind on PATH" in capsys.readouterr().err
