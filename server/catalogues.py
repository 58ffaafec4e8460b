"""The catalogues of every account, for the services of the core: a call sees its own."""

from collections import OrderedDict
from concurrent.futures import Executor
from typing import Final

from engine.plan import PricePlan
from engine.rpc.calls import caller_id
from engine.rpc.catalogues import BroughtPlans, market_of
from ext.wire import Answerer
from server.plans import Plans
from tillcore.v1 import context_pb2

ACCOUNTS_MAX: Final = 256
"""Accounts whose brought contexts are kept at most; the least lately served one leaves first."""


class AccountCatalogues:
    """The stored plans, and what requests lay over them, apart for each account.

    `engine.rpc.calls.caller_id` tells whose are meant.
    """

    def __init__(self, plans: Plans, *, executor: Executor) -> None:
        """Serve the plans of the store; `executor` compiles large brought contexts."""
        self._plans = plans
        self._executor = executor
        self._brought: OrderedDict[str, BroughtPlans] = OrderedDict()

    async def base(
        self,
        market_id: str,
        context: context_pb2.Context | None,
        *,
        shop_id: str = "",
        moment_ns: int | None = None,
    ) -> PricePlan | None:
        """Return the stored plan of the caller's that a request means.

        Raises:
            InvalidInput: The account has no such market, and the request brings none.
            WrongState: The stored catalogue cannot be compiled.
            StoreUnavailable: The plan is not there yet, and the database does not answer.
        """
        is_brought = context is not None and context.HasField("market")
        ask = self._plans.find if is_brought else self._plans.plan
        return await ask(
            account_id=caller_id.get(),
            market_id=market_of(market_id, context),
            shop_id=shop_id,
            moment_ns=moment_ns,
        )

    async def over(
        self, base: PricePlan | None, market_id: str, context: context_pb2.Context
    ) -> PricePlan:
        """Return the plan of what a request brings, laid over the stored plan.

        Raises:
            InvalidInput: What is brought breaks a rule.
        """
        account_id = caller_id.get()
        brought = self._brought.get(account_id)
        if brought is None:
            brought = self._brought[account_id] = BroughtPlans(executor=self._executor)
            if len(self._brought) > ACCOUNTS_MAX:
                self._brought.popitem(last=False)
        self._brought.move_to_end(account_id)
        return await brought.over(base, market_id, context)

    def answerer(self) -> Answerer | None:
        """Return what answers the bytes of requests under the caller's plans that are in use."""
        return self._plans.answerer_of(caller_id.get())
