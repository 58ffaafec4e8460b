"""Ask by GET for what changes nothing, as the Connect protocol has it."""

import base64
import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from google.protobuf import descriptor_pb2, json_format

from server.auth.scopes import methods
from server.storage import StoreSettings, open_store
from tests.support.browser_doors import EVALUATE, browser_doors, lamp_basket
from tests.support.core_server import danish_shop, running_core
from tests.support.server import Served, running_server
from tillcore.v1 import basket_service_pb2

NO_SIDE_EFFECTS = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Yield a whole server."""
    async with (
        open_store(StoreSettings(directory=tmp_path, is_migrating=True)) as store,
        running_server(store, contexts=[danish_shop()]) as running,
    ):
        yield running


@pytest.fixture
async def doors() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client of the stateless core's doors."""
    async with running_core() as core, browser_doors(core.calls) as session:
        yield session


async def got(
    doors: aiohttp.ClientSession, path: str = EVALUATE, **query: str
) -> tuple[int, Any, Any]:
    """Ask by GET; return status, JSON, and the answer."""
    async with doors.get(path, params={"connect": "v1", "encoding": "json", **query}) as answer:
        return answer.status, await answer.json(), answer


async def test_get_when_the_method_changes_nothing_then_answered_as_by_post(
    doors: aiohttp.ClientSession,
) -> None:
    text = json.dumps(lamp_basket())
    packed = gzip.compress(text.encode())
    binary = basket_service_pb2.EvaluateBasketRequest()
    binary.basket.line_items.add(id="lamp")

    async with doors.post(EVALUATE, json=lamp_basket()) as answer:
        posted = await answer.json()
    plain = await got(doors, message=text)
    encoded = await got(doors, message=_base64(text.encode()), base64="1")
    small = await got(doors, message=_base64(packed), base64="1", compression="gzip")
    query = {"message": _base64(binary.SerializeToString()), "base64": "1", "encoding": "proto"}
    async with doors.get(EVALUATE, params=query) as answer:
        assert "application/proto" == answer.content_type
        found = basket_service_pb2.EvaluateBasketResponse.FromString(await answer.read())

    assert [(200, posted)] * 3 == [each[:2] for each in (plain, encoded, small)]
    assert "no-store" == plain[2].headers["cache-control"]
    assert posted == json_format.MessageToDict(found)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "message"),
        ({"message": "*", "base64": "1"}, "message"),
        ({"message": "{"}, ""),
        ({"message": "{}", "connect": "v2"}, ""),
    ],
)
async def test_get_when_the_query_is_bad_then_invalid_argument(
    doors: aiohttp.ClientSession, query: dict[str, str], field: str
) -> None:
    status, error, _ = await got(doors, **query)

    assert (400, "invalid_argument") == (status, error["code"])
    assert field in json.dumps(error)


async def test_get_when_the_method_may_change_something_or_streams_then_405(
    served: Served,
) -> None:
    paths = [
        "/tillcore.v1.CatalogService/ImportTags",
        "/tillcore.v1.RegisterService/GetRegisterTotals",
        "/tillcore.v1.ExportService/WatchExports",
    ]
    async with browser_doors(served.calls) as doors:
        for path in paths:
            async with doors.get(path, params={"encoding": "json", "message": "{}"}) as answer:
                assert 405 == answer.status, path


async def test_get_when_without_a_key_then_unauthenticated_and_from_elsewhere_refused(
    served: Served, doors: aiohttp.ClientSession
) -> None:
    async with browser_doors(served.calls) as closed:
        status, error, _ = await got(closed, message="{}")
    query = {"encoding": "json", "message": json.dumps(lamp_basket())}
    headers = {"origin": "https://evil.example"}
    async with doors.get(EVALUATE, params=query, headers=headers) as evil:
        assert 403 == evil.status

    assert (401, "unauthenticated") == (status, error["code"])


def test_methods_when_they_can_be_got_then_no_word_of_theirs_says_that_they_change() -> None:
    safe = {
        method.name
        for method in methods()
        if method.GetOptions().idempotency_level == NO_SIDE_EFFECTS
    }
    verbs = re.compile("Get|List|Evaluate|Prepare|Sum|Render")

    assert [] == sorted(name for name in safe if not verbs.match(name))
    assert {"EvaluateBasket", "GetSale", "ListSales", "RenderReceipt"} <= safe
    assert not safe & {"GetRegisterTotals", "RenderRegisterTotals", "StreamBaskets"}
