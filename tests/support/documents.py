"""Run the examples of the documents as a reader would, on a server at a free port."""

import re
import subprocess
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.support.command_line import ROOT, SECONDS_MAX, environment

ADDRESS: Final = "127.0.0.1:50051"
"""Where the documents' server listens."""

BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A command of the README and the output under it, in which `...` stands for any lines."""

    command: str
    output: str


def examples(text: str) -> list[Example]:
    r"""Return the commands of a document; one goes on while a line ends with `\` or `|`."""
    return [each for block in BLOCK.findall(text) for each in _examples_of(block)]


def _examples_of(block: str) -> Iterator[Example]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        count = 1
        while lines[count - 1].rstrip().endswith(("\\", "|")):
            count += 1
        yield Example("".join(lines[:count]), "".join(lines[count:]))


def pattern(output: str) -> str:
    """Return the regular expression of an output."""
    literal = [re.escape(part) for part in re.split(r"^\.\.\.\n", output, flags=re.MULTILINE)]
    return r"(?:.*\n)*?".join(literal)


def run(example: Example, target: str) -> str:
    """Run the command of an example on the server at `target`; return what it prints."""
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.command.replace(ADDRESS, target)],
        capture_output=True,
        cwd=ROOT,
        env=environment(),
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert (0, "") == (result.returncode, result.stderr)
    return result.stdout


def check(example: Example, target: str) -> None:
    """Run an example, and hold its output to what the document says."""
    printed = run(example, target)
    assert re.fullmatch(pattern(example.output), printed), printed
