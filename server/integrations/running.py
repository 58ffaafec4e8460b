"""Run what asks integrations, from the start of a server to its end."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from structlog.typing import FilteringBoundLogger

from engine.errors import TillcoreError
from server.exports.deliveries.web_hook import web_hook_session
from server.exports.network import Rules
from server.exports.secrets import SecretBox
from server.integrations.call_log import CallLog
from server.integrations.caller import Caller
from server.integrations.desk import Desk
from server.storage import Store

Clock = Callable[[], int]


@asynccontextmanager
async def integrating(
    store: Store, box: SecretBox, rules: Rules, *, clock: Clock, log: FilteringBoundLogger
) -> AsyncGenerator[Desk, None]:
    """Yield what asks integrations; at the end wait for what is under way.

    Args:
        store: Keeps integrations and actions.
        box: Opens secrets.
        rules: What the operator allows.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        log: Takes what goes wrong in the background.
    """
    calls = CallLog(store, clock=clock, log=log)
    async with web_hook_session(rules) as session:
        desk = Desk(store, box, Caller(session, rules, clock=clock), calls, clock=clock)
        writing = asyncio.create_task(calls.run())
        try:
            yield desk
        finally:
            await desk.finish()
            writing.cancel()
            await asyncio.wait((writing,))
            try:
                await calls.write()
            except TillcoreError as error:
                log.warning("integration_calls", trouble=error.message)
