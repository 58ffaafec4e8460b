"""Import and delete everything over HTTP, in every spelling, on both databases."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.storage import Store
from tests.support.catalog_calls import PRODUCTS, SORTS, Sort, campaign, make_market, product
from tests.support.imports import Importer, importing
from tests.support.product_examples import EXAMPLES
from tests.support.server import running_server
from tillcore.v1 import catalog_item_pb2

TYPES = {"campaign": "discount_campaigns"}
DOUBLE_KEY = b'{"products":[{"id":"a","name":"A"},{"id":"b","id":"c"},{"id":"d","name":"D"}]}'


@pytest.fixture
async def importer(store: Store) -> AsyncIterator[Importer]:
    """Yield an integration of an account with the markets m and n, of which m has two shops."""
    async with running_server(store) as served:
        await make_market(served.owner, "m", "s", "t")
        await make_market(served.owner, "n")
        async with importing(served) as running:
            yield running


def type_of(sort: Sort) -> str:
    """Return the last part of the path that imports a kind."""
    if "kind" in sort.fields:
        name = catalog_item_pb2.CatalogItemKind.Name(sort.fields["kind"])
        noun = name.removeprefix("CATALOG_ITEM_KIND_").lower()
        return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return TYPES.get(sort.noun, sort.plural)


def path_of(sort: Sort) -> str:
    """Return the path and the query that import a kind."""
    query = "?markets=m" if sort.by_market else ""
    parent_id = sort.fields.get("parent_id")
    return type_of(sort) + (f"?recommendation_id={parent_id}" if parent_id else query)


async def stored(importer: Importer, id_: str = "a", **fields: Any) -> dict[str, Any]:
    """Return a product as it is kept."""
    entry = await PRODUCTS.get(importer.served.owner, id_, **fields)
    document: dict[str, Any] = json.loads(entry.document_json)
    return document


# --- every kind of the catalogue -------------------------------------------------------------


async def test_kinds_when_imported_again_changed_and_deleted_then_counted_and_kept(
    importer: Importer,
) -> None:
    for sort in SORTS:
        path = path_of(sort)
        answers = [
            await importer.post(path, sort.body("a")),
            await importer.post(path, sort.body("a")),
            await importer.post(path, sort.changed("a")),
        ]
        kept = await sort.get(importer.served.owner, "a")
        answers.append(await importer.delete(path, ["a", "nobody"]))
        left, _ = await sort.list(importer.served.owner)

        fates = [{"created": 2}, {"unchanged": 2}, {"updated": 1}, {"deleted": 1, "unchanged": 1}]
        assert fates == [each.counts for each in answers], sort.name
        assert ("a", ["other"]) == (kept.id, [each.id for each in left]), sort.name


async def test_kinds_when_one_is_bad_then_it_is_named(importer: Importer) -> None:
    for sort in SORTS:
        body, field = sort.bad

        answer = await importer.post(path_of(sort), body)

        (failure,) = answer.json["failures"]
        assert ({"refused": 1}, 0, "x") == (answer.counts, failure["index"], failure["id"])
        assert [field] == [each["field"] for each in failure["fields"]], sort.name


async def test_kinds_when_ids_are_in_the_query_then_deleted(importer: Importer) -> None:
    deleted: list[int] = []
    for sort in (SORTS[0], SORTS[5]):
        path = path_of(sort)
        for query in ("ids=a,nobody", "ids=a&ids=nobody", "id=a"):
            await importer.post(path, sort.body("a"))
            answer = await importer.delete(f"{path}{'&' if '?' in path else '?'}{query}")
            deleted.append(answer.json["deleted"])

    assert [1] * 6 == deleted


async def test_folders_when_imported_and_deleted_then_they_are_one_thing(
    importer: Importer,
) -> None:
    folders = [{"filter": {"tag": "a"}, "children": [{"filter": {"tag": "b"}}]}]

    answers = [
        await importer.post("folders", folders),
        await importer.post("folders", folders),
        await importer.post("folders", []),
        await importer.delete("folders"),
    ]
    refused = await importer.delete("folders", ["folders"])

    fates = [{"created": 1}, {"unchanged": 1}, {"updated": 1}, {"deleted": 1}]
    assert fates == [each.counts for each in answers]
    assert (400, [("", "NOT_ALLOWED")]) == (refused.status, refused.problems)


# --- products --------------------------------------------------------------------------------


async def test_products_when_examples_of_the_reference_then_kept(importer: Importer) -> None:
    for name, example in EXAMPLES.items():
        value = json.loads(example)

        answer = await importer.post("products?markets=m,n", {"products": [value]})

        assert answer.json["refused"] == 0, name
        assert value == await stored(importer, value["id"]), name
        assert value == await stored(importer, value["id"], market_id="n"), name


async def test_products_when_by_id_then_kept_with_their_ids(importer: Importer) -> None:
    body = {"products": {"a": {"name": "A"}, "b": {"name": "B"}}}

    answer = await importer.post("products?markets=m", body)

    assert {"created": 2} == answer.counts
    assert {"id": "b", "name": "B"} == await stored(importer, "b")


async def test_products_when_single_then_kept(importer: Importer) -> None:
    answer = await importer.post("products?markets=m", {"product": product("a")})

    assert ({"created": 1}, "Import of 1 products initiated") == (
        answer.counts,
        answer.json["message"],
    )


async def test_products_when_body_names_markets_then_they_win_over_the_query(
    importer: Importer,
) -> None:
    metadata = {"markets": {"n": True}, "channels": {"pos": True}}

    await importer.post("products?markets=m", {"product": product("a"), "metadata": metadata})

    assert ["a"] == [
        each.id for each in (await PRODUCTS.list(importer.served.owner, market_id="n"))[0]
    ]
    assert ([], "") == await PRODUCTS.list(importer.served.owner)


async def test_products_when_no_market_is_named_then_denmark(importer: Importer) -> None:
    refused = await importer.post("products", {"product": product("a")})
    await make_market(importer.served.owner, "dk")
    taken = await importer.post("products?channels=pos", {"product": product("a")})

    assert [("markets[0]", "UNKNOWN_ID")] == refused.problems
    assert {"created": 1} == taken.counts


async def test_products_when_shops_are_named_then_they_get_and_lose_their_own(
    importer: Importer,
) -> None:
    path = "products?markets=m"
    await importer.post(path, {"products": [product("a")]})
    await importer.post(path, {"products": [product("a", 30)], "shops": {"s": True, "t": True}})
    own = await stored(importer, shop_id="s")

    answer = await importer.delete(path, {"ids": ["a"], "shops": ["s"]})

    assert ({"deleted": 1}, 30) == (answer.counts, own["retail_price"])
    listed = [
        len((await PRODUCTS.list(importer.served.owner, shop_id=shop))[0])
        for shop in ("s", "t", "")
    ]
    assert [0, 1, 1] == listed


async def test_products_when_partial_and_ignoring_then_merged_as_the_reference_says(
    importer: Importer,
) -> None:
    colours = [
        {"id": "grey", "barcode": "A89119", "dimension_values": {"color": "grey"}},
        {"id": "purple", "barcode": "A89113", "dimension_values": {"color": "purple"}},
    ]
    prices = [{"id": "grey", "retail_price": 120, "cost_price": 80}]
    whole = {"id": "a", "name": "Jacket", "variants": colours}
    first = "products?markets=m&ignore=cost_price&ignore=retail_price"

    await importer.post(first, {"products": [whole]})
    await importer.post(
        "products?markets=m&partial=true", {"product": {"id": "a", "variants": prices}}
    )
    merged = await stored(importer)
    again = await importer.post(first, {"products": [{**whole, "variants": colours[:1]}]})

    assert [{**colours[0], **prices[0]}, colours[1]] == merged["variants"]
    assert {"updated": 1} == again.counts
    assert [{**colours[0], **prices[0]}] == (await stored(importer))["variants"]


async def test_products_when_one_is_no_good_json_then_the_others_are_taken(
    importer: Importer,
) -> None:
    answer = await importer.post("products?markets=m", None, data=DOUBLE_KEY)

    (failure,) = answer.json["failures"]
    assert {"created": 2, "refused": 1} == answer.counts
    assert (1, "", [("id", "DUPLICATE")]) == (
        failure["index"],
        failure["id"],
        [(each["field"], each["reason"]) for each in failure["fields"]],
    )


async def test_products_when_the_end_is_malformed_then_nothing_is_kept(importer: Importer) -> None:
    every = json.dumps({"products": [product(str(index)) for index in range(500)]}).encode()

    answer = await importer.post("products?markets=m", None, data=every[:-1])

    assert (400, "MALFORMED") == (answer.status, answer.problems[0][1])
    assert ([], "") == await PRODUCTS.list(importer.served.owner)


async def test_products_when_many_are_bad_then_the_first_hundred_are_named(
    importer: Importer,
) -> None:
    every = [product(str(index), -1 if index % 2 else 1) for index in range(450)]

    answer = await importer.post("products?markets=m", {"products": every})

    assert {"created": 225, "refused": 225} == answer.counts
    assert list(range(1, 200, 2)) == [each["index"] for each in answer.json["failures"]]


BAD_QUERIES = {
    "partail=true": ("partail", "UNKNOWN_FIELD"),
    "partial=yes": ("partial", "UNKNOWN_VALUE"),
    "partial=true&ignore=name": ("ignore", "NOT_ALLOWED"),
    "partial=true&partial=true": ("partial", "DUPLICATE"),
    "markets=m,": ("markets", "OUT_OF_BOUNDS"),
    "markets=m,x": ("markets[1]", "UNKNOWN_ID"),
    "integration=" + "i" * 300: ("integration", "OUT_OF_BOUNDS"),
    "adjustment=true": ("adjustment", "UNKNOWN_FIELD"),
}


async def test_products_when_query_is_bad_then_refused_by_name(importer: Importer) -> None:
    answers = [
        await importer.post(f"products?{query}", {"product": product("a")}) for query in BAD_QUERIES
    ]

    assert {400} == {each.status for each in answers}
    assert [[each] for each in BAD_QUERIES.values()] == [each.problems for each in answers]


BAD_BODIES: list[tuple[str, Any, str]] = [
    ("products?markets=m", {}, "products"),
    ("products?markets=m", {"products": [], "product": {}}, "product"),
    ("products?markets=m", {"products": [], "shops": ["x"]}, "shops[0]"),
    ("products?markets=m", {"products": [], "prodcts": []}, "prodcts"),
    ("tags", {"taggs": []}, "tags"),
    ("recommendations", {"products": []}, "recommendation_id"),
    ("product_assets", [], ""),
    ("stock", {"nowhere": {"a": 1}}, "nowhere"),
    ("stock", {"s": {"a": "many"}}, "s.a"),
    ("incoming_orders", {"orders": []}, "stock_location"),
    ("outgoing_order_state_changes", {}, ""),
]


async def test_bodies_when_bad_then_refused_by_the_field(importer: Importer) -> None:
    for path, body, field in BAD_BODIES:
        answer = await importer.post(path, body)

        assert 400 == answer.status, (path, body)
        assert field in [name for name, _ in answer.problems], (path, body)


BAD_DELETIONS: list[tuple[str, Any]] = [
    ("products?markets=m", None),
    ("products?markets=m", []),
    ("products?markets=m&ids=a", ["b"]),
    ("products?markets=m&ids=a&id=b", None),
    ("tags", {"ids": ["a"], "shops": ["s"]}),
    ("tags", [str(index) for index in range(10_001)]),
]


async def test_deletions_when_bad_then_refused(importer: Importer) -> None:
    answers = [await importer.delete(path, body) for path, body in BAD_DELETIONS]

    assert [400] * len(BAD_DELETIONS) == [each.status for each in answers]


async def test_campaigns_when_imported_for_markets_then_each_has_them(importer: Importer) -> None:
    answer = await importer.post("discount_campaigns?markets=m,n", {"campaigns": [campaign("c")]})

    assert {"created": 1} == answer.counts
    sort = next(each for each in SORTS if each.noun == "campaign")
    for market_id in ("m", "n"):
        assert "c" == (await sort.get(importer.served.owner, "c", market_id=market_id)).id
