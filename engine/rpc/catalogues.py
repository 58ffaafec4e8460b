"""Hold the compiled plans: those of the loaded markets, and lately brought ones."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

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
from engine.rpc.hot_plans import FIRST_MOMENT_NS, attach_hot_plan, is_quick
from engine.rpc.status import located
from engine.strict_json import shown_text
from ext.wire import Answerer
from tillcore.v1 import context_pb2

Entry = TypeVar("Entry", Product, Campaign, ContainerDepositRule, PurchaseType)

BROUGHT_PLANS_MAX: Final = 64
"""Plans of brought contexts that are kept at most, the least lately used ones leaving first."""

BROUGHT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of the messages of these contexts, together, at most."""

INLINE_BYTES_MAX: Final = 16 * 1024
"""A message up to this size is worked on in the event loop, a larger one in a thread."""

INLINE_PRODUCTS_MAX: Final = 2_000
"""A context laid over up to so many products is compiled in the event loop."""

Key = tuple[PricePlan | None, str, bytes]
"""The loaded plan that a context is laid over, the market of the request, and the context."""


class Plans(Protocol):
    """Where services find the plan of a request: a loaded one, with what the request brings."""

    async def base(
        self,
        market_id: str,
        context: context_pb2.Context | None,
        *,
        shop_id: str = "",
        moment_ns: int | None = None,
    ) -> PricePlan | None:
        """Return the loaded plan that a request is evaluated under, or that it lays something over.

        Args:
            market_id: The market of the request.
            context: What the request brings.
            shop_id: The shop of the basket; what has no plans by shop does not ask.
            moment_ns: The moment of the basket, None for the present; what keeps no past plans does
                not ask.

        Returns:
            The plan; None when the request brings a market that is not loaded.

        Raises:
            InvalidInput: The market is not known.
        """
        ...

    async def over(
        self, base: PricePlan | None, market_id: str, context: context_pb2.Context
    ) -> PricePlan:
        """Return the plan of what a request brings, laid over the loaded plan of `base`.

        Raises:
            InvalidInput: What is brought breaks a rule.
        """
        ...

    def answerer(self) -> Answerer | None:
        """Return what answers the bytes of requests under the caller's loaded plans.

        It answers as their plans do, or hands over. None while there is none.
        """
        ...


async def plan_of(
    plans: Plans,
    market_id: str,
    context: context_pb2.Context | None,
    *,
    shop_id: str = "",
    moment_ns: int | None = None,
) -> PricePlan:
    """Return the plan of a request, as `Plans.base` and `Plans.over` make it.

    Raises:
        InvalidInput: The market is not known, or what is brought breaks a rule.
    """
    base = await plans.base(market_id, context, shop_id=shop_id, moment_ns=moment_ns)
    if context is not None:
        return await plans.over(base, market_id, context)
    assert base is not None, "a request without a context has a loaded plan"
    return base


def market_of(market_id: str, context: context_pb2.Context | None) -> str:
    """Return the market that a request means, empty when it names none."""
    if context is not None and context.HasField("market"):
        return context.market.id
    return market_id


class Catalogues:
    """The plans of the loaded markets, swapped as a whole, and a cache of brought ones."""

    def __init__(self, contexts: Iterable[Context] = (), *, executor: Executor) -> None:
        """Compile the contexts, which have distinct markets.

        Raises:
            InvalidInput: A context breaks a rule that only compiling sees.
        """
        self._loaded: Mapping[str, PricePlan] = MappingProxyType({})
        self._answerer: Answerer | None = None
        self._brought = BroughtPlans(executor=executor)
        plans = [compile_plan(context) for context in contexts]
        for plan in plans:
            attach_hot_plan(plan)
        self.replace(plans)

    @property
    def market_ids(self) -> tuple[str, ...]:
        """The ids of the loaded markets."""
        return tuple(self._loaded)

    def replace(self, plans: Iterable[PricePlan]) -> None:
        """Swap the plans of all markets at once; calls under way keep the plan that they have.

        A large plan without a hot plan (engine.rpc.hot_plans) is served without one.
        """
        loaded = {plan.context.market.id: plan for plan in plans}
        for plan in loaded.values():
            if is_quick(plan):
                attach_hot_plan(plan)
        markets = [(id_, FIRST_MOMENT_NS, {"": plan.hot}) for id_, plan in loaded.items()]
        self._loaded = MappingProxyType(loaded)
        self._answerer = Answerer(markets, 0 if len(markets) == 1 else -1)
        self._brought.clear()

    def answerer(self) -> Answerer | None:
        """Return what answers the bytes of requests under the loaded plans."""
        return self._answerer

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

    async def base(
        self,
        market_id: str,
        context: context_pb2.Context | None,
        *,
        shop_id: str = "",
        moment_ns: int | None = None,
    ) -> PricePlan | None:
        """Return the loaded plan of a request, whatever the shop and the moment."""
        del shop_id, moment_ns
        if context is not None and context.HasField("market"):
            return self._loaded.get(context.market.id)
        return self.loaded_plan(market_id)

    async def over(
        self, base: PricePlan | None, market_id: str, context: context_pb2.Context
    ) -> PricePlan:
        """Return the plan of what a request brings, kept for the next time."""
        return await self._brought.over(base, market_id, context)

    async def plan(self, market_id: str, context: context_pb2.Context | None) -> PricePlan:
        """Return the plan of a request: a loaded one, or that with what the request brings.

        Raises:
            InvalidInput: The market is not known, or what is brought breaks a rule.
        """
        return await plan_of(self, market_id, context)


class BroughtPlans:
    """Plans of brought contexts that were compiled lately, bounded in number and bytes."""

    def __init__(self, *, executor: Executor) -> None:
        """Keep nothing yet.

        Args:
            executor: Compiles large contexts.
        """
        self._executor = executor
        self._kept: OrderedDict[Key, tuple[PricePlan, int]] = OrderedDict()
        self._kept_bytes = 0
        self._compiling: dict[Key, asyncio.Task[PricePlan]] = {}

    def clear(self) -> None:
        """Let go everything, because what it was laid over is gone."""
        self._kept.clear()
        self._kept_bytes = 0

    async def over(
        self, base: PricePlan | None, market_id: str, context: context_pb2.Context
    ) -> PricePlan:
        """Return the plan of a context laid over a loaded plan.

        Args:
            base: The loaded plan; None for a market that is not loaded.
            market_id: The market of the request, which is that of the context if both name one.
            context: What is brought.

        Raises:
            InvalidInput: What is brought breaks a rule.
        """
        serialized = context.SerializeToString(deterministic=True)
        key = (base, market_id, hashlib.sha256(serialized).digest())
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept[0]
        if len(serialized) <= INLINE_BYTES_MAX and _is_small(base):
            plan = _compile(base, market_id, context)
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
        base, market_id, _ = key
        plan = await loop.run_in_executor(self._executor, _compile, base, market_id, context)
        self._keep(key, plan, size)
        return plan

    def _forget(self, key: Key, task: asyncio.Task[PricePlan]) -> None:
        self._compiling.pop(key, None)
        if not task.cancelled():
            task.exception()  # It is the callers', who may all have left.

    def _keep(self, key: Key, plan: PricePlan, size: int) -> None:
        if size > BROUGHT_BYTES_MAX:
            return
        _, replaced = self._kept.pop(key, (plan, 0))
        self._kept[key] = (plan, size)
        self._kept_bytes += size - replaced
        while len(self._kept) > BROUGHT_PLANS_MAX or self._kept_bytes > BROUGHT_BYTES_MAX:
            _, (_, gone) = self._kept.popitem(last=False)
            self._kept_bytes -= gone


def _is_small(base: PricePlan | None) -> bool:
    """Return whether what a context is laid over is compiled again at once."""
    return base is None or len(base.products) <= INLINE_PRODUCTS_MAX


def _compile(base: PricePlan | None, market_id: str, message: context_pb2.Context) -> PricePlan:
    brought = context_from_proto(message)
    context = _overlaid(base, market_id, brought)
    try:
        return compile_plan(context)
    except TillcoreError as error:
        raise located(error, "context") from error


def _overlaid(base: PricePlan | None, market_id: str, brought: Brought) -> Context:
    """Lay what is brought over the loaded context of its market, if there is one."""
    if brought.market is not None and market_id and market_id != brought.market.id:
        raise invalid(
            "market_id",
            Reason.NOT_ALLOWED,
            f"expected {shown_text(brought.market.id)} as the context brings it, "
            f"was {shown_text(market_id)}",
        )
    if base is not None:
        return overlay(brought, base.context)
    assert brought.market is not None, "the request brings a market, or means a loaded one"
    return overlay(brought, Context(market=brought.market))


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
