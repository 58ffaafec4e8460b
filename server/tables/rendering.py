"""Make PDFs and workbooks away from the event loop: one process each, that ends with its file."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from engine.errors import Overloaded, WrongState
from server.exports.sandbox import child_environment
from server.tables.formats import TableFormat
from server.tables.table import Table

SECONDS_MAX: Final = 60.0
PROCESSES_MAX: Final = 1
WAITING_MAX: Final = 8
"""How many may wait for their turn; the next one is told to come back."""

_ENCODER: Final = msgspec.msgpack.Encoder()


class Rendering:
    """Starts the processes; a table waits while another one is made."""

    def __init__(self, *, seconds_max: float = SECONDS_MAX) -> None:
        """Start nothing yet.

        Args:
            seconds_max: How long one file may take.
        """
        self._seconds_max = seconds_max
        self._places = asyncio.Semaphore(PROCESSES_MAX)
        self._waiting_count = 0
        self._log = structlog.get_logger().bind()

    async def make(self, table: Table, chosen: TableFormat) -> bytes:
        """Return the file of a table as PDF or XLSX.

        Raises:
            WrongState: It takes more than the limits.
            Overloaded: Too many wait, or no process could be started.
        """
        if self._waiting_count >= WAITING_MAX:
            raise Overloaded("too many reports are being made; send the request again")
        self._waiting_count += 1
        try:
            async with self._places:
                return await self._made(table, chosen)
        finally:
            self._waiting_count -= 1

    async def _made(self, table: Table, chosen: TableFormat) -> bytes:
        data = await asyncio.to_thread(_ENCODER.encode, table)
        arguments = ("-P", "-m", "server.tables.child", chosen.value)
        try:
            # A session of its own: an interrupt at a terminal is for the server.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=child_environment(os.environ),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise Overloaded("no process can be started now; send the request again") from error
        try:
            async with asyncio.timeout(self._seconds_max):
                body, said = await process.communicate(data)
        except TimeoutError:
            message = f"expected a report that takes at most {self._seconds_max:g} s, was longer"
            raise WrongState(message) from None
        finally:
            await _end(process)
        if process.returncode != 0:
            self._log.error("table_failed", status=process.returncode, said=said.decode()[-2000:])
            raise WrongState("expected a report within the limits of memory and time, was more")
        return body


async def _end(process: Process) -> None:
    """Kill a process that still runs, and wait until its pipes are closed."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.kill()
    await process.communicate()
