"""Hold the compiled plans: those of the loaded markets, and lately brought ones."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from types import MappingProxyType
from typing import Final, TypeVar

from engine.errors import Reason, TillcoreError, invalid
from engine.model import (
    Campaign,
    ContainerDepositRule,
    Context,
    Product,
    PurchaseType,
)
from engine.plan import PricePlan, compile_plan
from engine.rpc.convert import Brought, context_from_proto
from engine.rpc.status import located
from engine.strict_json import shown_text
from tillcore.v1 import context_pb2

Entry = TypeVar("Entry", Product, Campaign, ContainerDepositRule, PurchaseType)

BROUGHT_PLANS_MAX: Final = 64
"""Plans of brought contexts that are kept at most, the least lately used ones leaving first."""

BROUGHT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of the messages of these contexts, together, at most."""

INLINE_BYTES_MAX: Final = 16 * 1024
"""A message up to this size is worked on in the event loop, a larger one in a thread."""

Key = tuple[int, str, bytes]


class Catalogues:
    """The plans of the loaded markets, swapped as a whole, and a cache of brought ones."""

    def __init__(self, contexts: Iterable[Context] = (), *, executor: Executor) -> None:
        """Compile the contexts, which have distinct markets.

        Raises:
            InvalidInput: A context breaks a rule that only compiling sees.
        """
        self._executor = executor
        self._generation = 0
        self._loaded: Mapping[str, PricePlan] = MappingProxyType({})
        self._kept: OrderedDict[Key, tuple[PricePlan, int]] = OrderedDict()
        self._kept_bytes = 0
        self._compiling: dict[Key, asyncio.Task[PricePlan]] = {}
        self.replace(compile_plan(context) for context in contexts)

    @property
    def market_ids(self) -> tuple[str, ...]:
        """The ids of the loaded markets."""
        return tuple(self._loaded)

    def replace(self, plans: Iterable[PricePlan]) -> None:
        """Swap the plans of all markets at once; calls under way keep the plan that they have."""
        loaded = {plan.context.market.id: plan for plan in plans}
        self._loaded = MappingProxyType(loaded)
        self._generation += 1
        self._kept.clear()
        self._kept_bytes = 0

    def loaded_plan(self, market_id: str) -> PricePlan:
        """Return the plan of a loaded market; without an id, that of the only one.

        Raises:
            InvalidInput: The market is not loaded, or no id chooses between several.
        """
        if not market_id:
            if len(self._loaded) == 1:
                return next(iter(self._loaded.values()))
            was = f"{len(self._loaded)} markets are loaded"
            raise invalid(
                "market_id", Reason.REQUIRED, f"expected a market id, was absent, and {was}"
            )
        plan = self._loaded.get(market_id)
        if plan is None:
            raise invalid(
                "market_id",
                Reason.UNKNOWN_ID,
                f"expected the id of a loaded market, was {shown_text(market_id)}",
            )
        return plan

    async def plan(self, market_id: str, context: context_pb2.Context | None) -> PricePlan:
        """Return the plan of a request: a loaded one, or that with what the request brings.

        Raises:
            InvalidInput: The market is not known, or what is brought breaks a rule.
        """
        if context is None:
            return self.loaded_plan(market_id)
        serialized = context.SerializeToString(deterministic=True)
        key = (self._generation, market_id, hashlib.sha256(serialized).digest())
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept[0]
        if len(serialized) <= INLINE_BYTES_MAX:
            plan = self._compile(market_id, context)
            self._keep(key, plan, len(serialized))
            return plan
        return await self._compile_in_thread(key, context, len(serialized))

    async def _compile_in_thread(
        self, key: Key, context: context_pb2.Context, size: int
    ) -> PricePlan:
        """Compile once, however many calls wait for it, and though one of them is cancelled."""
        task = self._compiling.get(key)
        if task is None:
            task = asyncio.create_task(self._compile_and_keep(key, context, size))
            self._compiling[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def _compile_and_keep(
        self, key: Key, context: context_pb2.Context, size: int
    ) -> PricePlan:
        loop = asyncio.get_running_loop()
        plan = await loop.run_in_executor(self._executor, self._compile, key[1], context)
        self._keep(key, plan, size)
        return plan

    def _forget(self, key: Key, task: asyncio.Task[PricePlan]) -> None:
        self._compiling.pop(key, None)
        if not task.cancelled():
            task.exception()  # It is the callers', who may all have left.

    def _compile(self, market_id: str, message: context_pb2.Context) -> PricePlan:
        brought = context_from_proto(message)
        context = self._overlay(market_id, brought)
        try:
            return compile_plan(context)
        except TillcoreError as error:
            raise located(error, "context") from error

    def _overlay(self, market_id: str, brought: Brought) -> Context:
        """Lay what is brought over the loaded context of its market, if there is one."""
        if brought.market is None:
            return overlay(brought, self.loaded_plan(market_id).context)
        if market_id and market_id != brought.market.id:
            raise invalid(
                "market_id",
                Reason.NOT_ALLOWED,
                f"expected {shown_text(brought.market.id)} as the context brings it, "
                f"was {shown_text(market_id)}",
            )
        loaded = self._loaded.get(brought.market.id)
        return overlay(brought, loaded.context if loaded else Context(market=brought.market))

    def _keep(self, key: Key, plan: PricePlan, size: int) -> None:
        if key[0] != self._generation or size > BROUGHT_BYTES_MAX:
            return
        _, replaced = self._kept.pop(key, (plan, 0))
        self._kept[key] = (plan, size)
        self._kept_bytes += size - replaced
        while len(self._kept) > BROUGHT_PLANS_MAX or self._kept_bytes > BROUGHT_BYTES_MAX:
            _, (_, gone) = self._kept.popitem(last=False)
            self._kept_bytes -= gone


def overlay(brought: Brought, loaded: Context) -> Context:
    """Return a context with what is brought laid over what is loaded.

    What is brought comes first, so that an index into the result is one into the request.
    """
    return Context(
        market=brought.market or loaded.market,
        products=_laid_over(brought.products, loaded.products),
        campaigns=_laid_over(brought.campaigns, loaded.campaigns),
        product_rules=_laid_over(brought.product_rules, loaded.product_rules),
        purchase_types=_laid_over(brought.purchase_types, loaded.purchase_types),
    )


def _laid_over(brought: tuple[Entry, ...], loaded: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the brought entries, then the loaded ones whose ids were not brought."""
    if not brought:
        return loaded
    ids = {entry.id for entry in brought}
    return brought + tuple(entry for entry in loaded if entry.id not in ids)
