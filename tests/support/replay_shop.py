"""Run a shop over a store while its catalogue changes, and replay what it sold."""

import itertools
import json
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from engine.basket import evaluate
from engine.model import Basket, BasketLine, Checkout, Market, Payment, Tax, TaxType
from engine.strict_json import decode
from server.auth.keys import new_key
from server.catalog.imports import Fate, Target, import_documents
from server.catalog.kinds import CAMPAIGN, PRODUCT, Kind
from server.catalog.settings import record_settings
from server.checkouts.completion import Completion, Wanted, WantedLine, WantedReturn
from server.checkouts.desk import CheckoutDesk
from server.demo import prepare
from server.journal_key import open_journal_key
from server.plans import Plans
from server.process import open_plans
from server.registers.opening import open_register
from server.registers.requests import Opening
from server.replay.change import UNCHANGED, Change
from server.replay.comparison import compare
from server.replay.kept_columns import KeptColumns
from server.replay.machines import Run, run_here
from server.replay.selection import Asked, select_checkouts, snapshot
from server.replay.tally import Tally
from server.storage import Store, StoreSettings, open_store

ACCOUNT: Final = "ours"
MARKET: Final = "dk"
SHOPS: Final = ("aarhus", "odense")
UNIT: Final = 1_000_000
MINUTE_NS: Final = 60 * 10**9

OPENED_NS: Final = 1_793_440_800_000_000_000
"""2026-10-31 10:00 in Copenhagen."""

NOON_NS: Final = 1_793_527_200_000_000_000
"""2026-11-01 11:00 in Copenhagen: in the period that is replayed."""

PERIOD: Final = Asked(first_day="2026-11-01", last_day="2026-11-30")

_numbers = itertools.count(1)


class Shop(NamedTuple):
    """A store with an account that sells, and the plans that it sells by."""

    settings: StoreSettings
    store: Store
    plans: Plans
    desk: CheckoutDesk

    async def import_(self, kind: Kind, *documents: Any, at_ns: int, shop: str = "") -> None:
        """Import objects at a moment; what sells next sells by them."""
        target = Target(
            account_id=ACCOUNT,
            kind=kind,
            market_ids=(MARKET,) if kind.is_of_market else (),
            shop_ids=(shop,) if shop else (),
        )
        work = partial(
            import_documents,
            documents=[decode(json.dumps(each)) for each in documents],
            target=target,
            now_ns=at_ns,
        )
        outcomes = await self.store.write(work)
        assert Fate.REFUSED not in {outcome.fate for outcome in outcomes}, outcomes
        await self.plans.changed(ACCOUNT)

    async def sell(
        self,
        *lines: BasketLine,
        at_ns: int = NOON_NS,
        received_ns: int | None = None,
        register: str = "aarhus-1",
        voided: bool = False,
        returns: Sequence[WantedReturn] = (),
        owed_micros: int = 0,
        **basket: Any,
    ) -> Checkout:
        """Sell what is paid by card, and return the checkout."""
        whole = Basket(line_items=lines, evaluate_time_ns=None, **basket)
        plan = await self.plans.plan(
            account_id=ACCOUNT, market_id=MARKET, shop_id=register.partition("-")[0]
        )
        asked = msgspec.structs.replace(
            whole, shop=register.partition("-")[0], evaluate_time_ns=at_ns
        )
        total = evaluate(asked, plan).total_micros + owed_micros
        card = Payment(payment_type="card.external", amount_micros=total)
        paid = msgspec.structs.replace(whole, payments=(card,) if total else ())
        recorded = await self.desk.complete(
            ACCOUNT,
            Completion(
                checkout_id=f"checkout-{next(_numbers):04}",
                content_hash=b"",
                register_id=register,
                cashier_id="demo",
                wanted=Wanted(paid, returns=tuple(returns)),
                received_ns=at_ns if received_ns is None else received_ns,
                completed_ns=at_ns,
                voided=voided,
            ),
        )
        return recorded.checkout

    def replay(
        self,
        change: Change = UNCHANGED,
        *,
        asked: Asked = PERIOD,
        run: Run = run_here,
        kept: KeptColumns | None = None,
        chunk_baskets: int = 500,
    ) -> Tally:
        """Return what was sold in a period, and what it would be under a change."""
        with snapshot(self.settings) as connection:
            selection = select_checkouts(connection, asked)
            return compare(
                connection, selection, change, run, kept=kept, chunk_baskets=chunk_baskets
            )


def line(product_id: str | None, count: int = 1, **fields: Any) -> BasketLine:
    """Return a line of pieces."""
    return BasketLine(id=product_id, quantity_micros=count * UNIT, **fields)


def back(checkout: Checkout, line_item_id: str, count: int = 1) -> WantedReturn:
    """Return what takes pieces of a sold line back."""
    lines = (WantedLine(line_item_id=line_item_id, quantity_micros=count * UNIT),)
    return WantedReturn(sale_id=checkout.sales[0].identifier, lines=lines)


PRODUCTS: Final = (
    {"id": "coffee", "name": "Coffee", "retail_price": 35, "cost_price": 6.5, "tags": ["hot"]},
    {"id": "bun", "name": "Bun", "retail_price": 20, "cost_price": 5, "tags": ["bakery"]},
    {"id": "wine", "name": "Wine", "retail_price": 120, "cost_price": 60, "tags": ["wine"]},
    {"id": "service", "name": "Service"},
)
THREE_FOR_TWO: Final = {
    "id": "buns-3-for-2",
    "type": "percentage_discount-count-tag",
    "name": "buns 3 for 2",
    "display_name": "3 for 2",
    "priority": 50,
    "tag": "bakery",
    "count": 3,
    "on": "cheapest",
    "percentage": 1,
}


@asynccontextmanager
async def running_shop(
    directory: Path, settings: StoreSettings | None = None
) -> AsyncIterator[Shop]:
    """Yield a shop with a small catalogue and open registers in the market dk.

    Args:
        directory: Gets the journal's key, and a new store unless there are settings of one.
        settings: Of a store without rows.
    """
    market = Market(
        id=MARKET,
        currency_code="DKK",
        default_taxes=(Tax(name="Moms", rate_micros=250_000, type=TaxType.VAT),),
        timezone="Europe/Copenhagen",
        shops=SHOPS,
    )
    settings = settings or StoreSettings(directory=directory / "data")
    key = open_journal_key(directory / "journal-key.pem")
    async with open_store(settings) as store, open_plans(store) as plans:
        await store.write(
            partial(prepare, account_id=ACCOUNT, markets=[market], key=new_key(), now_ns=OPENED_NS)
        )
        await store.write(partial(record_settings, account_id=ACCOUNT, now_ns=OPENED_NS))
        for shop in SHOPS:
            opening = Opening(
                open_id=f"open-{shop}",
                content_hash=b"",
                register_id=f"{shop}-1",
                cashier_id="demo",
                cash_total_at_open_micros=0,
                opened_ns=OPENED_NS,
            )
            await store.write(partial(open_register, account_id=ACCOUNT, opening=opening, key=key))
        with ThreadPoolExecutor(1) as executor:
            desk = CheckoutDesk(store, plans, key, executor=executor)
            shop_floor = Shop(settings, store, plans, desk)
            await shop_floor.import_(PRODUCT, *PRODUCTS, at_ns=OPENED_NS)
            await shop_floor.import_(CAMPAIGN, THREE_FOR_TWO, at_ns=OPENED_NS)
            yield shop_floor
