"""Replay what a shop sold and stored, while its catalogue changed."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import delete

from engine.campaigns import read_campaign
from engine.errors import InvalidInput, NotFound, StoreUnavailable
from engine.model import (
    Campaign,
    Checkout,
    Customer,
    Effect,
    EffectKind,
    ManualDiscount,
    Product,
    Tax,
    TaxType,
)
from engine.outcome import MANUALS, Source, SourceKind
from engine.strict_json import decode
from server.catalog.kinds import CAMPAIGN, CUSTOMER, PRODUCT, PRODUCT_RULE
from server.replay.change import Change, check_known
from server.replay.selection import snapshot
from server.replay.tables import turnover
from server.replay.tally import Kept, Tally
from server.storage import StoreSettings, catalogs
from server.storage.sale_tables import checkout
from tests.support.replay_shop import (
    MINUTE_NS,
    NOON_NS,
    PERIOD,
    THREE_FOR_TWO,
    UNIT,
    Shop,
    back,
    line,
    running_shop,
)

TEN_PERCENT: Final = Effect(kind=EffectKind.PERCENTAGE, value_micros=UNIT // 10)


@pytest_asyncio.fixture
async def shop(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Shop]:
    """Yield a running shop that has sold nothing yet."""
    (tmp_path / "data").mkdir()
    shutil.copy(sqlite_template, tmp_path / "data")
    async with running_shop(tmp_path) as running:
        yield running


def campaign(**fields: Any) -> Campaign:
    """Return 20 % off coffee, with other fields over it."""
    document = {
        "id": "coffee-20",
        "type": "percentage_discount-single_product",
        "name": "coffee",
        "display_name": "Coffee",
        "priority": 60,
        "product_id": "coffee",
        "percentage": 0.2,
    } | fields
    return read_campaign(decode(msgspec.json.encode(document)))


def source(campaign_id: str) -> Source:
    """Return the source that a campaign is."""
    return Source(SourceKind.CAMPAIGN, campaign_id)


def turnovers(tally: Tally) -> tuple[int, int]:
    """Return the turnover before and after, in whole units of the currency."""
    before, after = tally.total()
    return turnover(before) // UNIT, turnover(after) // UNIT


def kept(tally: Tally) -> dict[Kept, int]:
    """Return why baskets were left as they are; none of them moved."""
    before, after = tally.total()
    assert before == after
    return tally.kept


def total_of(checkout: Checkout) -> int:
    """Return what a checkout came to."""
    return sum(sale.basket.total_micros for sale in checkout.sales)


# --- where it is read ------------------------------------------------------------------------


async def test_replay_when_the_store_is_of_either_kind_then_same_sums(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    async with running_shop(tmp_path, store_settings) as shop:
        await shop.sell(line("coffee", 2), line("bun", 3))
        late_ns = NOON_NS + 30 * MINUTE_NS
        await shop.sell(line("wine"), at_ns=NOON_NS, received_ns=late_ns)

        tally = shop.replay(Change(campaigns=(campaign(),)), chunk_baskets=1)

    assert (2, (230, 216)) == (tally.replayed_count, turnovers(tally))


async def test_snapshot_when_written_to_then_the_database_refuses(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    async with running_shop(tmp_path, store_settings):
        with (
            pytest.raises(StoreUnavailable, match=r"read-?only"),
            snapshot(store_settings) as connection,
        ):
            connection.execute(delete(checkout))


# --- what is replayed ------------------------------------------------------------------------


async def test_replay_when_a_campaign_is_added_then_it_costs_what_it_takes_off(shop: Shop) -> None:
    await shop.sell(line("coffee", 2), line("bun"))
    await shop.sell(line("wine"))

    tally = shop.replay(Change(campaigns=(campaign(),)))

    used = tally.by_source()[source("coffee-20")]
    assert (210, 196) == turnovers(tally)
    assert ((0, 0, 0), (1, 2, 14 * UNIT)) == used
    assert (2, 2, 1) == (tally.basket_count, tally.replayed_count, tally.changed_count)


async def test_replay_when_a_campaign_is_left_out_then_it_gives_nothing(shop: Shop) -> None:
    await shop.sell(line("bun", 3))

    tally = shop.replay(Change(without=frozenset({"buns-3-for-2"})))

    assert (40, 60) == turnovers(tally)
    assert ((1, 1, 20 * UNIT), (0, 0, 0)) == tally.by_source()[source("buns-3-for-2")]


async def test_replay_when_products_are_replaced_then_prices_are_theirs(shop: Shop) -> None:
    await shop.sell(line("coffee"))
    dearer = Product(id="coffee", name="Coffee", retail_price_micros=40 * UNIT)

    tally = shop.replay(Change(products=(dearer,)))

    assert (35, 40) == turnovers(tally)


async def test_replay_when_prices_changed_meanwhile_then_each_basket_has_its_own(
    shop: Shop,
) -> None:
    await shop.sell(line("coffee"), at_ns=NOON_NS)
    dearer = {"id": "coffee", "name": "Coffee", "retail_price": 50}
    await shop.import_(PRODUCT, dearer, at_ns=NOON_NS + MINUTE_NS)
    await shop.sell(line("coffee"), at_ns=NOON_NS + 2 * MINUTE_NS)

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert (2, (85, 68)) == (tally.replayed_count, turnovers(tally))


async def test_replay_when_a_shop_has_copies_of_its_own_then_its_prices_are_those(
    shop: Shop,
) -> None:
    own = {"id": "coffee", "name": "Coffee", "retail_price": 30}
    await shop.import_(PRODUCT, own, at_ns=NOON_NS - MINUTE_NS, shop="odense")
    await shop.sell(line("coffee"))
    await shop.sell(line("coffee"), register="odense-1")

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert (2, (65, 52)) == (tally.replayed_count, turnovers(tally))


async def test_replay_when_a_campaign_changed_meanwhile_then_both_forms_are_proven(
    shop: Shop,
) -> None:
    await shop.sell(line("bun", 3), at_ns=NOON_NS)
    half = THREE_FOR_TWO | {"percentage": 0.5}
    await shop.import_(CAMPAIGN, half, at_ns=NOON_NS + MINUTE_NS)
    await shop.sell(line("bun", 3), at_ns=NOON_NS + 2 * MINUTE_NS)

    tally = shop.replay()

    assert (2, 0) == (tally.replayed_count, tally.changed_count)
    assert (90, 90) == turnovers(tally)


async def test_replay_when_a_till_was_offline_then_the_catalogue_of_its_receipt_counts(
    shop: Shop,
) -> None:
    dearer = {"id": "coffee", "name": "Coffee", "retail_price": 50}
    await shop.import_(PRODUCT, dearer, at_ns=NOON_NS + 20 * MINUTE_NS)
    await shop.sell(line("coffee"), at_ns=NOON_NS, received_ns=NOON_NS + 30 * MINUTE_NS)

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert (1, (50, 40)) == (tally.replayed_count, turnovers(tally))


async def test_replay_when_a_clock_is_a_little_slow_then_the_next_revision_is_tried(
    shop: Shop,
) -> None:
    dearer = {"id": "coffee", "name": "Coffee", "retail_price": 50}
    await shop.import_(PRODUCT, dearer, at_ns=NOON_NS + MINUTE_NS)
    await shop.sell(line("coffee"), at_ns=NOON_NS, received_ns=NOON_NS + 2 * MINUTE_NS)

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert (1, (50, 40)) == (tally.replayed_count, turnovers(tally))


# --- what is concluded -----------------------------------------------------------------------


async def test_replay_when_prices_taxes_and_discounts_were_entered_then_they_hold(
    shop: Shop,
) -> None:
    reduced = (Tax(name="Reduced", rate_micros=60_000, type=TaxType.VAT),)
    manual = ManualDiscount(effect=TEN_PERCENT, name="friend")
    entered = await shop.sell(
        line("service", retail_price_micros=100 * UNIT, taxes=reduced),
        line("coffee", retail_price_micros=25 * UNIT, discounts=(manual,)),
        line(None, retail_price_micros=5 * UNIT),
        discounts=(ManualDiscount(effect=TEN_PERCENT, id="all"),),
    )

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert 1 == tally.replayed_count
    assert total_of(entered) == turnover(tally.total().before)
    # 20 % of 25.00, then the cashier's tenths of what is left.
    assert 5 * UNIT == tally.by_source()[source("coffee-20")].after.amount_micros
    assert (1, 4) == tally.by_source()[MANUALS].after[:2]


async def test_replay_when_a_discount_needed_a_coupon_then_the_basket_had_it(shop: Shop) -> None:
    document = {
        "id": "sun",
        "type": "campaign",
        "name": "sun",
        "display_name": "Sun",
        "priority": 70,
        "conditions": {"coupons": ["SUN", "RAIN"]},
        "trigger": {"type": "every_unit", "selector": {"tags": ["wine"]}},
        "effect": {"percentage": 0.5},
    }
    await shop.import_(CAMPAIGN, document, at_ns=NOON_NS - MINUTE_NS)
    await shop.sell(line("wine"), coupons=("RAIN",))
    await shop.sell(line("wine"))

    tally = shop.replay()

    assert (2, 1, 0) == (tally.replayed_count, tally.inferred_count, tally.changed_count)


async def test_replay_when_the_account_knows_the_customer_then_its_groups_count(
    shop: Shop,
) -> None:
    customer = {"identifier": "C1", "name": "Ann", "groups": ["gold"]}
    await shop.import_(CUSTOMER, customer, at_ns=NOON_NS - MINUTE_NS)
    await shop.sell(line("coffee"), customer=Customer(identifier="C1", groups=("gold",)))
    await shop.sell(line("coffee"), customer=Customer(identifier="C2"))
    golden = {
        "id": "gold",
        "type": "campaign",
        "name": "gold",
        "display_name": "Gold",
        "priority": 70,
        "conditions": {"customer_groups": ["gold"]},
        "trigger": {"type": "every_unit", "selector": {"all": True}},
        "effect": {"amount_per_item": 5},
    }

    tally = shop.replay(Change(campaigns=(read_campaign(decode(msgspec.json.encode(golden))),)))

    assert (2, (70, 65)) == (tally.replayed_count, turnovers(tally))


async def test_replay_when_containers_have_deposits_then_they_are_made_again(shop: Shop) -> None:
    rule = {
        "id": "bottle",
        "name": "bottle",
        "display_name": "Deposit",
        "type": "container_deposit",
        "tag": "wine",
        "price": 3,
    }
    await shop.import_(PRODUCT_RULE, rule, at_ns=NOON_NS - MINUTE_NS)
    await shop.sell(line("wine", 2))
    half = campaign(id="wine", product_id="wine", percentage=0.5)

    tally = shop.replay(Change(campaigns=(half,)))

    assert (1, (246, 126)) == (tally.replayed_count, turnovers(tally))


# --- what is left as it is -------------------------------------------------------------------


async def test_replay_when_goods_come_back_then_their_records_are_in_both_sums(
    shop: Shop,
) -> None:
    sold = await shop.sell(line("coffee", 2))
    await shop.sell(returns=(back(sold, "1"),), owed_micros=-35 * UNIT)
    await shop.sell(line("coffee"), returns=(back(sold, "1"),), owed_micros=-35 * UNIT)

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert {Kept.RECORDS_ONLY: 1} == tally.kept
    assert (1, 2) == (tally.record_count, tally.replayed_count)
    assert (35, 14) == turnovers(tally)


async def test_replay_when_a_checkout_was_voided_then_it_is_counted_and_in_no_sum(
    shop: Shop,
) -> None:
    await shop.sell(line("coffee"), voided=True)

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert ({Kept.VOIDED: 1}, (0, 0)) == (kept(tally), turnovers(tally))


async def test_replay_when_a_line_brought_its_product_then_basket_is_left(shop: Shop) -> None:
    own = Product(id="own", name="Own", retail_price_micros=10 * UNIT)
    await shop.sell(line(None, product=own), line("coffee"))

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert ({Kept.OWN_PRODUCT: 1}, (45, 45)) == (kept(tally), turnovers(tally))


async def test_replay_when_the_basket_brought_its_campaign_then_basket_is_left(
    shop: Shop,
) -> None:
    await shop.sell(line("coffee"), campaigns=(campaign(id="own"),))

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert ({Kept.OWN_CAMPAIGN: 1}, (28, 28)) == (kept(tally), turnovers(tally))
    assert ((1, 1, 7 * UNIT), (1, 1, 7 * UNIT)) == tally.by_source()[source("own")]


async def test_replay_when_a_campaign_was_disabled_then_basket_cannot_be_worked_back(
    shop: Shop,
) -> None:
    await shop.sell(line("bun", 3), disabled_campaigns=("buns-3-for-2",))

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert ({Kept.DIFFERS: 1}, (60, 60)) == (kept(tally), turnovers(tally))


async def test_replay_when_the_revision_is_no_longer_kept_then_basket_is_left(shop: Shop) -> None:
    await shop.sell(line("coffee"))
    dearer = {"id": "coffee", "name": "Coffee", "retail_price": 50}
    await shop.import_(PRODUCT, dearer, at_ns=NOON_NS + 60 * MINUTE_NS)
    own = {"account_id": "ours", "market_id": "dk"}
    await shop.store.write(lambda c: catalogs.prune(c, **own, before_ns=NOON_NS + 90 * MINUTE_NS))

    tally = shop.replay(Change(campaigns=(campaign(),)))

    assert {Kept.NO_REVISION: 1} == kept(tally)


async def test_replay_when_the_change_refuses_a_basket_then_it_is_left(shop: Shop) -> None:
    await shop.sell(line("coffee"))
    nowhere = Product(id="coffee", name="Coffee", retail_price_micros={"se": 35 * UNIT})

    tally = shop.replay(Change(products=(nowhere,)))

    assert ({Kept.REFUSED: 1}, (35, 35)) == (kept(tally), turnovers(tally))


# --- what is asked for -----------------------------------------------------------------------


async def test_replay_when_places_are_named_then_only_theirs_are_counted(shop: Shop) -> None:
    await shop.sell(line("coffee"))
    await shop.sell(line("bun"), register="odense-1")

    by_shop = shop.replay(asked=msgspec.structs.replace(PERIOD, shops=("odense",)))
    by_register = shop.replay(asked=msgspec.structs.replace(PERIOD, registers=("aarhus-1",)))

    assert ((20, 20), (35, 35)) == (turnovers(by_shop), turnovers(by_register))


async def test_replay_when_days_end_then_it_is_on_the_clock_of_the_market(shop: Shop) -> None:
    midnight_ns = NOON_NS - 11 * 60 * MINUTE_NS
    await shop.sell(line("coffee"), at_ns=midnight_ns - 1)
    await shop.sell(line("bun"), at_ns=midnight_ns)

    tally = shop.replay(asked=msgspec.structs.replace(PERIOD, last_day="2026-11-01"))

    assert ((20, 20), ["2026-11-01"]) == (turnovers(tally), list(tally.days))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"first_day": "November"}, "--from"),
        ({"last_day": "2026-13-01"}, "--to"),
        ({"last_day": "2026-10-31"}, "--to"),
    ],
)
async def test_replay_when_a_day_is_none_then_the_option_is_named(
    shop: Shop, fields: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        shop.replay(asked=msgspec.structs.replace(PERIOD, **fields))

    assert [field] == [each.field for each in caught.value.problems]


@pytest.mark.parametrize("fields", [{"account": "theirs"}, {"market": "se"}])
async def test_replay_when_a_place_is_unknown_then_not_found(
    shop: Shop, fields: dict[str, str]
) -> None:
    with pytest.raises(NotFound):
        shop.replay(asked=msgspec.structs.replace(PERIOD, **fields))


def test_check_when_a_campaign_never_was_then_refused() -> None:
    with pytest.raises(InvalidInput, match="expected a campaign of the period"):
        check_known(Change(without=frozenset({"nope"})), frozenset({"yes"}))
