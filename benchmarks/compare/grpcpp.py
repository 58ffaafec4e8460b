"""Build the empty echo in grpc++, where the library is there: `grpcpp_echo.cc`."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "grpcpp_echo.cc"
BUILD = HERE.parents[1] / "build" / "compare"
FLAGS = ("-O2", "-std=c++17", "-Wall", "-Wextra", "-Werror")
LIBRARIES = ("-lgrpc++", "-lgrpc", "-lgpr")
INSTALL = "apt-get install --no-install-recommends libgrpc++-dev g++"


class GrpcppAbsent(Exception):
    """The echo cannot be built on this machine."""


def command(reply: Path) -> list[str]:
    """Return the command of an echo that answers with the bytes of a file.

    Raises:
        GrpcppAbsent: There is no compiler, or no grpc++.
    """
    return [str(build()), str(reply)]


def build() -> Path:
    """Return the program, compiled anew where its source changed."""
    program = BUILD / "grpcpp_echo"
    if program.exists() and program.stat().st_mtime > SOURCE.stat().st_mtime:
        return program
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        raise GrpcppAbsent(f"not present: {INSTALL}")
    BUILD.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=BUILD) as folder:
        made = Path(folder) / program.name
        done = subprocess.run(
            [compiler, *FLAGS, "-o", str(made), str(SOURCE), *LIBRARIES],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and "grpcpp/" in done.stderr and "No such file" in done.stderr:
            raise GrpcppAbsent(f"not present: {INSTALL}")
        if done.returncode:
            raise GrpcppAbsent(f"the echo does not compile:\n{done.stderr}")
        made.replace(program)
    return program
