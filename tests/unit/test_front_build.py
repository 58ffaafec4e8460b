"""Build the sources of the fast front in every way, fuzz them a little, and leave them out."""

import math
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog

import setup
from engine.errors import InvalidInput
from server.config import FrontSettings, ServerSettings, Settings
from server.front import opening
from tests.support.front_fuzz import ROOT, SOURCES, build, fuzz, library_flags
from tests.support.front_soak import has_h2load, soak
from tests.unit.test_build import STRICT_WARNINGS

FUZZ_ROUNDS = 1_500
SOAK_CALLS = 100_000
GROWN_BYTES_MAX = 1024 * 1024


@pytest.mark.parametrize("source", SOURCES, ids=lambda each: each.name)
def test_source_when_compiled_with_strict_warnings_then_is_silent(source: Path) -> None:
    compiler = shutil.which("gcc")
    assert compiler is not None
    options = ["-std=gnu11", "-fsyntax-only", *STRICT_WARNINGS, *library_flags()]
    command = [compiler, *options, str(source)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)


def test_source_when_measured_then_keeps_the_house_rules() -> None:
    for source in SOURCES:
        text = source.read_text(encoding="utf-8").splitlines()
        assert len(text) <= 500, source
        assert max(map(len, text)) <= 100, source
        assert text[0].startswith(("/*", "#define")), source


def test_frames_when_fuzzed_under_sanitizers_then_nothing_is_found(tmp_path: Path) -> None:
    done = fuzz(build(tmp_path), seed=1, rounds=FUZZ_ROUNDS)

    assert (0, "") == (done.returncode, done.stderr)
    answered, handed = (int(done.stdout.split(", ")[at].split()[0]) for at in (1, 2))
    assert answered > FUZZ_ROUNDS // 3
    assert handed > FUZZ_ROUNDS


@pytest.mark.skipif(not has_h2load(), reason="h2load is absent (Debian: nghttp2-client)")
async def test_memory_when_many_calls_are_answered_then_stays() -> None:
    parts = [part async for part in soak(SOAK_CALLS)]

    assert SOAK_CALLS + SOAK_CALLS // 10 == parts[-1].answered_count
    assert 0 == parts[-1].held_bytes
    # The first parts warm up: buffers, the heap, what Python loads late.
    assert parts[-1].resident_bytes - parts[4].resident_bytes < GROWN_BYTES_MAX


# --- without the library ---------------------------------------------------------------------


def test_kernels_when_library_is_absent_then_all_but_the_front(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = {extension.name for extension in setup.kernels()}
    monkeypatch.setattr(setup, "library_flags", lambda _: None)
    rest = {extension.name for extension in setup.kernels()}

    assert {"ext.front.front"} == every - rest
    assert rest


def test_setup_when_pkg_config_is_absent_then_says_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        check=True,
    )

    assert "apt-get install libnghttp2-dev pkg-config" in done.stderr


def test_serve_when_front_is_absent_and_asked_for_then_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "is_built", lambda: False)
    settings = Settings(server=ServerSettings(front="127.0.0.1:0"))
    log = structlog.get_logger().bind()

    with (
        pytest.raises(InvalidInput, match="apt-get install libnghttp2-dev"),
        opening.front_socket(settings, is_shared=False, log=log),
    ):
        pass


@pytest.mark.parametrize(
    "front",
    [
        FrontSettings(connections=0),
        FrontSettings(connections=10**7),
        FrontSettings(idle_seconds=0.5),
        FrontSettings(idle_seconds=math.nan),
        FrontSettings(log_one_of=-1),
    ],
)
def test_serve_when_setting_of_the_front_is_out_of_bounds_then_named(front: FrontSettings) -> None:
    log = structlog.get_logger().bind()

    with (
        pytest.raises(InvalidInput, match=r"front\.\w+: expected \d+ to \d+, was"),
        opening.front_socket(Settings(front=front), is_shared=False, log=log),
    ):
        pass


def test_serve_when_front_is_absent_and_nobody_asks_then_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "is_built", lambda: False)
    log = structlog.get_logger().bind()

    with (
        opening.front_socket(Settings(), is_shared=False, log=log) as listener,
        ExitStack() as stack,
    ):
        held = opening.held_front(ServerSettings(), stack)

    assert (None, "") == (listener, held)
