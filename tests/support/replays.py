"""Sell baskets as tills do, and hand them to a replay as the store hands them out."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from engine.basket import evaluate
from engine.behaviors import PAYMENT_TYPES, kind_of
from engine.errors import TillcoreError
from engine.model import (
    Basket,
    BasketLine,
    Checkout,
    CheckoutSale,
    Context,
    EvaluatedBasket,
    Payment,
    Source,
    Timing,
)
from engine.outcome import Given, Sums
from engine.outcome import Source as DiscountSource
from engine.plan import PricePlan, compile_plan
from engine.render_sale import checkout_json
from engine.split import split
from engine.strict_json import is_object
from server.catalog.settings import Settings
from server.replay.change import UNCHANGED, Change
from server.replay.columns import Columns, columns_from_bytes, columns_to_bytes
from server.replay.gathering import Gatherer, StoredCheckout, StoredChunk, given_of, sums_of
from server.replay.history import Catalogue, History, Membership, Places
from server.replay.plan_shelf import PlanShelf
from server.replay.replaying import replay
from server.replay.tally import Tally
from tests.support.core_server import NOW_NS
from tests.support.random_baskets import Generator

SHOP = "aarhus"

_numbers = itertools.count(1)


class ContextCatalogue(Catalogue):
    """The catalogue of a context, which has always been so."""

    def __init__(self, context: Context, memberships: Sequence[Membership] = ()) -> None:
        """Hold the context."""
        history = History(
            market_id=context.market.id,
            revisions=(1,),
            begins_ns=(0,),
            versions=(),
            settings=Settings(market=context.market),
            customers=tuple(memberships),
        )
        super().__init__(history)
        self._context = context
        self._places = {product.id: place for place, product in enumerate(context.products)}

    def fixed(self, revision: int) -> Places:
        """Return what holds beside products: always the same."""
        del revision
        return ()

    def product(self, product_id: str, shop_id: str, revision: int) -> int | None:
        """Return the place of a product."""
        del shop_id, revision
        return self._places.get(product_id)

    def context(self, fixed: Places, products: Mapping[str, int]) -> Context:
        """Return the context with these products alone."""
        del fixed
        found = (self._context.products[place] for place in sorted(products.values()))
        return msgspec.structs.replace(self._context, products=tuple(found))


def home(context: Context) -> Context:
    """Return a context whose market has the shop where everything here is sold."""
    market = context.market
    shops = (*market.shops, SHOP) if market.shops else ()
    return msgspec.structs.replace(context, market=msgspec.structs.replace(market, shops=shops))


def sold(basket: Basket, plan: PricePlan, *, comment: str | None = None) -> bytes:
    """Return the stored checkout of a basket, which is paid by card.

    Raises:
        TillcoreError: The basket is refused.
    """
    total = evaluate(msgspec.structs.replace(basket, payments=()), plan).total_micros
    card = Payment(payment_type="card.external", amount_micros=total)
    paid = msgspec.structs.replace(basket, payments=(card,) if total else ())
    result = evaluate(paid, plan)
    return checkout_json(checkout_of(result, paid, comment=comment))


def checkout_of(result: EvaluatedBasket, basket: Basket, *, comment: str | None = None) -> Checkout:
    """Return the checkout of an evaluated basket."""
    return Checkout(
        identifier=f"checkout-{next(_numbers)}",
        base_currency_code=result.currency_code,
        source=Source(
            market_id="dk",
            market_name="DK",
            shop_id=basket.shop or SHOP,
            shop_name="Shop",
            register_id="till-1",
            register_name="Till 1",
            cashier_id="usc",
            cashier_name="USC",
        ),
        timing=Timing(timestamp_ns=basket.evaluate_time_ns or NOW_NS, timezone="Europe/Copenhagen"),
        sales=tuple(
            CheckoutSale(
                identifier=f"sale-{next(_numbers)}",
                sequence_number=number,
                basket=msgspec.structs.replace(part.summary, comment=comment),
                payments=part.payments,
            )
            for number, part in enumerate(split(result, basket.payments), start=1)
        ),
        payments=basket.payments,
    )


def random_sales(
    generator: Generator, context: Context, count: int
) -> Iterator[tuple[Basket, bytes]]:
    """Yield random baskets of a context with what is stored of them; refused ones are left out."""
    plan = compile_plan(context)
    for _ in range(count):
        basket = msgspec.structs.replace(generator.basket(context), shop=SHOP, explain=False)
        if basket.evaluate_time_ns is None:
            basket = msgspec.structs.replace(basket, evaluate_time_ns=NOW_NS)
        if not basket.line_items:
            continue
        basket = msgspec.structs.replace(basket, line_items=tuple(map(_as_read, basket.line_items)))
        try:
            yield basket, sold(basket, plan)
        except TillcoreError:
            continue


def _as_read(line: BasketLine) -> BasketLine:
    """Return a line as requests are read: a card has its payment type."""
    kind = kind_of(line.behavior)
    if line.behavior is None or kind not in PAYMENT_TYPES:
        return line
    inside = line.behavior[kind]
    assert is_object(inside), "a behaviour is an object"
    card = {"payment_type_id": PAYMENT_TYPES[kind]} | inside
    return msgspec.structs.replace(line, behavior={kind: card})


def gathered(catalogue: Catalogue, documents: Sequence[bytes]) -> Columns:
    """Return the columns of stored checkouts, after a journey as bytes."""
    gatherer = Gatherer(catalogue, PlanShelf(catalogue, UNCHANGED))
    columns = gatherer.columns(StoredChunk(tuple(map(StoredCheckout, documents))))
    return columns_from_bytes(columns_to_bytes(columns))


def replayed(catalogue: Catalogue, columns: Columns, change: Change = UNCHANGED) -> Tally:
    """Return what comes of columns under a change."""
    return replay(columns, catalogue, PlanShelf(catalogue, change))


def outcome_of(result: EvaluatedBasket) -> tuple[Sums, Mapping[DiscountSource, Given]]:
    """Return the sums of a whole evaluated basket, and what each source of discounts gave."""
    summaries = [part.summary for part in split(result, ())]
    return sums_of(summaries), given_of(summaries)
