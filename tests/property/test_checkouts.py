"""Sell random baskets and take them back piece by piece: in the end nothing is left of them."""

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from engine.basket import evaluate
from engine.errors import InvalidInput, TillcoreError
from engine.model import Basket, BasketLine, Checkout, Context, Payment
from engine.plan import PricePlan, compile_plan
from engine.register.reports import register_summary
from engine.register.totals import RegisterTotals
from server.checkouts.completion import Completion, Wanted, WantedLine, WantedReturn
from server.checkouts.desk import CheckoutDesk
from server.checkouts.records import prepare_return
from server.journal_key import open_journal_key
from server.rpc.checkout_messages import checkout_to_proto
from server.storage import Store, StoreSettings, open_store
from server.storage.periods import find_open_period
from tests.support.checkouts import (
    NOW_NS,
    OURS,
    TILL,
    UNIT,
    Clock,
    Desk,
    FixedPlans,
    add_accounts,
    check_books,
    new_id,
)
from tests.support.core_server import danish_shop
from tests.support.random_baskets import Generator

SEEDS = range(4)
SALES_MIN = 6
BASKETS_MAX = 60


class _Plans(FixedPlans):
    """One random catalogue for the Danish market."""

    def __init__(self, context: Context) -> None:
        super().__init__(danish_shop())
        shops = (*context.market.shops, "aarhus")
        market = msgspec.structs.replace(context.market, shops=shops)
        self._plans["dk"] = compile_plan(msgspec.structs.replace(context, market=market))

    def present(self) -> PricePlan:
        """Return the plan."""
        return self._plans["dk"]


def completion(wanted: Wanted) -> Completion:
    return Completion(
        checkout_id=new_id(),
        content_hash=b"x",
        register_id=TILL,
        cashier_id="usc",
        wanted=wanted,
        received_ns=NOW_NS,
        completed_ns=NOW_NS,
    )


def paid(basket: Basket, total_micros: int) -> Basket:
    """Return a basket that is paid to the last cent, by card."""
    card = Payment(payment_type="card.external", amount_micros=total_micros)
    return msgspec.structs.replace(basket, payments=(card,) if total_micros else ())


def sellable(generator: Generator, context: Context, plan: PricePlan) -> Basket | None:
    """Return a random basket of goods that can all come back, None for another one."""
    basket = generator.basket(context)
    lines: tuple[BasketLine, ...] = tuple(
        msgspec.structs.replace(line, behavior=None, ecom_id=None) for line in basket.line_items
    )
    basket = msgspec.structs.replace(
        basket, line_items=lines, returns=(), quotes=(), payments=(), shop="aarhus", explain=False
    )
    try:
        result = evaluate(msgspec.structs.replace(basket, evaluate_time_ns=NOW_NS), plan)
    except TillcoreError:
        return None
    if not result.line_items or any(line.quantity_micros < 0 for line in result.line_items):
        return None
    basket = msgspec.structs.replace(basket, evaluate_time_ns=NOW_NS)
    return paid(basket, result.total_micros)


async def take_back(
    store: Store, desk: CheckoutDesk, made: Checkout, plan: PricePlan, chance: random.Random
) -> bool:
    """Return a random part of a sale; return whether there was something left."""
    sale_id = made.sales[0].identifier
    everything = WantedReturn(sale_id=sale_id, lines=())
    try:
        prepared = await store.read(
            lambda c: prepare_return(c, account_id=OURS, wanted=everything, market=plan.market)
        )
    except InvalidInput as error:
        if "nothing is left" in error.message:
            return False
        raise
    entries = list(prepared.returned_sale.line_items)
    chance.shuffle(entries)
    lines: list[WantedLine] = []
    for entry in entries[: chance.randint(1, len(entries))]:
        left = entry.quantity_micros or 0
        is_whole = entry.line_item.unit_count_micros is None and left % UNIT == 0
        step = UNIT if is_whole and entry.line_item.quantity_micros % UNIT == 0 else 1
        lines.append(
            WantedLine(
                line_item_id=entry.line_item.line_item_id,
                quantity_micros=step * chance.randint(max(1, left // step // 2), left // step),
            )
        )
    wanted = WantedReturn(sale_id=sale_id, lines=tuple(lines))
    records = await store.read(
        lambda c: prepare_return(c, account_id=OURS, wanted=wanted, market=plan.market)
    )
    frozen = Basket(returns=(records.returned_sale,), evaluate_time_ns=NOW_NS)
    total = evaluate(frozen, plan).total_micros
    await desk.complete(OURS, completion(Wanted(paid(Basket(), total), returns=(wanted,))))
    return True


@pytest.mark.parametrize("seed", SEEDS)
async def test_checkouts_when_all_that_was_sold_comes_back_then_totals_net_to_zero(
    tmp_path: Path, seed: int
) -> None:
    generator, chance = Generator(seed), random.Random(seed)
    context = generator.context()
    plans = _Plans(context)
    plan, key = plans.present(), open_journal_key(tmp_path / "key.pem")
    with ThreadPoolExecutor(1) as executor:
        async with open_store(StoreSettings(directory=tmp_path / "data")) as store:
            await store.write(partial(add_accounts, plans=plans, key=key))
            desk = CheckoutDesk(store, plans, key, executor=executor)
            sold: list[Checkout] = []
            for _ in range(BASKETS_MAX):
                basket = sellable(generator, context, plan)
                if basket is not None and len(sold) < SALES_MIN:
                    asked = completion(Wanted(basket))
                    recorded = await desk.complete(OURS, asked)
                    again = await desk.complete(OURS, asked)
                    assert checkout_to_proto(recorded) == checkout_to_proto(again)
                    sold.append(recorded.checkout)
            assert len(sold) == SALES_MIN
            open_ones = list(sold)
            while open_ones:
                made = chance.choice(open_ones)
                if not await take_back(store, desk, made, plan, chance):
                    open_ones.remove(made)
            await check_books(Desk(store, None, Clock(), key, ""))
            totals = await store.read(totals_of)
    whole = register_summary(totals, None).all
    assert (0, 0, 0, 0, 0, 0) == (
        whole.total_micros,
        whole.base_price_micros,
        whole.sub_total_micros,
        whole.total_tax_amount_micros,
        whole.total_discounts_micros,
        whole.margin_micros,
    )
    assert all(tax.amount_micros == 0 for tax in whole.tax_summaries)


def totals_of(connection: Connection) -> RegisterTotals:
    """Return the totals of the register."""
    period = find_open_period(connection, account_id=OURS, register_id=TILL, is_locked=False)
    assert period is not None
    return period.totals
