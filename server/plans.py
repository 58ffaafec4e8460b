"""Hold the compiled plans of every account's markets, and keep them up with the stored catalogue.

A plan is compiled at its first use. When the revision of its market changes, in this process or in
another one, the new plan is compiled in a thread while the old one goes on serving, and then takes
its place. Evaluations hold the plan that they began with.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from engine.errors import InvalidInput, Reason, TillcoreError, WrongState, invalid
from engine.plan import PricePlan
from engine.rpc.hot_plans import attach_hot_plan, compile_warm_plan
from engine.strict_json import shown_text
from ext.wire import Answerer, HotPlan
from server.catalog.snapshots import Rows, Snapshot, read_rows, read_rows_at, snapshot_of
from server.observability.histogram import Histogram
from server.storage import Store, catalogs
from server.storage.catalogs import Head

T = TypeVar("T")
MonotonicClock = Callable[[], int]

POLL_SECONDS: Final = 0.4
"""How often the revisions are compared; a change elsewhere is seen after so long at most."""

IDLE_SECONDS: Final = 900
"""A market that nobody asked for in so long leaves; the next use compiles it anew."""

MARKETS_MAX: Final = 64
SHOP_PLANS_MAX: Final = 64
PAST_REVISIONS_MAX: Final = 4
"""How many markets are kept at most and, for each, plans of shops with copies of products of their
own, and past revisions; what was not used for longest leaves first."""

PAST_IDLE_SECONDS: Final = 60
"""A past revision that nobody asked for in so long leaves."""

_NS_PER_SECOND: Final = 10**9

Name = tuple[str, str]
"""An account and one of its markets."""


class _Past:
    """A past revision: when it was the present, its plans by shop, and when it was last used."""

    def __init__(self, head: Head, end_ns: int, shops: frozenset[str], used_ns: int) -> None:
        self.head = head
        self.end_ns = end_ns
        self.shops = shops
        self.used_ns = used_ns
        self.plans: dict[str, PricePlan] = {}

    def covers(self, moment_ns: int) -> bool:
        """Return whether a moment is of this revision."""
        return self.head.at_ns <= moment_ns < self.end_ns


class _Market:
    """A market in use: its present snapshot, and plans by shop, with "" for all other shops."""

    def __init__(self, snapshot: Snapshot, plan: PricePlan, used_ns: int) -> None:
        self.snapshot = snapshot
        self.shops = snapshot.shops_with_copies
        self.plans: OrderedDict[str, PricePlan] = OrderedDict({"": plan})
        self.past: OrderedDict[int, _Past] = OrderedDict()
        self.refused_revision = -1
        self.used_ns = used_ns


class Plans:
    """The plans of the accounts' markets."""

    def __init__(
        self,
        store: Store,
        *,
        executor: Executor,
        monotonic_ns: MonotonicClock = time.monotonic_ns,
    ) -> None:
        """Hold no plans yet; `run` keeps them up.

        Args:
            store: Has the catalogue.
            executor: Decodes and compiles.
            monotonic_ns: Nanoseconds that never go back, for what nobody uses any more.
        """
        self._store = store
        self._executor = executor
        self._monotonic_ns = monotonic_ns
        self._markets: OrderedDict[Name, _Market] = OrderedDict()
        self._heads: dict[str, dict[str, Head]] = {}
        self._tasks: dict[tuple[Any, ...], asyncio.Task[Any]] = {}
        self._answerers: dict[str, tuple[Answerer, tuple[Name, ...]]] = {}
        self._callbacks: list[Callable[[str], None]] = []
        self._log = structlog.get_logger().bind()
        self.compile_times = Histogram()
        self.compiled_count = 0
        self.refused_count = 0

    # --- asking ------------------------------------------------------------------------------

    async def plan(
        self, *, account_id: str, market_id: str, shop_id: str, moment_ns: int | None = None
    ) -> PricePlan:
        """Return the plan of a shop, of a past moment if one is named.

        A moment before the oldest revision that is kept, and one in the future, mean the present
        catalogue.

        Args:
            account_id: Whose market it is.
            market_id: The market; it may be empty where the account has one only.
            shop_id: The shop; empty for what all shops have.
            moment_ns: The moment in nanoseconds since 1970-01-01 UTC; None for the present.

        Raises:
            InvalidInput: The account has no such market, or none is named of several.
            WrongState: The stored catalogue cannot be compiled.
            StoreUnavailable: The plan is not there yet, and the database does not answer.
        """
        found = await self.find(
            account_id=account_id, market_id=market_id, shop_id=shop_id, moment_ns=moment_ns
        )
        if found is not None:
            return found
        known = self._heads.get(account_id, {})
        if not market_id:
            was = f"{len(known)} markets are loaded"
            message = f"expected a market id, was absent, and {was}"
            raise invalid("market_id", Reason.REQUIRED, message)
        message = f"expected the id of a loaded market, was {shown_text(market_id)}"
        raise invalid("market_id", Reason.UNKNOWN_ID, message)

    async def find(
        self, *, account_id: str, market_id: str, shop_id: str, moment_ns: int | None = None
    ) -> PricePlan | None:
        """Return the plan as `plan` does, None when the account has no such market.

        Raises:
            WrongState: The stored catalogue cannot be compiled.
            StoreUnavailable: The plan is not there yet, and the database does not answer.
        """
        name = await self._name(account_id, market_id)
        if name is None:
            return None
        market = self._markets.get(name)
        if market is None:
            market = await self._once(("load", *name), partial(self._load, name))
            self._keep(name, market)
        self._markets.move_to_end(name)
        market.used_ns = self._monotonic_ns()
        if moment_ns is not None and moment_ns < market.snapshot.head.at_ns:
            past = await self._past(name, market, shop_id, moment_ns)
            if past is not None:
                return past
        shop = shop_id if shop_id in market.shops else ""
        plan = market.plans.get(shop)
        if plan is None:
            key = ("shop", *name, market.snapshot.head.revision, shop)
            return await self._once(key, partial(self._compile_shop, name, market, shop))
        market.plans.move_to_end(shop)
        return plan

    def answerer_of(self, account_id: str) -> Answerer | None:
        """Return what answers the bytes of requests under an account's present plans.

        It is good until the account changes (`on_changed`), and then answers as it did. None while
        none of the account's markets is in use.
        """
        known = self._answerers.get(account_id)
        if known is None:
            heads = self._heads.get(account_id, {})
            names = tuple((account_id, id_) for id_ in heads if (account_id, id_) in self._markets)
            if not names:
                return None
            markets = [_answered(name[1], self._markets[name]) for name in names]
            only_market = 0 if len(heads) == 1 else -1
            known = self._answerers[account_id] = Answerer(markets, only_market), names
        return known[0]

    def on_changed(self, callback: Callable[[str], None]) -> None:
        """Call back with the account's id whenever `answerer_of` may return another answerer.

        It is called in the event loop, after a new plan is in its place or an old one has left.
        """
        self._callbacks.append(callback)

    async def _name(self, account_id: str, market_id: str) -> Name | None:
        """Return the market that is meant; the store is asked for one that is not known."""
        known = self._heads.get(account_id, {})
        if market_id not in known and (market_id or len(known) != 1):
            known = (await self._read_heads((account_id,)))[account_id]
        if not market_id and len(known) == 1:
            (market_id,) = known
        return (account_id, market_id) if market_id in known else None

    async def _past(
        self, name: Name, market: _Market, shop_id: str, moment_ns: int
    ) -> PricePlan | None:
        """Return the plan of a past moment, None when its revision is not kept."""
        for past in market.past.values():
            if past.covers(moment_ns):
                past.used_ns = self._monotonic_ns()
                plan = past.plans.get(shop_id if shop_id in past.shops else "")
                if plan is not None:
                    market.past.move_to_end(past.head.revision)
                    return plan
        account_id, market_id = name
        rows = await self._store.read(
            lambda c: read_rows_at(
                c, account_id=account_id, market_id=market_id, moment_ns=max(moment_ns, 0)
            )
        )
        # Without an end it is the present revision, of which this process has not heard yet.
        if rows is None or rows.until_ns is None:
            return None
        return await self._once(
            ("past", *name, rows.head.revision, shop_id),
            partial(self._compile_past, name, market, shop_id, rows),
        )

    # --- compiling ---------------------------------------------------------------------------

    async def _load(self, name: Name) -> _Market:
        account_id, market_id = name
        rows = await self._store.read(
            lambda c: read_rows(c, account_id=account_id, market_id=market_id)
        )

        def build() -> _Market:
            snapshot = snapshot_of(rows)
            return _Market(snapshot, compile_warm_plan(snapshot.context("")), self._monotonic_ns())

        return await self._in_thread(build, name)

    async def _compile_shop(self, name: Name, market: _Market, shop: str) -> PricePlan:
        snapshot = market.snapshot
        plan = await self._in_thread(lambda: compile_warm_plan(snapshot.context(shop)), name)
        if market.snapshot is snapshot:
            market.plans[shop] = plan
            # Without the plan of all other shops its answerer would hand every one of them over.
            market.plans.move_to_end("")
            _trim(market.plans, SHOP_PLANS_MAX)
            self._announce(name)
        return plan

    async def _compile_past(
        self, name: Name, market: _Market, shop_id: str, rows: Rows
    ) -> PricePlan:
        def build() -> tuple[frozenset[str], PricePlan]:
            snapshot = snapshot_of(rows)
            return snapshot.shops_with_copies, compile_warm_plan(snapshot.context(shop_id))

        shops, plan = await self._in_thread(build, name)
        assert rows.until_ns is not None, "a past revision has ended"
        past = market.past.setdefault(
            rows.head.revision, _Past(rows.head, rows.until_ns, shops, self._monotonic_ns())
        )
        past.plans[shop_id if shop_id in shops else ""] = plan
        _trim(market.past, PAST_REVISIONS_MAX)
        return plan

    def _keep(self, name: Name, market: _Market) -> None:
        self._markets[name] = market
        self._note_used()
        while len(self._markets) > MARKETS_MAX:
            gone, _ = self._markets.popitem(last=False)
            self._announce(gone)
        self._announce(name)

    def _announce(self, name: Name) -> None:
        """Tell that the plans of a market have changed, and complete them where that takes long."""
        account_id = name[0]
        self._note_used()
        self._answerers.pop(account_id, None)
        market = self._markets.get(name)
        if market is not None and any(plan.hot is None for plan in market.plans.values()):
            self._begin(("heat", *name), partial(self._heat, name))
        for callback in self._callbacks:
            callback(account_id)

    async def warmed(self) -> None:
        """Wait until every plan in use has its hot plan."""
        while heating := [task for key, task in self._tasks.items() if key[0] == "heat"]:
            await asyncio.wait(heating)

    async def _heat(self, name: Name) -> None:
        """Attach the hot plans that a market lacks."""
        loop = asyncio.get_running_loop()
        while (market := self._markets.get(name)) is not None:
            cold = [plan for plan in market.plans.values() if plan.hot is None]
            if not cold:
                break
            await loop.run_in_executor(self._executor, attach_hot_plan, cold[0])
        self._announce(name)

    async def _in_thread(self, build: Callable[[], T], name: Name) -> T:
        """Run what decodes and compiles.

        Raises:
            WrongState: The stored catalogue breaks a rule; no caller can mend his request.
        """
        self.compiled_count += 1
        begin_ns = self._monotonic_ns()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, build)
        except InvalidInput as error:
            was = f"was one with {error.message}"
            message = f"expected a catalogue of {shown_text(name[1])} that can be compiled, {was}"
            raise WrongState(message) from error
        finally:
            self.compile_times.add(self._monotonic_ns() - begin_ns)

    async def _once(self, key: tuple[Any, ...], work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do something once, however many calls wait for it, and though one is cancelled."""
        return await asyncio.shield(self._begin(key, work))

    def _begin(
        self, key: tuple[Any, ...], work: Callable[[], Coroutine[Any, Any, T]]
    ) -> "asyncio.Task[T]":
        task: asyncio.Task[T] | None = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._tasks[key] = task
            task.add_done_callback(partial(self._done, key))
        return task

    def _done(self, key: tuple[Any, ...], task: "asyncio.Task[Any]") -> None:
        del self._tasks[key]
        if task.cancelled():
            return
        error = task.exception()  # It is the callers', who may all have left;
        if error is not None and key[0] == "heat":  # of this one nobody waits for the outcome.
            self._log.error("hot_plan", account=key[1], market=key[2], exc_info=error)

    # --- keeping up --------------------------------------------------------------------------

    async def run(self) -> None:
        """Compare the revisions from time to time, until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.forget_idle()
            account_ids = {account_id for account_id, _ in self._markets}
            if not account_ids:
                continue
            try:
                await self._read_heads(account_ids)
            except TillcoreError as error:
                self._log.warning("catalogue_poll", trouble=error.message)
                continue
            for name in self._outdated(account_ids):
                # Not waited for: one large market does not hold up the others.
                self._start_refresh(name)

    async def changed(self, account_id: str) -> None:
        """Bring the plans of an account up to what the store has; call it after a change.

        It returns when the next call is evaluated under the change, so that whoever made it reads
        its own writing. Trouble is logged: what serves goes on serving.
        """
        try:
            await self._read_heads((account_id,))
            for name in self._outdated({account_id}):
                await self._start_refresh(name)
        except TillcoreError as error:
            self._log.warning("catalogue_poll", trouble=error.message)

    async def _read_heads(self, account_ids: Any) -> dict[str, dict[str, Head]]:
        ids = tuple(sorted(account_ids))
        found = await self._store.read(lambda c: catalogs.heads(c, ids))
        for account_id, heads in found.items():
            before = self._heads.get(account_id, {})
            if heads:
                self._heads[account_id] = heads
            else:
                self._heads.pop(account_id, None)
            gone = [
                each for each in self._markets if each[0] == account_id and each[1] not in heads
            ]
            for name in gone:
                del self._markets[name]
            if gone or before.keys() != heads.keys():
                self._announce((account_id, ""))
        return found

    def _outdated(self, account_ids: set[str]) -> list[Name]:
        return [
            name
            for name, market in self._markets.items()
            if name[0] in account_ids
            and max(market.snapshot.head.revision, market.refused_revision) < self._newest(name)
        ]

    def _newest(self, name: Name) -> int:
        """Return the newest revision that this process has heard of, 0 of a market that is gone."""
        head = self._heads.get(name[0], {}).get(name[1])
        return 0 if head is None else head.revision

    def _start_refresh(self, name: Name) -> Awaitable[None]:
        return asyncio.ensure_future(
            self._once(("refresh", *name), partial(self._refresh, name, self._markets[name]))
        )

    async def _refresh(self, name: Name, market: _Market) -> None:
        """Compile what has changed, and put it in the place of what serves."""
        account_id, market_id = name
        while market.snapshot.head.revision < (newest := self._newest(name)):
            read = partial(
                read_rows,
                account_id=account_id,
                market_id=market_id,
                after_revision=market.snapshot.head.revision,
            )
            try:
                await self._swap(name, market, await self._store.read(read))
            except TillcoreError as error:
                self.refused_count += 1
                if isinstance(error, WrongState):
                    market.refused_revision = newest
                self._log.error(
                    "catalogue_refused",
                    account=account_id,
                    market=market_id,
                    revision=newest,
                    trouble=error.message,
                )
                return

    async def _swap(self, name: Name, market: _Market, rows: Rows) -> None:
        before, shops = market.snapshot, tuple(market.plans)

        def build() -> tuple[Snapshot, dict[str, PricePlan]]:
            snapshot = snapshot_of(rows, before)
            if not rows.is_whole and not rows.documents and not rows.removed:
                return snapshot, dict(market.plans)
            copies = snapshot.shops_with_copies
            kept = [shop for shop in shops if not shop or shop in copies]
            return snapshot, {shop: compile_warm_plan(snapshot.context(shop)) for shop in kept}

        snapshot, plans = await self._in_thread(build, name)
        if rows.before_until_ns is not None:
            # A till whose clock is late asks for what was the present a moment ago.
            past = _Past(before.head, rows.before_until_ns, market.shops, self._monotonic_ns())
            past.plans.update(market.plans)
            market.past[before.head.revision] = past
            _trim(market.past, PAST_REVISIONS_MAX)
        market.snapshot = snapshot
        market.shops = snapshot.shops_with_copies
        market.plans = OrderedDict(plans)
        self._announce(name)

    def _note_used(self) -> None:
        """Note which markets were used by answerers alone."""
        now_ns = self._monotonic_ns()
        for answerer, names in self._answerers.values():
            for number in answerer.take_used():
                market = self._markets.get(names[number])
                if market is not None:
                    market.used_ns = now_ns
                    self._markets.move_to_end(names[number])

    def forget_idle(self) -> None:
        """Let go what nobody has used for long, past revisions sooner."""
        now_ns = self._monotonic_ns()
        self._note_used()
        idle_ns, past_idle_ns = IDLE_SECONDS * _NS_PER_SECOND, PAST_IDLE_SECONDS * _NS_PER_SECOND
        for name, market in list(self._markets.items()):
            if now_ns - market.used_ns > idle_ns:
                del self._markets[name]
                self._announce(name)
            for revision, past in list(market.past.items()):
                if now_ns - past.used_ns > past_idle_ns:
                    del market.past[revision]
        used = {account_id for account_id, _ in self._markets}
        self._heads = {each: heads for each, heads in self._heads.items() if each in used}


def _answered(market_id: str, market: _Market) -> tuple[str, int, dict[str, HotPlan | None]]:
    """Return a market as an answerer takes it; a shop without a plan yet is handed over."""
    plans = {shop: plan.hot for shop, plan in market.plans.items()}
    return market_id, market.snapshot.head.at_ns, dict.fromkeys(market.shops) | plans


def _trim(kept: "OrderedDict[Any, Any]", most: int) -> None:
    """Let go what was not used for longest."""
    while len(kept) > most:
        kept.popitem(last=False)
