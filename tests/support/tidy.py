"""Find what the house rules forbid: each rule is a function from a checkout to its findings."""

import ast
import json
import re
from collections.abc import Iterator
from itertools import dropwhile, takewhile
from pathlib import Path

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

PACKAGES = ("clients", "engine", "ext", "server")
FOLDERS = (*PACKAGES, "benchmarks", "proto", "tests")
SOURCES = (".py", ".pyi", ".pyx", ".pxd", ".pxi", ".h", ".proto")
KERNEL_SOURCES = (".pyx", ".pxd", ".pxi", ".h")
GENERATED = re.compile(r"_pb2(_grpc)?\.pyi?$")
NOTE_LINES_MAX = 40

# A note of work left undone belongs into an issue. The brackets keep it from finding itself.
UNDONE = re.compile(r"\b(T[O]DO|F[I]XME|H[A]CK)\b")
IGNORE = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:\s*ignore|no-cython-lint)\b(?P<rest>.*)")
RULE_AND_REASON = re.compile(r"(\[[a-zA-Z, -]+\]|:\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*)\s.*\w+\s+\w+")
FLOAT_CALL = re.compile(r"(?<![\w.])float\(|\bcdef\s+(?:float|double)\b")
# What may stand before the words of purpose: Cython's directives and a .proto file's imports.
NO_OPENING = re.compile(r"# cython:|syntax\b|package\b|import\b.*;$|option\b|\s*$")
IN_OPENING = re.compile(r"(?![/*#\s]*$)(?!message|service|enum|package|#include|#ifndef)")
KERNEL_IMPORT = re.compile(r"^\s*(?:from|cimport|import)\s+(?P<package>\w+)")
KERNEL_FUNCTION = re.compile(r"^(?P<indent>\s*)(?:def|cdef|cpdef)\b.*\(")
OWN_PACKAGES = frozenset({*FOLDERS, "tillcore"})


def sources(root: Path, *suffixes: str) -> Iterator[Path]:
    """Yield the hand-written source files of the checkout, sorted, of the suffixes if any."""
    wanted = suffixes or SOURCES
    paths = [*root.glob("*.py"), *(path for name in FOLDERS for path in (root / name).rglob("*"))]
    for path in sorted(paths):
        if path.suffix in wanted and path.is_file() and not GENERATED.search(path.name):
            yield path


def lines(path: Path) -> list[str]:
    """Return the file's lines."""
    return path.read_text(encoding="utf-8").splitlines()


def long_files(root: Path) -> list[str]:
    """Find files that want to be split by noun."""
    counts = [(path, len(lines(path))) for path in sources(root)]
    return [
        f"{path}: expected at most {FILE_LINES_MAX} lines, was {count}"
        for path, count in counts
        if count > FILE_LINES_MAX
    ]


def long_lines(root: Path) -> list[str]:
    """Find lines beyond the margin in files that no other linter measures."""
    return [
        f"{path}:{number}: expected at most {COLUMNS_MAX} columns, was {len(line)}"
        for path in sources(root, ".h", ".proto", ".pyi")
        for number, line in enumerate(lines(path), 1)
        if len(line) > COLUMNS_MAX
    ]


def long_functions(root: Path) -> list[str]:
    """Find functions that do not fit on a screen, in Python and in kernels."""
    found = [(path, *entry) for path in sources(root, ".py") for entry in _functions(path)]
    found += [(path, *entry) for path in sources(root, ".pyx", ".pxi") for entry in _kernels(path)]
    return [
        f"{path}:{start}: expected at most {FUNCTION_LINES_MAX} lines a function, was {count}"
        for path, start, count in found
        if count > FUNCTION_LINES_MAX
    ]


def _functions(path: Path) -> Iterator[tuple[int, int]]:
    """Yield the first line and the length of each function of a Python file."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last = node.end_lineno or node.lineno
            yield node.lineno, last - node.lineno + 1


def _kernels(path: Path) -> Iterator[tuple[int, int]]:
    """Yield the first line and the length of each function of a Cython file, by indentation."""
    text = lines(path)
    for start, line in enumerate(text):
        match = KERNEL_FUNCTION.match(line)
        if match:
            yield start + 1, _block_length(text[start:], len(match["indent"]))


def _block_length(text: list[str], indent: int) -> int:
    """Return how many lines the block takes that the first line opens."""
    length = 1
    for number, line in enumerate(text[1:], 2):
        bare = line.lstrip()
        if not bare:
            continue
        if len(line) - len(bare) <= indent and not bare.startswith(")"):
            break
        length = number
    return length


def files_without_purpose(root: Path) -> list[str]:
    """Find files whose first words do not say in a sentence what they are for."""
    return [
        f"{path}: expected a first sentence saying its purpose, was absent"
        for path in sources(root)
        if not _opening(path).rstrip('"*/ ').endswith((".", ":", ";"))
    ]


def _opening(path: Path) -> str:
    """Return the first paragraph of the file's opening docstring or comment; "" without one."""
    if path.suffix in (".py", ".pyi"):
        docstring = ast.get_docstring(ast.parse(path.read_bytes())) or ""
        return docstring.partition("\n\n")[0]
    text = list(dropwhile(NO_OPENING.match, lines(path)))
    if not text or not text[0].startswith(('"""', "# ", "//", "/*")):
        return ""
    paragraph = list(takewhile(IN_OPENING.match, text))
    one_line = [line for line in paragraph[:1] if line.rstrip().endswith(('"""', "*/"))]
    return " ".join(one_line or paragraph)


def kernels_without_stub(root: Path) -> list[str]:
    """Find kernels whose types no checker sees."""
    return [
        f"{path}: expected a stub {path.stem}.pyi beside it, was absent"
        for path in sources(root, ".pyx")
        if not path.with_suffix(".pyi").is_file()
    ]


def kernels_without_note(root: Path) -> list[str]:
    """Find kernels that do not open with a design note and the specification they follow."""
    findings = []
    for path in sources(root, ".pyx"):
        opening = "\n".join(lines(path)[:NOTE_LINES_MAX])
        named = re.search(r"Specification: (docs/[\w/.-]+\.md)", opening)
        if "# Design:" not in opening:
            findings.append(f"{path}: expected a '# Design:' note at the top, was absent")
        if named is None or not (root / named[1]).is_file():
            findings.append(f"{path}: expected 'Specification: docs/....md' at the top, was absent")
    return findings


def floats(root: Path) -> list[str]:
    """Find binary floating point on the way of money."""
    return [
        f"{path}:{number}: expected no binary floating point, was {line.strip()}"
        for path in sources(root)
        if path.relative_to(root).parts[0] in ("engine", "ext")
        for number, line in enumerate(lines(path), 1)
        if FLOAT_CALL.search(line)
    ]


def undone(root: Path) -> list[str]:
    """Find notes of work left undone."""
    return [
        f"{path}:{number}: expected an issue in place of {line.strip()}"
        for path in sources(root)
        for number, line in enumerate(lines(path), 1)
        if UNDONE.search(line)
    ]


def bare_ignores(root: Path) -> list[str]:
    """Find silenced checkers without the name of the rule and the reason."""
    return [
        f"{path}:{number}: expected a rule and a reason, was {match[0]}"
        for path in sources(root)
        for number, line in enumerate(lines(path), 1)
        if (match := IGNORE.search(line)) and not RULE_AND_REASON.match(match["rest"])
    ]


def packages_without_init(root: Path) -> list[str]:
    """Find folders of modules that a built distribution would leave out."""
    return [
        f"{folder}: expected an __init__.py, was absent"
        for folder in sorted({path.parent for path in sources(root, ".py", ".pyx")})
        if folder.relative_to(root).parts[:1] and folder.relative_to(root).parts[0] in PACKAGES
        if not (folder / "__init__.py").is_file()
    ]


def forbidden_imports(root: Path) -> list[str]:
    """Find packages that import tests or benchmarks, and kernels that import anything of ours."""
    findings = []
    for path in sources(root):
        if path.relative_to(root).parts[0] not in PACKAGES:
            continue
        kernel = path.suffix in KERNEL_SOURCES
        banned = OWN_PACKAGES - {"ext"} if kernel else {"benchmarks", "tests"}
        findings += [
            f"{path}: expected no import of {package}" for package in _imports(path) & banned
        ]
    return findings


def _imports(path: Path) -> set[str]:
    """Return the top-level packages that the file imports."""
    if path.suffix == ".h":
        return set()
    if path.suffix in KERNEL_SOURCES:
        return {match["package"] for line in lines(path) if (match := KERNEL_IMPORT.match(line))}
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def uncalled_methods(root: Path, methods: list[str]) -> list[str]:
    """Find RPCs that no contract test names."""
    text = "\n".join(path.read_text("utf-8") for path in (root / "tests/contract").rglob("*.py"))
    return [
        f"{method}: expected a contract test, was none"
        for method in methods
        if not re.search(rf"\b{method}\b", text)
    ]


def unexplained_goldens(root: Path) -> list[str]:
    """Find golden cases that do not say why their numbers are right."""
    return [
        f"{path}: expected a 'why' for each case, was absent"
        for path in sorted((root / "tests/golden").rglob("*.json"))
        if not all(_is_explained(case) for case in _cases(json.loads(path.read_text("utf-8"))))
    ]


def _cases(document: object) -> list[object]:
    """Return the cases of a golden file: a list, a map with a list `cases`, or one case."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and isinstance(document.get("cases"), list):
        return list(document["cases"])
    return [document]


def _is_explained(case: object) -> bool:
    """Return whether a case gives its reason."""
    return isinstance(case, dict) and bool(str(case.get("why", "")).strip())


def unused_goldens(root: Path) -> list[str]:
    """Find golden files that no test reads: neither by name, nor by folder, nor by a pattern."""
    names = _test_strings(root)
    return [
        f"{path}: expected a test that reads it, was none"
        for path in sorted((root / "tests/golden").rglob("*.json"))
        if not any(_reads(name, path.relative_to(root / "tests/golden")) for name in names)
    ]


def _test_strings(root: Path) -> set[str]:
    """Return the string constants of all test modules."""
    trees = [ast.parse(path.read_bytes()) for path in (root / "tests").rglob("*.py")]
    return {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _reads(name: str, golden: Path) -> bool:
    """Return whether a test that holds this string reads the golden file."""
    pattern = name.removeprefix("tests/").removeprefix("golden/").removeprefix("**/")
    if not pattern.endswith(".json"):
        return name in (golden.stem, *(parent.name for parent in golden.parents if parent.name))
    return golden.match(pattern)
