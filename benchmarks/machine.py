"""Describe the machine and the software that a measurement ran on."""

import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from benchmarks.instructions import budget_of, machine_key

PACKAGES = ("grpcio", "protobuf", "numpy", "duckdb", "highspy")
LIBRARIES = ("libnghttp2", "grpc++")


def describe() -> dict[str, str]:
    """Return what the machine is, by headings in the order of their weight."""
    return {
        "processor": processor(),
        "memory": memory(),
        "system": f"{platform.system()} {platform.release()}",
        "compiler": compiler(),
        "Python": platform.python_version(),
        "packages": ", ".join(filter(None, map(_package, PACKAGES))),
        "libraries": ", ".join(filter(None, map(_library, LIBRARIES))),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }


def load() -> str:
    """Return what waits for the processors at this moment, for the remark on a row."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def pace(scenario: str, seconds: float) -> str:
    """Return the instructions of a scenario, and how many of them were done in a nanosecond.

    Args:
        scenario: One of `benchmarks.instructions.SCENARIOS`, whose budget was counted here.
        seconds: What one unit of it took in this run.
    """
    count = budget_of(scenario)
    if not count:
        return f"{scenario}: no instruction count here"
    return f"{scenario}: {count} instructions, {count / seconds / 1e9:.1f} a nanosecond"


def processor() -> str:
    """Return how many processors there are, and their name."""
    info = Path("/proc/cpuinfo")
    named = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in named if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def memory() -> str:
    """Return how much memory there is."""
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{size / 2**30:.1f} GiB"


def compiler() -> str:
    """Return what compiled the kernels, with the flags that decide what comes out."""
    words = machine_key().split("; ")[0].split()
    version = next((word for word in words if re.fullmatch(r"\d+\.\d+\.\d+", word)), "")
    flags = [word for word in words if word.startswith(("-O", "-march"))]
    name = "gcc" if words[:1] == ["GNU"] else words[0] if words else "unknown"
    return " ".join([name, version, *flags]).strip()


def _package(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return ""


def _library(name: str) -> str:
    if shutil.which("pkg-config") is None:
        return ""
    done = subprocess.run(
        ["pkg-config", "--modversion", name], capture_output=True, text=True, check=False
    )
    version = done.stdout.strip()
    return f"{name} {version}" if done.returncode == 0 else ""
