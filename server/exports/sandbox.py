"""Run transforms in child processes with limits, because templates come from outside.

How it is used::

    async with sandbox(worker_count=2) as transforms:
        made = await transforms.transform(job)          # raises TransformError

A child does one job at a time, and stays for the next one; jobs wait for a free child. One that
takes too long, answers too much, or is not waited for any more is killed, and the next job gets
another. What a template can reach in a child: its job, the installed files, processor time and
memory within the limits, and no variable of the server's environment.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self

import msgspec
import structlog

import server
from server.exports.queue import Identity
from server.exports.sandbox_child import LENGTH_BYTES, Answer, Limits
from server.exports.transforms import identity
from server.exports.transforms.job import Job, Made, TransformError

WORKER_COUNT: Final = 2
"""How many transforms run at a time."""

_CHILD: Final = "server.exports.sandbox_child"
_START_SECONDS: Final = 60.0
"""How long a child may take to start, on a machine under load."""

_FRAME_BYTES_EXTRA: Final = 64 * 1024
"""What an answer has beside the body."""

_PIPE_BYTES: Final = 1024 * 1024
_KEPT_VARIABLES: Final = ("TILLCORE_HANDLEBARS", "PYTHONTZPATH", "TZDIR", "SSL_CERT_FILE")
_LIMITS: Final = Limits()
_ANSWER: Final = msgspec.msgpack.Decoder(Answer)
_ENCODER: Final = msgspec.msgpack.Encoder()


class SandboxUnavailable(Exception):
    """No child could be started, or the sandbox is closed: the job is not at fault, try again."""


class Sandbox:
    """Some child processes, started when they are first needed; made by `sandbox`."""

    def __init__(
        self,
        *,
        worker_count: int = WORKER_COUNT,
        limits: Limits = _LIMITS,
        own_templates: str = "",
    ) -> None:
        """Start nothing yet.

        Args:
            worker_count: How many jobs are done at a time.
            limits: What one job may use.
            own_templates: The operator's directory of templates of reports; empty for none.
        """
        self._own_templates = own_templates
        self._limits = limits
        self._places = asyncio.Semaphore(worker_count)
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._is_closed = False
        self._log = structlog.get_logger().bind()

    async def transform(self, job: Job) -> Made:
        """Return what the transform of a job makes of its elements.

        Raises:
            TransformError: It cannot be done within the limits, and would fail again.
            SandboxUnavailable: No child could be started, or the sandbox was closed.
        """
        if isinstance(job.transform, Identity):
            return identity.transform(job)
        if self._own_templates:
            job = msgspec.structs.replace(job, own_templates=self._own_templates)
        async with self._places:
            answer = await self._answer(job)
        if answer.made is not None:
            return answer.made
        if answer.defect:
            transform = type(job.transform).__name__
            self._log.error("transform_failed", transform=transform, exception=answer.defect)
        raise TransformError(answer.error)

    async def close(self) -> None:
        """End all children, those at work too."""
        self._is_closed = True
        children = [*self._idle, *self._busy]
        self._idle.clear()
        for child in children:
            await child.end()

    async def _answer(self, job: Job) -> Answer:
        """Return the answer of a child, which has ended or is idle again afterwards."""
        while True:
            child = await self._take()
            is_fresh = child.is_fresh
            try:
                answer = await child.do(job)
            except _EndedError as ended:
                await self._drop(child)
                self._refuse_when_closed()
                # One that has worked before may have been ended by anybody, at any moment since.
                if is_fresh:
                    raise TransformError(str(ended)) from None
            except BaseException:
                await self._drop(child)
                raise
            else:
                break
        if answer.is_last or self._is_closed:
            await self._drop(child)
        else:
            self._busy.discard(child)
            self._idle.append(child)
        return answer

    async def _drop(self, child: "_Child") -> None:
        self._busy.discard(child)
        await child.end()

    async def _take(self) -> "_Child":
        """Return a child that is alive, the one that was used last if there is one."""
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                self._busy.add(child)
                return child
            await child.end()
        self._refuse_when_closed()
        child = await _Child.start(self._limits)
        try:
            self._refuse_when_closed()
        except SandboxUnavailable:
            await child.end()
            raise
        self._busy.add(child)
        return child

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise SandboxUnavailable("the sandbox is closed")


@asynccontextmanager
async def sandbox(
    *,
    worker_count: int = WORKER_COUNT,
    limits: Limits = _LIMITS,
    own_templates: str = "",
) -> AsyncIterator[Sandbox]:
    """Open a sandbox, and end its children at the end.

    Args:
        worker_count: How many jobs are done at a time.
        limits: What one job may use.
        own_templates: The operator's directory of templates of reports; empty for none.
    """
    made = Sandbox(worker_count=worker_count, limits=limits, own_templates=own_templates)
    try:
        yield made
    finally:
        await made.close()


class _EndedError(Exception):
    """A child ended before it answered."""


class _Child:
    """One child process, and how to talk to it.

    Attributes:
        is_fresh: Whether it has not been given a job yet.
    """

    def __init__(self, process: Process, limits: Limits) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._limits = limits
        self._jobs = process.stdin
        self._answers = process.stdout
        self._reading = asyncio.Lock()
        self.is_fresh = True
        self._ending: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, limits: Limits) -> Self:
        """Start a child and wait until it is ready.

        Raises:
            SandboxUnavailable: It could not be started.
        """
        arguments = ("-P", "-m", _CHILD, msgspec.json.encode(limits).decode())
        try:
            # A session of its own: an interrupt at a terminal is for the server.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=PIPE,
                stdout=PIPE,
                env=child_environment(os.environ),
                cwd="/",
                start_new_session=True,
                limit=_PIPE_BYTES,
            )
        except OSError as error:
            raise SandboxUnavailable(
                f"no process for transforms could be started: {error}"
            ) from error
        child = cls(process, limits)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child._read()
        except (EOFError, TimeoutError) as error:
            await child.end()
            message = f"the process for transforms did not start ({process.returncode})"
            raise SandboxUnavailable(message) from error
        except BaseException:
            await child.end()
            raise
        return child

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return self._process.returncode is None

    async def do(self, job: Job) -> Answer:
        """Return the answer to a job; after any exception the child is of no use any more.

        Raises:
            TransformError: It took too long, or answered too much.
            _EndedError: It ended.
        """
        self.is_fresh = False
        seconds = self._limits.seconds
        try:
            async with asyncio.timeout(seconds):
                data = _ENCODER.encode(job)
                self._jobs.write(len(data).to_bytes(LENGTH_BYTES))
                self._jobs.write(data)
                await self._jobs.drain()
                return await self._read()
        except TimeoutError:
            message = f"expected a transform of at most {seconds:g} s, was longer"
            raise TransformError(message) from None
        except (EOFError, ConnectionError):
            await self.end()
            code = self._process.returncode
            was = f"signal {-code}" if code is not None and code < 0 else f"status {code}"
            message = f"the process of the transform ended ({was}), for memory or for a defect"
            raise _EndedError(message) from None
        except msgspec.MsgspecError:
            message = "expected an answer of the transform's process, was no answer"
            raise TransformError(message) from None

    async def end(self) -> None:
        """Kill it, and wait until it is gone and its pipes are closed."""
        if self._ending is None:
            # Process.kill() would wait for it at once, and take its status from the event loop.
            with suppress(ProcessLookupError):
                if self.is_alive:
                    os.kill(self._process.pid, signal.SIGKILL)
            self._ending = asyncio.create_task(self._gone())
        await asyncio.shield(self._ending)

    async def _gone(self) -> None:
        self._jobs.close()
        await self._process.wait()
        # What it still said is thrown away: a pipe closes once it is empty.
        async with self._reading:
            while await self._answers.read(_PIPE_BYTES):
                pass

    async def _read(self) -> Answer:
        async with self._reading:
            length = int.from_bytes(await self._answers.readexactly(LENGTH_BYTES))
            length_max = self._limits.output_bytes + _FRAME_BYTES_EXTRA
            if length > length_max:
                was = f"expected at most {length_max} bytes to be made, was {length}"
                raise TransformError(was)
            return _ANSWER.decode(await self._answers.readexactly(length))


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a child: the code that the server runs, and no secrets.

    A report's library would start a thread for each core and reserve memory for each of them.
    """
    kept = {name: environment[name] for name in _KEPT_VARIABLES if name in environment}
    code = Path(server.__file__).parents[1]
    return kept | {
        "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "2",
        "PATH": os.defpath,
        "PYTHONPATH": str(code),
        "PYTHONUTF8": "1",
        "RAYON_NUM_THREADS": "2",
    }
