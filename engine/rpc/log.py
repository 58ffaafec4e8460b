"""Configure the log: one JSON line an event, on standard error, without secrets."""

import logging
import re
import sys
import threading
from contextlib import suppress
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
"""The levels by name; at `debug` every call has a line, at `info` those that fail."""


_SECRETS: Final = (
    # A key keeps its id, by which it is found in lists.
    (re.compile(r"(tillcore_[0-9A-Za-z]+)_[0-9A-Za-z]+"), r"\1_***"),
    (re.compile(r"(bearer\s+)(?!tillcore_)[^\s\"'\\,]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"(://[^\s:/@\"]*):(?!\d+/)[^\s@\"]+@"), r"\1:***@"),
)
"""Keys, whatever else was sent in their place, and the passwords of URLs."""


def without_secrets(_: WrappedLogger, __: str, line: Any) -> str:
    """Return a rendered line of the log with what looks like a secret blacked out.

    Nothing logs a secret on purpose; this is for the texts of errors that others wrote.
    """
    text = str(line)
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


class LineLogger:
    """Writes lines to a file; what cannot be written is lost, and nobody who logs hears of it.

    Standard error may be on a full disk, or a pipe whose reader has ended. What was logged is then
    missing, but the calls are answered.
    """

    def __init__(self, file: TextIO) -> None:
        """Write to a file from any thread."""
        self._file = file
        self._lock = threading.Lock()

    def msg(self, message: str) -> None:
        """Write a line."""
        with self._lock, suppress(OSError):
            self._file.write(f"{message}\n")
            self._file.flush()

    debug = info = warning = error = critical = exception = msg


def configure_log(level: str = "info", *, worker: int | None = None) -> None:
    """Write the events from a level on as JSON lines to standard error.

    Args:
        level: The level.
        worker: Which of several workers this process is, for every line; None without others.

    Raises:
        KeyError: The level is not one of `LEVELS`.
    """
    logger = LineLogger(sys.stderr)

    def add_worker(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        if worker is not None:
            event.setdefault("worker", worker)
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_worker,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.JSONRenderer(),
            without_secrets,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=True,
    )
