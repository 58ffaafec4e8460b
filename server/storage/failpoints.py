"""Kill the process at a named point, for tests of what survives.

`TILLCORE_FAILPOINT=after_commit:3` kills it the third time that a commit is done. Without the
variable a point costs one comparison.
"""

import os
import signal
import threading
from typing import Final

VARIABLE: Final = "TILLCORE_FAILPOINT"

POINTS: Final = ("before_begin", "after_begin", "before_commit", "after_commit", "before_reply")
"""The points of every write transaction, in their order."""

EXPORT_POINTS: Final = ("before_delivery", "after_delivery", "after_record")
"""The points of every attempt to export something, in their order."""


class Failpoint:
    """A point in the code at which the process dies, after a number of passes."""

    def __init__(self, setting: str) -> None:
        """Read a setting such as `after_commit:3`; an empty one is no point.

        Raises:
            ValueError: The setting names no point, or no number from 1 on.
        """
        name, _, count = setting.partition(":")
        every = (*POINTS, *EXPORT_POINTS)
        if setting and (name not in every or not count.isdecimal() or int(count) < 1):
            expected = f"expected {VARIABLE}=POINT:COUNT with one of {', '.join(every)}"
            raise ValueError(f"{expected}, was {setting!r}")
        self._name = name
        self._count_left = int(count or 0)
        self._lock = threading.Lock()

    def passed(self, name: str) -> bool:
        """Count a pass, and return whether it is the one at which the process dies."""
        if name != self._name:
            return False
        with self._lock:
            self._count_left -= 1
            return self._count_left == 0


_failpoint = Failpoint(os.environ.get(VARIABLE, ""))


def reach(name: str) -> None:
    """Kill this process with SIGKILL if the environment asks for it at this point."""
    if _failpoint.passed(name):
        os.kill(os.getpid(), signal.SIGKILL)
