"""Check that what setup.py builds is what the tree holds, and that what runs is what was built."""

import importlib
import importlib.machinery
import shutil
import subprocess
from pathlib import Path

import pytest

import setup

ROOT = Path(setup.__file__).parent
KERNELS = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for path in (ROOT / "ext").rglob("*.pyx")
    # The front is built where its library is.
    if path != ROOT / setup.FRONT or setup.library_flags("--libs") is not None
)
HEADERS = sorted((ROOT / "ext").rglob("*.h"))
STRICT_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Wundef",
    "-Werror",
]


def test_extensions_when_listed_then_are_the_kernels_on_disk() -> None:
    assert KERNELS == [extension.name for extension in setup.EXTENSIONS]


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_when_imported_then_is_the_compiled_module(name: str) -> None:
    loader = importlib.import_module(name).__loader__

    assert isinstance(loader, importlib.machinery.ExtensionFileLoader)


@pytest.mark.parametrize("portable", [False, True], ids=["native", "portable"])
@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.name)
def test_header_when_compiled_with_strict_warnings_then_is_silent(
    header: Path, *, portable: bool
) -> None:
    compiler = shutil.which("gcc")
    assert compiler is not None
    options = ["-DTILLCORE_PORTABLE=1"] if portable else []

    done = subprocess.run(
        [
            compiler,
            "-std=c11",
            "-fsyntax-only",
            *STRICT_WARNINGS,
            *options,
            "-include",
            header,
            "-xc",
            "-",
        ],
        input="typedef int a_unit_must_not_be_empty;\n",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr)


def test_missing_kernel_when_package_is_imported_then_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ext").mkdir()
    shutil.copy(ROOT / "ext" / "__init__.py", tmp_path / "ext")
    (tmp_path / "ext" / "absent.pyi").touch()
    specification = importlib.machinery.PathFinder.find_spec("ext", [str(tmp_path)])
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)

    with pytest.raises(ImportError, match=r"ext\.absent.*make build"):
        specification.loader.exec_module(module)
