"""Hold the loaded and brought plans to their bounds, and the catalogue files to their layouts."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidInput
from engine.plan import PricePlan, compile_plan
from engine.rpc import catalogues
from engine.rpc.catalog_files import read_catalogs
from engine.rpc.catalogues import Catalogues
from tests.support.core_server import danish_shop
from tillcore.v1 import context_pb2, product_pb2

TAX = {"name": "Moms", "rate": 0.25, "type": "vat"}
LAMP = {"id": "lamp", "name": "Lamp", "retail_price": 10}


@pytest.fixture
def loaded() -> Iterator[Catalogues]:
    """Yield the catalogues with the Danish shop loaded."""
    with ThreadPoolExecutor(1) as executor:
        yield Catalogues([danish_shop()], executor=executor)


def bringing(name: str) -> context_pb2.Context:
    """Return a context that brings one product."""
    product = product_pb2.Product(id="own")
    product.name.text = name
    return context_pb2.Context(products=[product])


# --- brought plans ---------------------------------------------------------------------------


async def test_plan_when_brought_again_then_not_compiled_again(loaded: Catalogues) -> None:
    first = await loaded.plan("dk", bringing("a"))
    other = await loaded.plan("dk", bringing("b"))
    again = await loaded.plan("dk", bringing("a"))

    assert first is again
    assert first is not other


async def test_plan_when_loaded_plans_replaced_then_compiled_over_the_new_ones(
    loaded: Catalogues,
) -> None:
    first = await loaded.plan("dk", bringing("a"))
    loaded.replace([compile_plan(danish_shop())])

    assert first is not await loaded.plan("dk", bringing("a"))


@pytest.mark.parametrize("bound", ["BROUGHT_PLANS_MAX", "BROUGHT_BYTES_MAX"])
async def test_plan_when_bound_reached_then_least_lately_used_leaves(
    loaded: Catalogues, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    one_size = len(bringing("a").SerializeToString())
    monkeypatch.setattr(catalogues, bound, 2 if bound == "BROUGHT_PLANS_MAX" else 2 * one_size)
    plans: dict[str, PricePlan] = {}
    for name in "aba":
        plans[name] = await loaded.plan("dk", bringing(name))
    await loaded.plan("dk", bringing("c"))

    assert plans["a"] is await loaded.plan("dk", bringing("a"))
    assert plans["b"] is not await loaded.plan("dk", bringing("b"))


# --- files -----------------------------------------------------------------------------------


def write(directory: Path, **files: Any) -> Path:
    """Write a directory of JSON files."""
    directory.mkdir(parents=True)
    for name, body in files.items():
        (directory / f"{name}.json").write_text(json.dumps(body))
    return directory


def market(id_: str) -> dict[str, Any]:
    """Return the market file of a market."""
    return {"id": id_, "currency": "DKK", "default_taxes": [TAX]}


@pytest.mark.parametrize(
    "body", [{"products": [LAMP]}, [LAMP], {"product": LAMP}, {"products": {"lamp": LAMP}}]
)
def test_read_catalogs_when_one_market_then_bodies_as_imports_take_them(
    tmp_path: Path, body: object
) -> None:
    place = write(tmp_path / "dk", market=market("dk"), products=body)

    (context,) = read_catalogs([place])

    assert ["lamp"] == [product.id for product in context.products]


def test_read_catalogs_when_several_markets_then_one_context_each(tmp_path: Path) -> None:
    write(tmp_path / "all" / "dk", market=market("dk"), products=[LAMP])
    write(tmp_path / "all" / "fo", market=market("fo"), purchase_types=[{"id": "dine_out"}])

    contexts = read_catalogs([tmp_path / "all"])

    assert ["dk", "fo"] == [context.market.id for context in contexts]
    assert "dine_out" == contexts[1].purchase_types[0].id


def test_read_catalogs_when_file_then_whole_context(tmp_path: Path) -> None:
    place = write(tmp_path / "one", context={"market": market("dk"), "products": [LAMP]})

    (context,) = read_catalogs([place / "context.json"])

    assert "dk" == context.market.id


def test_read_catalogs_when_market_twice_then_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a", market=market("dk"))
    second = write(tmp_path / "b", market=market("dk"))

    with pytest.raises(InvalidInput, match="expected a market of its own, was 'dk'"):
        read_catalogs([first, second])


def test_read_catalogs_when_no_market_then_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"expected market\.json here or one level below"):
        read_catalogs([tmp_path])


def test_read_catalogs_when_absent_then_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a catalogue at"):
        read_catalogs([tmp_path / "absent"])


def test_read_catalogs_when_file_garbled_then_named(tmp_path: Path) -> None:
    place = write(tmp_path / "dk", market=market("dk"))
    (place / "products.json").write_text("{")

    with pytest.raises(InvalidInput, match=r"products\.json: expected valid JSON"):
        read_catalogs([place])
