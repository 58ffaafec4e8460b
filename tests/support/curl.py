"""Send requests as curl does, as far as the documents need it, where curl is not installed."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

VALUES: Final = ("--header", "--request", "--json", "--data-binary")
"""The options that a value follows."""

JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}


def install(directory: Path) -> None:
    """Put a program named curl into a directory that will be on the path."""
    program = directory / "curl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
    program.chmod(0o755)


def main(arguments: list[str]) -> int:
    """Send one request, and write the body of its answer."""
    options: dict[str, list[str]] = {name: [] for name in VALUES}
    url = ""
    rest = iter(arguments)
    for argument in rest:
        if argument in VALUES:
            options[argument].append(next(rest))
        elif argument != "--silent":
            url = argument
    headers = dict(JSON) if options["--json"] else {}
    for header in options["--header"]:
        name, _, value = header.partition(":")
        headers[name.strip()] = value.strip()
    bodies = options["--json"] + options["--data-binary"]
    data = _data(bodies[0]) if bodies else None
    method = (options["--request"] or ["POST" if bodies else "GET"])[0]
    assert url.startswith("http://127.0.0.1:"), "the server of a test"
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            text = response.read()
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
    os.write(sys.stdout.fileno(), text)
    return 0


def _data(value: str) -> bytes:
    return sys.stdin.buffer.read() if value == "@-" else value.encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
