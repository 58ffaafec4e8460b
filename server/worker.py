"""Run one of several processes of a server: `python -m server.worker LINE`."""

import asyncio
import sys
from contextlib import ExitStack

from engine.errors import TillcoreError
from engine.journal.keys import BadKeyError
from engine.rpc.log import configure_log
from engine.rpc.worker import STATUS_USELESS, Line, Step, path_from_text
from server.app import run, sample_files
from server.colleague import Colleague, WorkerSettings


def main() -> int:
    """Answer calls until the supervisor says to stop, and return the exit status."""
    try:
        line = Line.open(int(sys.argv[1]))
        given = line.settings(WorkerSettings, dec_hook=path_from_text)
        configure_log(given.settings.server.log_level, worker=line.worker.index)
        with ExitStack() as stack:
            serving = run(
                given.settings,
                sample=sample_files(stack) if given.is_demo else (),
                is_demo=given.is_demo,
                colleague=Colleague(line, given.lease, given.folder),
                on_listening=lambda _: line.tell(Step.READY),
            )
            asyncio.run(serving)
    except (TillcoreError, BadKeyError, OSError, RuntimeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return STATUS_USELESS
    return 0


if __name__ == "__main__":
    sys.exit(main())
