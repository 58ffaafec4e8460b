"""Record the checkouts of one call: all under way at once, and in the order of the call."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from server.checkouts.completion import Completion, Recorded
from server.checkouts.desk import CheckoutDesk, Turn
from server.checkouts.recording import is_like_others


class CheckoutLine:
    """The checkouts of one call, so that those of a register are numbered in their order.

    They are evaluated as they come and wait for nobody but those in front of them, which have to
    be in their lane first. One that takes what is there once, or whose id is that of another one
    in front, waits until all in front are recorded.
    """

    def __init__(self, desk: CheckoutDesk, account_id: str) -> None:
        """Record at a desk, for an account."""
        self._desk = desk
        self._account_id = account_id
        self._last: Turn | None = None
        self._under_way: dict[asyncio.Task[Recorded], str] = {}
        self._ids: Counter[str] = Counter()

    def join(self, completion: Completion) -> "asyncio.Task[Recorded]":
        """Let a checkout take its place at the end of the line; the task raises what it raises."""
        turn = Turn(self._last)
        self._last = turn
        is_alone = not is_like_others(completion) or completion.checkout_id in self._ids
        before = tuple(self._under_way) if is_alone else ()
        task = asyncio.create_task(self._record(completion, turn, before))
        self._under_way[task] = completion.checkout_id
        self._ids[completion.checkout_id] += 1
        task.add_done_callback(self._leave)
        return task

    def _leave(self, task: "asyncio.Task[Recorded]") -> None:
        if not task.cancelled():
            # Whoever has left does not ask for the error any more.
            task.exception()
        checkout_id = self._under_way.pop(task)
        self._ids[checkout_id] -= 1
        if not self._ids[checkout_id]:
            del self._ids[checkout_id]

    async def _record(
        self, completion: Completion, turn: Turn, before: Sequence["asyncio.Task[Recorded]"]
    ) -> Recorded:
        try:
            if before:
                await asyncio.wait(before)
            return await self._desk.complete(self._account_id, completion, turn=turn)
        finally:
            turn.pass_on()
