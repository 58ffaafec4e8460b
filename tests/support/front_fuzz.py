"""Fuzz the frames of the fast front under AddressSanitizer and UndefinedBehaviorSanitizer.

python -m tests.support.front_fuzz --rounds 100000 --seed 1

A round that fails is repeated by itself: its number is the seed to begin with.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT = Path(__file__).parents[2]
SOURCES: Final = tuple(sorted((ROOT / "ext" / "front").glob("*.c")))
FLAGS: Final = (
    *("-std=gnu11", "-O1", "-g", "-fno-omit-frame-pointer"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *("-Wall", "-Wextra", "-Werror"),
)
SECONDS_MAX: Final = 600


def library_flags() -> list[str]:
    """Return how the compiler finds libnghttp2."""
    command = ["pkg-config", "--cflags", "--libs", "libnghttp2"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def build(folder: Path) -> Path:
    """Compile the fuzzer with the sources of the front, and return the program."""
    compiler = shutil.which("gcc")
    assert compiler is not None
    program = folder / "front_fuzz"
    subprocess.run(
        [
            *(compiler, *FLAGS, "-o", str(program)),
            *(str(ROOT / "tests" / "support" / "front_fuzz.c"), *map(str, SOURCES)),
            *(*library_flags(), "-pthread"),
        ],
        check=True,
    )
    return program


def fuzz(program: Path, *, seed: int, rounds: int) -> subprocess.CompletedProcess[str]:
    """Run so many rounds, and return what was printed."""
    return subprocess.run(
        [program, str(seed), str(rounds)],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def main() -> int:
    """Run the command, and return its status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = fuzz(build(Path(folder)), seed=arguments.seed, rounds=arguments.rounds)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
