"""Pose as a child of the sandbox, and break the protocol as a template asks for it."""

import os
import sys
import time

import msgspec

from server.exports.queue import Mustache
from server.exports.sandbox_child import LENGTH_BYTES, Answer
from server.exports.transforms.job import Job


def say(answer: Answer) -> None:
    """Answer as a child should."""
    data = msgspec.msgpack.encode(answer)
    os.write(1, len(data).to_bytes(LENGTH_BYTES) + data)


def main() -> None:
    """Say that it is ready, read one job, and misbehave."""
    say(Answer())
    length = int.from_bytes(sys.stdin.buffer.read(LENGTH_BYTES))
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(length), type=Job)
    assert isinstance(job.transform, Mustache)
    match job.transform.template:
        case "huge":
            os.write(1, b"\xff\xff\xff\xff")
            time.sleep(60)
        case "defect":
            say(Answer(error="the transform failed", defect="Traceback: here"))
        case "nonsense":
            os.write(1, (3).to_bytes(LENGTH_BYTES) + b"abc")
            time.sleep(60)
        case "cut":
            os.write(1, (100).to_bytes(LENGTH_BYTES) + b"abc")
            raise SystemExit(3)


if __name__ == "__main__":
    main()
