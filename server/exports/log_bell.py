"""Wake those who watch the logs of exports, as soon as this process has written to one."""

import asyncio


class LogBell:
    """Rings in one event loop; who waits asks the store, which other processes write to as well."""

    def __init__(self) -> None:
        """Begin without anybody who waits."""
        self._news = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits; call when rows of a log are committed."""
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait for the next ring, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
