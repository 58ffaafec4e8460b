"""Run two servers on one PostgreSQL: what one imports the other evaluates under, never half."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event
from typing import Any, NamedTuple

import grpc
import pytest

from tests.support.account_things import market
from tests.support.catalog_calls import MARKET, UNIT, product, products_request
from tests.support.command_line import SECONDS_MAX, serving, tillcore
from tests.support.databases import Postgres
from tillcore.v1.admin_market_pb2 import CreateMarketRequest
from tillcore.v1.admin_service_pb2_grpc import AdminServiceStub
from tillcore.v1.basket_pb2 import Basket, BasketLine
from tillcore.v1.basket_service_pb2 import EvaluateBasketRequest
from tillcore.v1.basket_service_pb2_grpc import BasketServiceStub
from tillcore.v1.catalog_service_pb2_grpc import CatalogServiceStub

PRODUCTS = 50


class Process(NamedTuple):
    """A server in a process of its own, with a key for it."""

    channel: Any
    metadata: tuple[tuple[str, str], ...]

    def import_price(self, price: int) -> Any:
        """Import all products with one price, in one message; return the result."""
        every = (product(f"p{number}", price) for number in range(PRODUCTS))
        requests = iter([products_request(*every)])
        answer = CatalogServiceStub(self.channel).ImportProducts(
            requests, timeout=SECONDS_MAX, metadata=self.metadata
        )
        return answer.result

    def total(self) -> int:
        """Evaluate a basket with one of each product; return its total in micros."""
        lines = [BasketLine(id=f"p{number}", quantity_micros=UNIT) for number in range(PRODUCTS)]
        request = EvaluateBasketRequest(market_id=MARKET, basket=Basket(line_items=lines))
        answer = BasketServiceStub(self.channel).EvaluateBasket(
            request, timeout=SECONDS_MAX, metadata=self.metadata
        )
        return int(answer.evaluated_basket.total_micros)


@pytest.fixture
def processes(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Process, Process]]:
    """Yield two servers on one database, with an account and a market."""
    url = postgres.emptied()
    monkeypatch.setenv("TILLCORE_DATABASE__URL", url.render_as_string())
    assert 0 == tillcore("account", "create", "acme").returncode
    made = tillcore("apikey", "create", "--account", "acme", "--scopes", "owner")
    metadata = (("authorization", f"Bearer {made.stdout.decode().strip()}"),)
    with ExitStack() as stack:
        found = []
        for _ in range(2):
            server = stack.enter_context(serving("serve"))
            channel = stack.enter_context(grpc.insecure_channel(server.target))
            found.append(Process(channel, metadata))
        here, there = found
        AdminServiceStub(here.channel).CreateMarket(
            CreateMarketRequest(market=market(MARKET)), timeout=SECONDS_MAX, metadata=metadata
        )
        yield here, there


def test_import_when_in_another_process_then_the_old_total_or_the_new_one_until_the_new(
    processes: tuple[Process, Process],
) -> None:
    here, there = processes
    old, new = 10 * PRODUCTS * UNIT, 20 * PRODUCTS * UNIT
    here.import_price(10)
    is_evaluating = Event()

    def totals() -> list[int]:
        found = [there.total()]
        is_evaluating.set()
        while found[-1] != new:
            found.append(there.total())
        return found

    with ThreadPoolExecutor(1) as executor:
        evaluating: Future[list[int]] = executor.submit(totals)
        assert is_evaluating.wait(SECONDS_MAX)
        result = here.import_price(20)
        found = evaluating.result(SECONDS_MAX)

    assert PRODUCTS == result.updated_count
    assert old == found[0]
    assert {old, new} == set(found)
    assert sorted(found) == found
