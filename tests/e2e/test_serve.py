"""Start `tillcore serve --demo` as people do, call it, and end it in every way."""

import json
import shutil
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import grpc
import pytest

from clients.examples import evaluate
from tests.support.command_line import (
    BASKET,
    CONTEXT,
    EXAMPLES,
    ROOT,
    SECONDS_MAX,
    environment,
    exact,
    serving,
    tillcore,
)
from tillcore.v1.basket_service_pb2 import EvaluateBasketRequest
from tillcore.v1.basket_service_pb2_grpc import BasketServiceStub
from tillcore.v1.evaluated_basket_pb2 import EvaluatedBasket

GOLDEN = ROOT / "tests/golden/example_sale.json"
SUMS = (
    "base_price",
    "sub_total",
    "total",
    "vat_amount",
    "sales_tax_amount",
    "total_tax_amount",
    "total_discounts",
    "margin",
    "margin_total",
)


def sample_sale(target: str, key: str = "") -> EvaluatedBasket:
    """Return what a server makes of the sample basket."""
    metadata = (("authorization", f"Bearer {key}"),) if key else ()
    basket = evaluate.basket_of(exact(BASKET.read_bytes()))
    with grpc.insecure_channel(target) as channel:
        response = BasketServiceStub(channel).EvaluateBasket(
            EvaluateBasketRequest(basket=basket), timeout=SECONDS_MAX, metadata=metadata
        )
    return response.evaluated_basket


def micros(number: Decimal) -> int:
    return int(number * 1_000_000)


def test_serve_when_sample_basket_is_sent_then_every_number_of_the_reference() -> None:
    golden = exact(GOLDEN.read_bytes())

    with serving("serve", "--demo") as server:
        answer = sample_sale(server.target)

    expected = {name: micros(golden["summary"][name]) for name in SUMS}
    assert expected == {name: getattr(answer, f"{name}_micros") for name in SUMS}
    names = ("retail_price", "sub_total", "base_price", "vat_amount", "total")
    for line, of_golden in zip(answer.line_items, golden["summary"]["line_items"], strict=True):
        assert of_golden["line_item_id"] == line.line_item_id
        expected = {name: micros(of_golden[name]) for name in names}
        assert expected == {name: getattr(line, f"{name}_micros") for name in names}
    payment = {name: micros(amount) for name, amount in golden["payment"].items()}
    assert payment == {name: getattr(answer.payment, f"{name}_micros") for name in payment}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_when_asked_to_stop_then_status_0(number: int) -> None:
    with serving("serve", "--demo") as server:
        status = server.stop(number)
        log = [json.loads(line) for line in server.log]

    assert 0 == status
    assert ["draining", "stopped"] == [line["event"] for line in log]


def test_serve_when_killed_then_starts_again_at_the_same_address() -> None:
    with serving("serve", "--demo") as server:
        before = sample_sale(server.target)
        assert -signal.SIGKILL == server.stop(signal.SIGKILL)

    with serving("serve", "--demo", listen=server.target) as again:
        after = sample_sale(again.target)

    assert before == after


def test_serve_when_address_is_taken_then_says_so() -> None:
    with serving("serve", "--demo") as server:
        result = tillcore("serve", "--demo", "--listen", server.target)

    assert 1 == result.returncode
    assert server.target in result.stderr.decode()
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize("place", ["catalog", "context.json"])
def test_engine_when_a_catalogue_is_named_then_serves_its_market(place: str) -> None:
    with serving("engine", "--catalog", EXAMPLES / place) as server:
        answer = sample_sale(server.target)

    assert 3_810_050_000 == answer.total_micros


@pytest.mark.parametrize("place", ["catalog", "context.json"])
def test_serve_when_a_catalogue_is_named_then_serves_its_market_to_the_keys_of_its_account(
    place: str, tmp_path: Path
) -> None:
    key, other = (new_key(account, "read", tmp_path) for account in ("demo", "other"))
    with serving("serve", "--data", tmp_path, "--catalog", EXAMPLES / place) as server:
        answer = sample_sale(server.target, key)
        with pytest.raises(grpc.RpcError) as refused:
            sample_sale(server.target, other)

    assert 3_810_050_000 == answer.total_micros
    assert grpc.StatusCode.INVALID_ARGUMENT == refused.value.code()


def test_serve_when_not_a_demo_then_nothing_without_a_key() -> None:
    with (
        serving("serve", "--catalog", EXAMPLES / "catalog") as server,
        pytest.raises(grpc.RpcError) as refused,
    ):
        sample_sale(server.target)

    assert grpc.StatusCode.UNAUTHENTICATED == refused.value.code()


def new_key(account: str, scope: str, data: Path) -> str:
    """Return a key of an account that is made with it."""
    assert 0 == tillcore("account", "create", account, "--data", data).returncode
    made = tillcore("apikey", "create", "--account", account, "--scopes", scope, "--data", data)
    assert b"" == made.stderr
    return made.stdout.decode().strip()


def test_serve_when_catalogue_is_bad_then_names_the_field(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "catalog", tmp_path / "dk")
    market = tmp_path / "dk" / "market.json"
    market.write_text(market.read_text().replace("0.25", "1e9"))

    result = tillcore("serve", "--catalog", tmp_path)

    assert 1 == result.returncode
    assert f"{tmp_path / 'dk'}: market.default_taxes[0].rate: expected" in result.stderr.decode()
    assert b"Traceback" not in result.stderr


def test_client_when_basket_is_good_then_prints_the_summary() -> None:
    with serving("serve", "--demo") as server:
        result = client(server.target)

    assert (0, "") == (result.returncode, result.stderr)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["total", "3810.05", "DKK"] in lines
    assert ["base_price", "3048.04"] in lines
    assert ["Moms", "25", "%", "762.01"] in lines


def test_client_when_basket_is_bad_then_prints_the_fields(tmp_path: Path) -> None:
    basket = tmp_path / "basket.json"
    basket.write_text('{"line_items": [{"id": "asteroidz"}]}')

    with serving("serve", "--demo") as server:
        result = client(server.target, basket)

    assert (1, "") == (result.returncode, result.stdout)
    assert "error: INVALID_ARGUMENT" in result.stderr
    assert "basket.line_items[0].id: expected" in result.stderr


def client(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the example client."""
    return subprocess.run(
        [sys.executable, "-m", "clients.examples.evaluate", *map(str, arguments)],
        capture_output=True,
        cwd=ROOT,
        env=environment(),
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def test_sample_catalogue_when_compared_then_says_the_same_as_the_context() -> None:
    context = exact(CONTEXT.read_bytes())
    files = {
        "market": "market.json",
        "products": "products.json",
        "campaigns": "discount_campaigns.json",
        "purchase_types": "purchase_types.json",
    }

    for member, name in files.items():
        body = exact((EXAMPLES / "catalog" / name).read_bytes())
        assert {member: context[member]} == (body if member in body else {member: body})
