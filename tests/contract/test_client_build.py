"""Build the client's distribution, install it away from the server, and run its examples."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.command_line import ROOT, SECONDS_MAX, environment, serving

CLIENT = ROOT / "clients" / "python"
README = CLIENT / "README.md"
ADDRESS = "127.0.0.1:50051"
EXAMPLE = re.compile(
    r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL
)
HOOK = "import sys; from codegen import backend; print(getattr(backend, sys.argv[1])(sys.argv[2]))"
SIZE_MAX = 1024 * 1024


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(),
        timeout=SECONDS_MAX,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def build(hook: str, source: Path, target: Path) -> Path:
    """Build a distribution with a hook of the backend, without a network, and return its path."""
    target.mkdir()
    return target / run(sys.executable, "-c", HOOK, hook, target, cwd=source).split()[-1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with nothing generated: the .proto files and the client."""
    root = tmp_path_factory.mktemp("checkout")
    generated = shutil.ignore_patterns("*_pb2*", "__pycache__", "build", "*.egg-info")
    shutil.copytree(CLIENT, root / "clients" / "python", ignore=generated)
    shutil.copytree(ROOT / "proto", root / "proto", ignore=generated)
    return root


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel that was built from the checkout by way of a source distribution."""
    work = tmp_path_factory.mktemp("built")
    archive = build("build_sdist", checkout / "clients" / "python", work / "sdist")
    with tarfile.open(archive) as packed:
        # Python 3.11 has filters from 3.11.4 on.
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        packed.extractall(work)
    return build("build_wheel", work / archive.name.removesuffix(".tar.gz"), work / "wheel")


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the wheel, and what it needs of this one."""
    home = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(home)
    made = home / "bin" / "python"
    # Folders that a .pth file names bring their packages, and none of their editable installs.
    for folder in home.glob("lib/python*/site-packages"):
        (folder / "needed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    install = ("-m", "pip", "--python", made, "install", "--quiet", "--no-deps", "--no-index")
    run(sys.executable, *install, wheel, cwd=home)
    return made


def test_wheel_when_built_then_has_its_own_import_root_only(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    roots = {name.partition("/")[0] for name in names if ".dist-info/" not in name}

    assert {"tillcore_client"} == roots
    assert "tillcore_client/py.typed" in names
    assert "tillcore_client/v1/basket_pb2.pyi" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert wheel.stat().st_size < SIZE_MAX


def test_wheel_when_installed_then_needs_nothing_of_the_server(
    python: Path, tmp_path: Path
) -> None:
    code = "import sys, tillcore_client; print(*sorted(n.partition('.')[0] for n in sys.modules))"
    loaded = set(run(python, "-c", code, cwd=tmp_path).split())

    assert "tillcore_client" in loaded
    assert set() == loaded & {"clients", "engine", "ext", "server", "tillcore"}


def test_license_when_compared_then_is_that_of_the_checkout() -> None:
    assert (ROOT / "LICENSE").read_bytes() == (CLIENT / "LICENSE").read_bytes()


def test_examples_when_run_then_print_what_the_document_says(python: Path, tmp_path: Path) -> None:
    examples = EXAMPLE.findall(README.read_text(encoding="utf-8"))
    with serving("serve", "--demo") as server:
        printed = [
            run(python, "-c", code.replace(ADDRESS, server.target), cwd=tmp_path)
            for code, _ in examples
        ]

    assert 3 == len(examples)
    assert [text for _, text in examples] == printed


def test_examples_when_type_checked_then_have_no_errors(python: Path, tmp_path: Path) -> None:
    examples = EXAMPLE.findall(README.read_text(encoding="utf-8"))
    for number, (code, _) in enumerate(examples):
        (tmp_path / f"example_{number}.py").write_text(code, encoding="utf-8")
    check = ("-m", "mypy", "--strict", "--python-executable", python, "--config-file=")

    said = run(sys.executable, *check, tmp_path, cwd=tmp_path)

    assert said.startswith("Success")
