"""Do transforms one after another in a process with limits: the child of `server.exports.sandbox`.

`python -m server.exports.sandbox_child LIMITS` reads jobs from standard input and writes answers to
standard output, each as four bytes of length and msgpack. The first answer is empty: it is ready.
It ends with its input, or after an answer that says so.
"""

import os
import resource
import signal
import sys
import time
import traceback
from typing import BinaryIO, Final

import msgspec

from server.exports.transforms.dispatch import transform
from server.exports.transforms.job import (
    MEMORY_BYTES_MAX,
    OUTPUT_BYTES_MAX,
    SECONDS_MAX,
    Job,
    Made,
    TransformError,
)

LENGTH_BYTES: Final = 4
"""How many bytes say how long what follows is, the highest one first."""

JOBS_COUNT_MAX: Final = 500
"""After so many jobs a process is replaced, so that what libraries keep does not add up."""

_MESSAGE_LENGTH_MAX: Final = 400
_CPU_SECONDS_EXTRA: Final = 2
"""The parent ends a job by the clock; this is how much later the kernel does, if it is gone."""

_ENGINE_SHARE: Final = 0.75
"""An engine with a limit of its own ends first, which says more and costs no process."""

_NICENESS: Final = 5
"""Transforms give way to the server itself."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a transform may use.

    Attributes:
        seconds: How long it may take by the clock.
        memory_bytes: How much address space its process may have.
        output_bytes: How large what it makes may be.
    """

    seconds: float = SECONDS_MAX
    memory_bytes: int = MEMORY_BYTES_MAX
    output_bytes: int = OUTPUT_BYTES_MAX


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a job.

    Attributes:
        made: What was made; None if it could not be done.
        error: Why not, for the person who mends the configuration.
        defect: The traceback of an error that no transform should raise, for the log.
        is_last: Whether the process ends itself now.
    """

    made: Made | None = None
    error: str = ""
    defect: str = ""
    is_last: bool = False


_JOB: Final = msgspec.msgpack.Decoder(Job)
_ENCODER: Final = msgspec.msgpack.Encoder()


def answer_to(data: bytes, limits: Limits) -> Answer:
    """Do an encoded job; whatever goes wrong is an answer."""
    try:
        made = transform(_JOB.decode(data), seconds=limits.seconds * _ENGINE_SHARE)
    except TransformError as error:
        return Answer(error=str(error)[:_MESSAGE_LENGTH_MAX])
    except RecursionError:
        return Answer(error="expected templates, partials and data that end, was deeper nesting")
    except MemoryError:
        return _out_of_memory(limits)
    except Exception as error:
        message = f"the transform failed: {type(error).__name__}"
        return Answer(error=message, defect=traceback.format_exc()[-8_000:])
    size = len(made.body or b"")
    if size > limits.output_bytes:
        was = f"expected at most {limits.output_bytes} bytes to be made, was {size}"
        return Answer(error=was)
    return Answer(made=made)


def serve(jobs: BinaryIO, answers: BinaryIO, limits: Limits) -> None:
    """Answer jobs until there are none, or until it is time for another process."""
    _write(answers, Answer())
    for count in range(1, JOBS_COUNT_MAX + 1):
        head = jobs.read(LENGTH_BYTES)
        if len(head) < LENGTH_BYTES:
            return
        try:
            data = jobs.read(int.from_bytes(head))
        except MemoryError:
            _write(answers, _out_of_memory(limits))
            return
        _bound_processor_time(limits)
        answer = answer_to(data, limits)
        if count == JOBS_COUNT_MAX:
            answer = msgspec.structs.replace(answer, is_last=True)
        try:
            _write(answers, answer)
        except MemoryError:
            answer = _out_of_memory(limits)
            _write(answers, answer)
        if answer.is_last:
            return


def confine(limits: Limits) -> None:
    """Give up what a transform does not need.

    Files that are open already, pipes among them, are no matter of RLIMIT_FSIZE; bytecode would be.
    """
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))


def main() -> None:
    """Take the pipes away from whoever prints, and serve."""
    limits = msgspec.json.decode(sys.argv[1], type=Limits)
    with os.fdopen(os.dup(0), "rb") as jobs, os.fdopen(os.dup(1), "wb", buffering=0) as answers:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        confine(limits)
        serve(jobs, answers, limits)


def _bound_processor_time(limits: Limits) -> None:
    """Let the kernel end this process when one job runs away and nobody is there to end it."""
    _, highest = resource.getrlimit(resource.RLIMIT_CPU)
    seconds = int(time.process_time() + limits.seconds) + _CPU_SECONDS_EXTRA
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, highest))


def _out_of_memory(limits: Limits) -> Answer:
    was = f"expected a transform that needs at most {limits.memory_bytes} bytes of memory, was more"
    return Answer(error=was, is_last=True)


def _write(answers: BinaryIO, answer: Answer) -> None:
    data = _ENCODER.encode(answer)
    for part in (len(data).to_bytes(LENGTH_BYTES), data):
        rest = memoryview(part)
        while rest:
            rest = rest[answers.write(rest) :]


if __name__ == "__main__":
    main()
