"""Sum random closes: over any days and places it is what one register would have shown."""

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from engine.model.register import RegisterEvent
from engine.model.value import Value
from engine.register.reports import register_summary
from engine.register.totals import RegisterTotals
from server.registers.sums import sum_closes
from server.storage.account_tables import account, market, register, shop
from server.storage.closes import CloseFilter
from server.storage.periods import totals_to_text
from server.storage.register_tables import register_close, register_period
from server.storage.tables import METADATA
from tests.support.sales import random_sales

SHOPS = {"a": "dk", "b": "dk", "c": "se"}
REGISTERS = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
DAYS = ("2026-02-27", "2026-02-28", "2026-03-01")
EVENTS = (RegisterEvent.CASH_DRAWER_OPENED, RegisterEvent.APP_LAUNCH)
HISTORY = {"revision": 1, "created_ns": 1, "updated_ns": 1}


class Close(Value, frozen=True):
    """A random close: where, when, the seed of its sales, and its events."""

    register_id: str
    day: str
    seed: int
    sale_count: int
    events: tuple[RegisterEvent, ...]

    @property
    def shop_id(self) -> str:
        """The shop of the register."""
        return REGISTERS[self.register_id]

    @property
    def market_id(self) -> str:
        """The market of the shop."""
        return SHOPS[self.shop_id]

    def totals(self) -> RegisterTotals:
        """Return the totals of its sales."""
        sold = random_sales(self.seed, self.sale_count)
        totals = RegisterTotals(sold[0].base_currency_code)
        for each in sold:
            totals.add(each)
        return totals


closes = st.lists(
    st.builds(
        Close,
        register_id=st.sampled_from(sorted(REGISTERS)),
        day=st.sampled_from(DAYS),
        seed=st.integers(0, 1000),
        sale_count=st.integers(1, 4),
        events=st.lists(st.sampled_from(EVENTS), max_size=3).map(tuple),
    ),
    max_size=8,
)
filters = st.builds(
    CloseFilter,
    first_date=st.sampled_from(("", *DAYS)),
    last_date=st.sampled_from(("", *DAYS)),
    market_id=st.sampled_from(("", "dk", "se")),
    shop_id=st.sampled_from(("", *SHOPS)),
    register_id=st.sampled_from(("", *REGISTERS)),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Yield a database in memory with the registers."""
    made = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    METADATA.create_all(made)
    with made.begin() as connection:
        own = {"account_id": "acme", **HISTORY}
        connection.execute(account.insert().values(name="Acme", **own))
        for market_id in sorted(set(SHOPS.values())):
            connection.execute(
                market.insert().values(
                    market_id=market_id, name="", currency_code="DKK", document="", **own
                )
            )
        for shop_id, market_id in SHOPS.items():
            connection.execute(
                shop.insert().values(
                    shop_id=shop_id, market_id=market_id, name="", document="", **own
                )
            )
        for register_id, shop_id in REGISTERS.items():
            connection.execute(
                register.insert().values(register_id=register_id, shop_id=shop_id, name="", **own)
            )
    yield made
    made.dispose()


def store(connection: Connection, close: Close, number: int) -> None:
    """Write the rows of a close."""
    own = {
        "account_id": "acme",
        "register_id": close.register_id,
        "period_number": number,
        "market_id": close.market_id,
        "shop_id": close.shop_id,
        "currency_code": "DKK",
        "scale": 2,
        "totals": totals_to_text(close.totals()),
        "closed_ns": number,
        "content_hash": b"",
    }
    counts = {event.value: count for event, count in Counter(close.events).items()}
    connection.execute(
        register_period.insert().values(
            period_id="",
            open_id=str(number),
            opened_ns=0,
            opened_by="",
            cash_total_at_open_minor=0,
            journal_totals="",
            event_counts=msgspec.json.encode(counts).decode(),
            **own,
        )
    )
    connection.execute(
        register_close.insert().values(
            sequence_number=number,
            close_id=str(number),
            business_date=close.day,
            total_minor=0,
            register_totals="",
            document=b"",
            **own,
        )
    )


def is_wanted(close: Close, wanted: CloseFilter) -> bool:
    """Return whether a close is asked for."""
    return (
        (not wanted.first_date or close.day >= wanted.first_date)
        and (not wanted.last_date or close.day <= wanted.last_date)
        and wanted.market_id in ("", close.market_id)
        and wanted.shop_id in ("", close.shop_id)
        and wanted.register_id in ("", close.register_id)
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=closes, wanted=filters)
def test_sum_when_restricted_in_any_way_then_the_totals_of_all_of_its_sales(
    engine: Engine, made: list[Close], wanted: CloseFilter
) -> None:
    with engine.connect() as connection:
        for number, close in enumerate(made, start=1):
            store(connection, close, number)
        found = sum_closes(connection, wanted, account_id="acme")
        connection.rollback()

    own = [each for each in made if is_wanted(each, wanted)]
    expected = RegisterTotals("DKK")
    events: Counter[RegisterEvent] = Counter()
    for each in own:
        for sale in random_sales(each.seed, each.sale_count):
            expected.add(sale)
        events.update(each.events)
    summary = register_summary(expected, None, event_counts=events)
    assert ([("DKK", len(own), summary)] if own else []) == [
        (each.currency_code, each.close_count, each.summary) for each in found
    ]
