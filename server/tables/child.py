"""Make one PDF or workbook in a process with limits: the child of `server.tables.rendering`.

`python -m server.tables.child pdf|xlsx` reads a table as msgpack from standard input and writes the
file to standard output.
"""

import resource
import sys
from typing import Final

import msgspec

from server.tables.table import Table

MEMORY_BYTES_MAX: Final = 1536 * 1024 * 1024
CPU_SECONDS_MAX: Final = 60


def main() -> int:
    """Do the one job; return the exit status."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    table = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Table)
    # Each brings a library that the other one has no use for.
    if sys.argv[1] == "pdf":
        from server.tables.pdf import to_pdf as write
    else:
        from server.tables.xlsx import to_xlsx as write
    sys.stdout.buffer.write(write(table))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
