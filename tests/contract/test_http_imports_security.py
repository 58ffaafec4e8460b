"""Send what is not allowed, too much or hostile to the import endpoints."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.auth import Scope
from server.auth.keys import new_key
from server.http.imports.endpoints import BYTES_MAX, ENDPOINTS, PRODUCTS_BYTES_MAX
from server.storage import StoreSettings, open_store
from tests.support.catalog_calls import make_market, product
from tests.support.imports import Importer, importing
from tests.support.server import OURS, THEIRS, running_server

TAGS = b'[{"tag":"a","name":"A"}]'
JSON = {"content-type": "application/json"}
TYPES = [
    "products",
    "discount_campaigns",
    "stock",
    "incoming_orders",
    "outgoing_order_state_changes",
    "expenses",
    "customers",
    "customer_attributes",
    "attributes",
    "attribute_groups",
    "product_groups",
    "tags",
    "folders",
    "recommendation_categories",
    "recommendations",
    "product_rules",
    "product_assets",
]
"""Design: models, section 4."""


@pytest.fixture
async def importer(tmp_path: Path) -> AsyncIterator[Importer]:
    """Yield an integration of an account with the market m."""
    async with (
        open_store(StoreSettings(directory=tmp_path)) as store,
        running_server(store) as served,
    ):
        await make_market(served.owner)
        async with importing(served) as running:
            yield running


def test_endpoints_when_compared_with_the_design_then_all_are_there() -> None:
    event_like = {"incoming_orders", "outgoing_order_state_changes"}

    assert set(TYPES) == {each.type for each in ENDPOINTS if each.method == "POST"}
    assert set(TYPES) - event_like == {each.type for each in ENDPOINTS if each.method == "DELETE"}


# --- keys ------------------------------------------------------------------------------------


async def test_key_when_bad_absent_or_of_another_account_then_401_in_the_same_words(
    importer: Importer,
) -> None:
    theirs = (await importer.served.caller(Scope.IMPORT, account_id=THEIRS)).key
    tags = {"value": None, "data": TAGS}

    absent = await importer.post("tags", **tags, key="")
    answers = [
        await importer.post("tags", **tags, key=new_key().text),
        await importer.post(f"tags?apikey={new_key().text}", **tags, key=""),
        await importer.post(f"tags?account={THEIRS}", **tags),
        await importer.post("tags?account=nobody", **tags),
        await importer.post(f"tags?account={OURS}&apikey={theirs}", **tags, key=""),
    ]

    assert [401] * 6 == [each.status for each in (absent, *answers)]
    assert 1 == len({each.text for each in answers})
    assert {"Bearer"} == {each.headers["www-authenticate"] for each in answers}
    assert [] == await importer.runs()


@pytest.mark.parametrize("scope", [Scope.READ, Scope.REGISTER, Scope.EXPORT_ADMIN])
async def test_key_when_it_has_another_scope_then_403(importer: Importer, scope: Scope) -> None:
    key = (await importer.served.caller(scope)).key

    answer = await importer.post("tags", None, data=TAGS, key=key)

    assert (403, "PERMISSION_DENIED") == (answer.status, answer.json["error"]["code"])


async def test_key_when_in_the_query_then_in_no_log_and_no_answer_and_not_stored(
    importer: Importer, capsys: pytest.CaptureFixture[str]
) -> None:
    key = importer.caller.key
    paths = [
        f"tags?account={OURS}&apikey={key}",
        f"tags?apikey={key}&apikey={key}",
        f"tags?apikey={key}&api_key={key}",
        f"tags?apikey={key}&{key}=1",
        f"tags?apikey={key}&integration={key}{'x' * 300}",
        f"products?apikey={key}&markets=nowhere",
        f"nothing?apikey={key}",
    ]

    answers = [await importer.post(path, None, data=TAGS, key="") for path in paths]
    got = await importer.send("GET", f"tags?apikey={key}", key="")

    assert [200, 400, 400, 400, 400, 400, 404, 405] == [each.status for each in (*answers, got)]
    assert {"no-store"} == {each.headers["cache-control"] for each in answers[:-1]}
    # The parameter integration alone is repeated nowhere but in what it complains about.
    assert not [each.text for each in (*answers, got) if key in each.text]
    logged = capsys.readouterr()
    assert "/imports/tags" in logged.out
    assert key not in logged.out + logged.err
    assert not [run for run in await importer.runs() if key in str(run)]
    assert not [row for row in await importer.log() if key in str(row)]


# --- methods, types and lengths --------------------------------------------------------------


async def test_method_when_it_is_none_of_the_endpoint_then_405(importer: Importer) -> None:
    answers = [
        (await importer.send(method, path, None, data=b"")).status
        for path in ("tags", "incoming_orders")
        for method in ("GET", "HEAD", "PUT", "PATCH", "OPTIONS")
    ]
    event_like = await importer.delete("incoming_orders?stock_location=s", [])

    assert [405] * 11 == [*answers, event_like.status]


@pytest.mark.parametrize("type_", ["tabs", "Products", "..", "products%00"])
async def test_type_when_unknown_then_404(importer: Importer, type_: str) -> None:
    answer = await importer.post(type_, None, data=TAGS)

    assert answer.status == 404


async def test_content_type_when_it_is_not_json_in_utf_8_then_415(importer: Importer) -> None:
    kinds = [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json; charset=latin-1"},
        {**JSON, "content-encoding": "br"},
        {**JSON, "content-encoding": "gzip, gzip"},
    ]

    answers = [await importer.post("tags", None, data=TAGS, headers=each) for each in kinds]
    taken = await importer.post(
        "tags", None, data=TAGS, headers={"content-type": 'Application/JSON; charset="UTF-8"'}
    )

    assert ([415] * 7, 200) == ([each.status for each in answers], taken.status)
    assert {"no-store"} == {each.headers["cache-control"] for each in answers}


async def test_body_when_longer_than_stated_maximum_then_413(importer: Importer) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(BYTES_MAX // 65_536 + 1):
            yield b" " * 65_536

    unstated = await importer.post("tags", None, data=parts(), headers=JSON)
    bomb = await importer.post(
        "tags",
        None,
        data=gzip.compress(b" " * (BYTES_MAX + 1)),
        headers={**JSON, "content-encoding": "gzip"},
    )
    stated = await importer.post(
        "products",
        None,
        data=b"{}",
        headers={**JSON, "content-length": str(PRODUCTS_BYTES_MAX + 1)},
    )

    assert [413] * 3 == [each.status for each in (unstated, bomb, stated)]


async def test_body_when_it_is_gzip_then_taken(importer: Importer) -> None:
    headers = {**JSON, "content-encoding": "gzip"}

    answer = await importer.post("tags", None, data=gzip.compress(TAGS), headers=headers)
    cut = await importer.post("tags", None, data=gzip.compress(TAGS)[:-4], headers=headers)

    assert ({"created": 1}, 400) == (answer.counts, cut.status)


# --- hostile bodies --------------------------------------------------------------------------

HOSTILE = {
    "nothing": b"",
    "no JSON": b"tags",
    "a NUL character": b"\0",
    "another encoding": '[{"tag":"æ"}]'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf[]",
    "a deep array": b"[" * 100_000,
    "a deep array that closes": b"[" * 100_000 + b"]" * 100_000,
    "a deep object": b'{"products":' * 50_000,
    "an open string": b'["' + b"x" * 3_000_000,
    "escapes without end": b'["' + b"\\" * 3_000_000,
    "a long number": b"[" + b"9" * 3_000_000 + b"]",
    "many brackets": b"{}" * 500_000,
    "not a number": b"[NaN]",
    "very many entries": b"[" + b"1," * 200_000 + b"1]",
}


@pytest.mark.parametrize("path", ["products?markets=m", "tags", "stock"])
async def test_body_when_hostile_then_refused_and_the_server_goes_on(
    importer: Importer, path: str
) -> None:
    for name, data in HOSTILE.items():
        answer = await importer.post(path, None, data=data, headers=JSON)
        is_each_bad = answer.status == 200 and answer.json["refused"] == 1
        assert answer.status == 400 or is_each_bad, name

    taken = await importer.post("tags", None, data=TAGS)
    assert taken.status == 200


async def test_products_when_hostile_then_each_is_refused_by_itself(importer: Importer) -> None:
    every = [
        b'{"id":"a\\u0000","name":"A"}',
        b'{"id":"a","name":"A\\u0000"}',
        b'{"id":"a","name":"A","x\\u0000":1}',
        b'{"id":"a","name":"\\ud800"}',
        b'{"id":"a/b","name":"A"}',
        b'{"id":"a","name":"A","retail_price":1e400}',
        b'{"id":"a","name":"A","retail_price":' + b"9" * 100_000 + b"}",
        b'{"id":"a","name":' + b"[" * 29 + b"]" * 29 + b"}",
        b'{"id":"' + b"x" * 100_000 + b'","name":"A"}',
        b"null",
        b"[]",
    ]
    good = str(product("b")).replace("'", '"').encode()

    answer = await importer.post(
        "products?markets=m", None, data=b'{"products":[' + b",".join([*every, good]) + b"]}"
    )

    assert {"created": 1, "refused": len(every)} == answer.counts
    assert len(answer.text) < 20_000
