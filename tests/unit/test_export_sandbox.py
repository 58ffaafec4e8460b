"""Run transforms in child processes: limits, templates that mean harm, and what a child may see."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from server.exports import sandbox as sandbox_module
from server.exports.kinds import ExportKind
from server.exports.queue import Handlebars, Identity, Mustache, SimpleJson, Transform
from server.exports.sandbox import Sandbox, SandboxUnavailable, child_environment, sandbox
from server.exports.sandbox_child import JOBS_COUNT_MAX, Limits, answer_to
from server.exports.transforms.handlebars import library_path
from server.exports.transforms.job import Element, Job, TransformError
from server.handlebars_install import install_handlebars

LIST = b'{"a":[%b]}' % b",".join(b"%d" % number for number in range(200))
MUSTACHE_BOMB = Mustache(template="{{#k}}" + "{{#a}}" * 4 + "x" + "{{/a}}" * 4 + "{{/k}}")
HANDLEBARS_BOMB = Handlebars(
    template="{{#with k}}{{#each a}}{{#each ../a}}{{#each ../../a}}{{#each ../../../a}}x"
    "{{/each}}{{/each}}{{/each}}{{/each}}{{/with}}"
)
BOTH = [Mustache, Handlebars]


@pytest.fixture(scope="module", autouse=True)
def script() -> Path:
    """Return the library of Handlebars, which is downloaded if it is not there."""
    return install_handlebars(library_path(os.environ).parent)


@pytest.fixture
async def transforms() -> AsyncIterator[Sandbox]:
    """Yield a sandbox with the usual limits and one child."""
    async with sandbox(worker_count=1) as made:
        yield made


def job(transform: Transform, payload: bytes = b'{"total":1.10}') -> Job:
    """Return a job with one element."""
    return Job(kind=ExportKind.SALE, transform=transform, elements=(Element("k", payload),))


async def body(transforms: Sandbox, template: str = "{{k.total}}") -> bytes | None:
    """Return what a plain template makes."""
    return (await transforms.transform(job(Mustache(template=template)))).body


async def refusal(transforms: Sandbox, transform: Transform, payload: bytes = LIST) -> str:
    """Return the error of a transform that has to fail."""
    with pytest.raises(TransformError) as caught:
        await transforms.transform(job(transform, payload))
    return str(caught.value)


def children() -> set[int]:
    """Return the processes that this one has started and that run the sandbox's child."""
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        found |= {int(each) for each in (thread / "children").read_text().split()}
    return {each for each in found if b"server.exports.sandbox_child" in command_line(each)}


def command_line(process: int) -> bytes:
    """Return the command line of a process, empty once it has gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another process tells nobody how it is
            await asyncio.sleep(0.01)


async def only_child() -> int:
    """Return the one child, as soon as it is there."""
    await until(lambda: len(children()) == 1)
    return children().pop()


def worked_ticks(process: int) -> int:
    """Return how much processor time a process has used, in ticks of 10 ms."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11])


async def until_it_works(process: int) -> None:
    """Wait until a child has used much more processor time than its start takes."""
    begun = worked_ticks(process)
    await until(lambda: worked_ticks(process) >= begun + 40)


# --- what is made ----------------------------------------------------------------------------


async def test_identity_when_asked_for_then_needs_no_child(transforms: Sandbox) -> None:
    made = await transforms.transform(job(Identity(), b'{"total": 1.10}'))

    assert (b'{"k":{"total": 1.10}}', "application/json", ".json") == (
        made.body, made.content_type, made.extension,
    )  # fmt: skip
    assert set() == children()


@pytest.mark.parametrize("language", BOTH)
async def test_template_when_asked_for_then_is_filled_in_a_child(
    transforms: Sandbox, language: type[Mustache | Handlebars]
) -> None:
    partials = {"p": "{{#elements}}{{key}}{{/elements}}"}
    transform = language(template="{{k.total}} {{> p}}", partials=partials)

    made = await transforms.transform(job(transform))

    assert (b"1.10 k", ".txt") == (made.body, made.extension)


async def test_other_transform_when_asked_for_then_is_dispatched(transforms: Sandbox) -> None:
    made = await transforms.transform(job(SimpleJson(members={"sum": "{total}"})))

    assert made.body is not None
    assert b"1.10" in made.body


async def test_jobs_when_there_are_many_then_wait_for_the_one_child(transforms: Sandbox) -> None:
    bodies = await asyncio.gather(*(body(transforms, f"{number}") for number in range(20)))

    assert [b"%d" % number for number in range(20)] == bodies
    assert 1 == len(children())


async def test_jobs_when_there_are_two_children_then_use_both() -> None:
    async with sandbox(worker_count=2) as transforms:
        await asyncio.gather(*(body(transforms) for _ in range(20)))

        assert 2 == len(children())
    assert set() == children()


async def test_child_when_it_did_its_share_then_is_replaced(transforms: Sandbox) -> None:
    await body(transforms)
    first = await only_child()

    for _ in range(JOBS_COUNT_MAX - 1):
        await body(transforms)
    assert b"1.10" == await body(transforms)

    assert first != await only_child()


# --- templates that mean harm ----------------------------------------------------------------

ENDLESS: list[tuple[Transform, str]] = [
    (HANDLEBARS_BOMB, "s, was longer"),
    (Mustache(template="{{#a}}" * 160_000), "expected a transform of at most 1 s, was longer"),
]


@pytest.mark.parametrize(("transform", "message"), ENDLESS, ids=["handlebars", "1 MB"])
async def test_transform_when_it_takes_too_long_then_is_ended(
    transform: Transform, message: str
) -> None:
    async with sandbox(worker_count=1, limits=Limits(seconds=1)) as transforms:
        assert message in await refusal(transforms, transform)
    assert set() == children()


async def test_sandbox_when_a_transform_was_ended_then_does_the_next() -> None:
    async with sandbox(worker_count=1, limits=Limits(seconds=3)) as transforms:
        assert "expected a transform of at most 3 s, was longer" == (
            await refusal(transforms, MUSTACHE_BOMB)
        )

        assert b"1.10" == await body(transforms)


DEEP = b"[" * 100_000 + b"]" * 100_000
NESTED: list[tuple[Transform, bytes]] = [
    (Mustache(template="{{> p}}", partials={"p": "{{> p}}{{> p}}"}), LIST),
    (Handlebars(template="{{> p}}", partials={"p": "{{> p}}{{> p}}"}), LIST),
    (Mustache(template="{{k}}"), DEEP),
    (Handlebars(template="{{k}}"), DEEP),
]


async def test_nesting_when_endless_then_is_refused_by_the_same_child(transforms: Sandbox) -> None:
    for transform, payload in NESTED:
        assert "was deeper nesting" in await refusal(transforms, transform, payload)
        assert b"1.10" == await body(transforms)


SQUARE: list[Transform] = [
    Mustache(template="{{#k}}{{#a}}{{#a}}" + "x" * 100 + "{{/a}}{{/a}}{{/k}}"),
    Handlebars(
        template="{{#with k}}{{#each a}}{{#each ../a}}" + "x" * 100 + "{{/each}}{{/each}}{{/with}}"
    ),
]


@pytest.mark.parametrize("transform", SQUARE, ids=["mustache", "handlebars"])
async def test_output_when_too_large_then_is_refused(transform: Transform) -> None:
    async with sandbox(worker_count=1, limits=Limits(output_bytes=3_999_999)) as transforms:
        message = await refusal(transforms, transform)

        assert "expected at most 3999999 bytes to be made, was 4000000" == message
        assert b"1.10" == await body(transforms)


async def test_output_when_at_its_limit_then_is_made() -> None:
    async with sandbox(worker_count=1, limits=Limits(output_bytes=4_000_000)) as transforms:
        made = await transforms.transform(job(SQUARE[0], LIST))

    assert b"x" * 4_000_000 == made.body


async def test_memory_when_used_up_then_is_refused_and_the_child_replaced() -> None:
    limits = Limits(memory_bytes=150 * 1024 * 1024)
    large = Mustache(template="{{#k}}{{#a}}{{#a}}" + "x" * 2_000 + "{{/a}}{{/a}}{{/k}}")

    async with sandbox(worker_count=1, limits=limits) as transforms:
        await body(transforms)
        first = await only_child()

        assert "expected a transform that needs at most 157286400 bytes of memory, was more" == (
            await refusal(transforms, large)
        )
        assert b"1.10" == await body(transforms)
        assert first != await only_child()


# --- children that end -----------------------------------------------------------------------


async def test_child_when_killed_at_work_then_the_job_fails_and_the_next_does_not(
    transforms: Sandbox,
) -> None:
    bomb = asyncio.create_task(transforms.transform(job(MUSTACHE_BOMB, LIST)))
    process = await only_child()
    await until_it_works(process)
    os.kill(process, signal.SIGKILL)

    with pytest.raises(TransformError, match=r"the process of the transform ended \(signal 9\)"):
        await bomb
    assert b"1.10" == await body(transforms)


async def test_child_when_killed_while_idle_then_no_job_notices(transforms: Sandbox) -> None:
    await body(transforms)
    os.kill(await only_child(), signal.SIGKILL)

    assert b"1.10" == await body(transforms)


async def test_transform_when_cancelled_then_its_child_is_killed(transforms: Sandbox) -> None:
    bomb = asyncio.create_task(transforms.transform(job(MUSTACHE_BOMB, LIST)))
    process = await only_child()
    await until_it_works(process)

    bomb.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bomb

    assert b"" == command_line(process)
    assert b"1.10" == await body(transforms)


async def test_sandbox_when_closed_at_work_then_the_job_is_not_at_fault(
    transforms: Sandbox,
) -> None:
    bomb = asyncio.create_task(transforms.transform(job(MUSTACHE_BOMB, LIST)))
    await until_it_works(await only_child())

    await transforms.close()

    assert set() == children()
    with pytest.raises(SandboxUnavailable, match="the sandbox is closed"):
        await bomb
    with pytest.raises(SandboxUnavailable, match="the sandbox is closed"):
        await body(transforms)


LIES = [
    ("huge", r"expected at most \d+ bytes to be made, was 4294967295"),
    ("nonsense", "expected an answer of the transform's process, was no answer"),
    ("cut", r"the process of the transform ended \(\S+ \d+\)"),
]


@pytest.mark.parametrize(("lie", "message"), LIES)
async def test_child_when_it_breaks_the_protocol_then_is_ended(
    transforms: Sandbox, monkeypatch: pytest.MonkeyPatch, lie: str, message: str
) -> None:
    monkeypatch.setattr(sandbox_module, "_CHILD", "tests.support.lying_child")

    with pytest.raises(TransformError, match=message):
        await body(transforms, lie)


async def test_child_when_it_cannot_start_then_the_job_is_not_at_fault(
    transforms: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_module, "_CHILD", "tests.support.no_such_module")

    with pytest.raises(SandboxUnavailable, match="did not start"):
        await body(transforms)


# --- what a child may see and do -------------------------------------------------------------


def test_environment_when_the_server_has_secrets_then_a_child_has_none() -> None:
    kept = child_environment({"TILLCORE_KEY": "secret", "HOME": "/root", "TZDIR": "/zones"})

    assert {
        "LANG", "MALLOC_ARENA_MAX", "PATH", "PYTHONPATH", "PYTHONUTF8", "RAYON_NUM_THREADS",
        "TZDIR",
    } == set(kept)  # fmt: skip


async def test_child_when_it_runs_then_has_its_limits_and_environment(
    transforms: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILLCORE_KEY", "secret")
    await body(transforms)
    process = Path(f"/proc/{await only_child()}")

    limits = (process / "limits").read_text()
    assert b"secret" not in (process / "environ").read_bytes()
    for name, value in (("core file size", 0), ("file size", 0), ("address space", 1_073_741_824)):
        assert f"Max {name}".ljust(26) + str(value) in limits
    assert Path("/") == (process / "cwd").readlink()
    assert {0, 1, 2, 3, 4} >= {int(each.name) for each in (process / "fd").iterdir()}


def test_child_when_imported_then_loads_nothing_heavy() -> None:
    script = "import sys, server.exports.sandbox_child; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )

    heavy = {"sqlalchemy", "grpc", "aiohttp", "structlog", "numpy", "asyncio", "chevron", "typst"}
    assert set() == heavy & set(done.stdout.split())


def test_job_when_the_transform_has_a_defect_then_only_the_log_has_the_traceback() -> None:
    answer = answer_to(b"no job", Limits())

    assert "the transform failed: ValidationError" == answer.error
    assert "Traceback" in answer.defect


async def test_defect_when_answered_then_the_error_has_no_traceback(
    transforms: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sandbox_module, "_CHILD", "tests.support.lying_child")

    assert "the transform failed" == await refusal(transforms, Mustache(template="defect"))
    assert "Traceback: here" in capsys.readouterr().out
