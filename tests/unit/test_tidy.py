"""Hold the checkout to its house rules, and show of every rule that it finds a breach."""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tillcore.v1
from tests.support import tidy

ROOT = Path(__file__).parents[2]

Rule = Callable[[Path], list[str]]

RULES: list[Rule] = [
    tidy.long_files,
    tidy.long_lines,
    tidy.long_functions,
    tidy.files_without_purpose,
    tidy.kernels_without_stub,
    tidy.kernels_without_note,
    tidy.floats,
    tidy.undone,
    tidy.bare_ignores,
    tidy.packages_without_init,
    tidy.forbidden_imports,
    tidy.unexplained_goldens,
    tidy.unused_goldens,
]


def methods() -> list[str]:
    """Return the names of all RPCs of tillcore.v1, from the generated descriptors."""
    names = []
    for module in pkgutil.iter_modules(tillcore.v1.__path__):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(f"tillcore.v1.{module.name}").DESCRIPTOR
            for service in file.services_by_name.values():
                names += [method.name for method in service.methods]
    return names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_checkout_when_searched_then_keeps_the_rule(rule: Rule) -> None:
    findings = rule(ROOT)

    assert [] == findings


def test_services_when_listed_then_every_rpc_has_a_contract_test() -> None:
    found = methods()

    assert found
    assert [] == tidy.uncalled_methods(ROOT, found)


NOTE = '"""Do."""\n# Design:\n# Specification: docs/x.md, section 1.\n'
BREACHES: list[tuple[Rule, str, str]] = [
    (tidy.long_files, "engine/a.py", "\n" * 501),
    (tidy.long_files, "proto/tillcore/v1/a.proto", "\n" * 501),
    (tidy.long_lines, "ext/a.h", "/* " + "a" * 100),
    (tidy.long_functions, "engine/a.py", "def f():\n" + "    f()\n" * 70),
    (tidy.long_functions, "engine/a.py", "class A:\n  async def f():\n" + "    f()\n" * 70),
    (tidy.long_functions, "ext/a.pyx", "cdef int f(\n    int a\n) nogil:\n" + "    f()\n" * 68),
    (tidy.files_without_purpose, "engine/a.py", "import os\n"),
    (tidy.files_without_purpose, "engine/a.py", '"""no sentence"""\n'),
    (tidy.files_without_purpose, "ext/a.pyx", "# cython: language_level=3\nimport os\n"),
    (tidy.files_without_purpose, "ext/a.h", "#include <stdint.h>\n"),
    (tidy.files_without_purpose, "proto/tillcore/v1/a.proto", 'syntax = "proto3";\n'),
    (tidy.kernels_without_stub, "ext/a.pyx", NOTE),
    (tidy.kernels_without_note, "ext/a.pyx", NOTE.replace("Design", "Notes")),
    (tidy.kernels_without_note, "ext/a.pyx", NOTE.replace("docs/x.md", "docs/absent.md")),
    (tidy.floats, "engine/a.py", "price = float(text)\n"),
    (tidy.floats, "ext/a.pyx", "cdef double price\n"),
    (tidy.undone, "server/a.py", "# TO" + "DO: later\n"),
    (tidy.bare_ignores, "server/a.py", "import os  # no" + "qa\n"),
    (tidy.bare_ignores, "server/a.py", "import os  # no" + "qa: F401\n"),
    (tidy.bare_ignores, "server/a.py", "a = 1  # type" + ": ignore[assignment]\n"),
    (tidy.bare_ignores, "tests/a.py", "a = 1  # type" + ": ignore  # it does not matter\n"),
    (tidy.packages_without_init, "server/rpc/a.py", "\n"),
    (tidy.forbidden_imports, "server/a.py", "from tests.support import tidy\n"),
    (tidy.forbidden_imports, "ext/a.pyx", "from engine.model cimport Basket\n"),
    (tidy.unexplained_goldens, "tests/golden/a.json", '{"total": 1, "why": " "}'),
    (tidy.unexplained_goldens, "tests/golden/a.json", '[{"why": "by hand"}, {"total": 1}]'),
    (tidy.unused_goldens, "tests/golden/a.json", "{}"),
    (tidy.unused_goldens, "tests/golden/sales/a.json", "{}"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BREACHES)
def test_rule_when_a_file_breaks_it_then_finds_it(
    rule: Rule, path: str, text: str, tmp_path: Path
) -> None:
    write(tmp_path, path, text)
    write(tmp_path, "docs/x.md", "")

    findings = rule(tmp_path)

    assert 1 == len(findings), findings


def test_rule_when_rpc_has_no_contract_test_then_finds_it(tmp_path: Path) -> None:
    write(tmp_path, "tests/contract/test_a.py", '"""Call EvaluateBasketsTwice."""\n')

    assert 1 == len(tidy.uncalled_methods(tmp_path, ["EvaluateBaskets"]))


def test_rule_when_a_file_keeps_it_then_finds_nothing(tmp_path: Path) -> None:
    ignore = "import os  # no" + "qa: F401  # the import is the test\n"
    write(tmp_path, "docs/x.md", "")
    write(tmp_path, "engine/__init__.py", '"""Evaluate."""\n')
    write(tmp_path, "engine/a.py", '"""Do."""\n' + ignore + "def f():\n" + "    f()\n" * 69)
    write(tmp_path, "ext/__init__.py", '"""Compute."""\n')
    write(tmp_path, "ext/a.pyx", NOTE + "cdef int f() nogil:\n" + "    f()\n" * 69)
    write(tmp_path, "ext/a.pyi", '"""Do."""\n')
    write(tmp_path, "ext/a.h", "/* Do it. */\n")
    write(tmp_path, "proto/tillcore/v1/a.proto", '// Do it.\n\nsyntax = "proto3";\n')
    write(tmp_path, "tests/golden/sales/a.json", '{"why": "worked by hand"}')
    write(tmp_path, "tests/test_a.py", '"""Read."""\nCASES = "golden/sales/*.json"\n')

    assert [] == [finding for rule in RULES for finding in rule(tmp_path)]


def write(root: Path, path: str, text: str) -> None:
    """Write a file of a checkout made for the test."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
