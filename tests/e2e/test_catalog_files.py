"""Start servers with catalogues from files, twice over one database."""

import json
from pathlib import Path
from typing import Any

import grpc

from tests.support.catalog_calls import UNIT, product, products_request
from tests.support.command_line import SECONDS_MAX, Server, serving, tillcore
from tillcore.v1.basket_pb2 import Basket, BasketLine
from tillcore.v1.basket_service_pb2 import EvaluateBasketRequest
from tillcore.v1.basket_service_pb2_grpc import BasketServiceStub
from tillcore.v1.catalog_service_pb2_grpc import CatalogServiceStub

TAX = {"name": "Moms", "rate": 0.25, "type": "vat"}
MARKET = {"id": "dk", "currency": "DKK", "shops": ["north"], "default_taxes": [TAX]}


def total_of(server: Server, *ids: str, key: str = "") -> int:
    """Return what one of each product costs, in micros."""
    lines = [BasketLine(id=id_, quantity_micros=UNIT) for id_ in ids]
    metadata = (("authorization", f"Bearer {key}"),) if key else ()
    with grpc.insecure_channel(server.target) as channel:
        answer = BasketServiceStub(channel).EvaluateBasket(
            EvaluateBasketRequest(market_id="dk", basket=Basket(line_items=lines)),
            timeout=SECONDS_MAX,
            metadata=metadata,
        )
    return int(answer.evaluated_basket.total_micros)


def write(directory: Path, *products: Any) -> Path:
    """Write the files of a market."""
    directory.mkdir(exist_ok=True)
    (directory / "market.json").write_text(json.dumps(MARKET))
    (directory / "products.json").write_text(json.dumps(products))
    return directory


def test_serve_when_started_again_with_other_files_then_they_replace_and_the_rest_stays(
    tmp_path: Path,
) -> None:
    data, files = tmp_path / "data", tmp_path / "files"
    assert 0 == tillcore("account", "create", "demo", "--data", data).returncode
    made = tillcore("apikey", "create", "--account", "demo", "--scopes", "read", "--data", data)
    key, totals = made.stdout.decode().strip(), []
    for products in ([product("a", 10), product("b", 1)], [product("a", 20)]):
        write(files, *products)
        with serving("serve", "--catalog", files, "--data", data) as server:
            totals.append(total_of(server, "a", "b", key=key))

    assert [11 * UNIT, 21 * UNIT] == totals


def test_demo_when_started_again_then_what_was_imported_meanwhile_stays(tmp_path: Path) -> None:
    lamp = products_request(product("1048", 7), market_ids=["dk"])
    with (
        serving("serve", "--demo", "--data", tmp_path) as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        CatalogServiceStub(channel).ImportProducts(iter([lamp]), timeout=SECONDS_MAX)
    with serving("serve", "--demo", "--data", tmp_path) as server:
        total_micros = total_of(server, "1048")

    assert 7 * UNIT == total_micros
