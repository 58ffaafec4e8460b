"""Use either client of `tillcore_client` in one and the same test: the asyncio one blocks here."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from tillcore_client import AsyncClient, AsyncEditSession, Client, RetryPolicy, Tls

HASTY = RetryPolicy(timeout_seconds=60, attempt_seconds=20, attempts_max=3, delay_seconds=0.01)
"""Three attempts in short order."""


class Kind(StrEnum):
    """The two clients."""

    SYNC = "sync"
    ASYNCIO = "asyncio"


class Blocking:
    """Wraps a client or a session for asyncio, so that its calls block."""

    def __init__(self, wrapped: AsyncClient | AsyncEditSession, runner: asyncio.Runner) -> None:
        """Wrap an object that belongs to the loop of a runner."""
        self._wrapped = wrapped
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._wrapped, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: Any, **named: Any) -> Any:
            result = attribute(*arguments, **named)
            if inspect.isasyncgen(result):
                return self._runner.run(_listed(result))
            if isinstance(result, AsyncEditSession):
                return Blocking(result, self._runner)
            assert inspect.isawaitable(result), f"expected {name} to be asynchronous"
            return self._runner.run(_awaited(result))

        return call

    def __enter__(self) -> "Blocking":
        self._runner.run(_awaited(self._wrapped.__aenter__()))
        return self

    def __exit__(self, *error: Any) -> None:
        self._runner.run(_awaited(self._wrapped.__aexit__(*error)))


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


async def _listed(answers: AsyncIterator[Any]) -> list[Any]:
    return [answer async for answer in answers]


@contextmanager
def connected(
    kind: Kind,
    target: str,
    *,
    api_key: str | None = None,
    tls: Tls | None = None,
    policy: RetryPolicy = HASTY,
) -> Iterator[Any]:
    """Yield a client of a kind whose calls block."""
    if kind is Kind.SYNC:
        with Client(target, api_key=api_key, tls=tls, policy=policy) as blocking:
            yield blocking
        return

    async def made() -> AsyncClient:
        return AsyncClient(target, api_key=api_key, tls=tls, policy=policy)

    with asyncio.Runner() as runner, Blocking(runner.run(made()), runner) as client:
        yield client
