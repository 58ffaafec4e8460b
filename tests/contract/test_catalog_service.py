"""Hold CatalogService to its promises on both databases: imports, deletions, look-ups, lists.

Every method is called under its name: ImportProducts, DeleteProducts, GetProduct, ListProducts,
ImportCampaigns, DeleteCampaigns, GetCampaign, ListCampaigns,
ImportProductRules, DeleteProductRules, GetProductRule, ListProductRules, ImportExpenses,
DeleteExpenses, GetExpense, ListExpenses, ImportProductGroups, DeleteProductGroups, GetProductGroup,
ListProductGroups, ImportTags, DeleteTags, GetTag, ListTags, ImportAttributes, DeleteAttributes,
GetAttribute, ListAttributes, ImportCustomers, DeleteCustomers, GetCustomer, ListCustomers,
ImportCatalogItems, DeleteCatalogItems, GetCatalogItem, ListCatalogItems.
"""

import json
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import grpc.aio
import pytest

from server.auth import Scope
from server.storage import Store
from server.storage.export_tables import export_entry
from server.storage.exports import ExportKind
from tests.support.catalog_calls import (
    MARKET,
    PRODUCTS,
    SHOP,
    SORTS,
    UNIT,
    Sort,
    import_products,
    make_market,
    product,
    products_request,
)
from tests.support.export_queues import insert_queue
from tests.support.server import OURS, Served, running_server
from tests.support.statuses import status_of, violations
from tillcore.v1 import (
    admin_market_pb2,
    admin_shop_pb2,
    catalog_entry_pb2,
    catalog_item_pb2,
    catalog_product_pb2,
    product_pb2,
)

every_sort = pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.name)


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    async with running_server(store) as running:
        await make_market(running.owner, MARKET, SHOP)
        yield running


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, list[str]]:
    """Return the code and the bad fields of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    code = refused.value.code()
    is_bad = code is grpc.StatusCode.INVALID_ARGUMENT
    return code, [field for field, _ in violations(status_of(refused.value))] if is_bad else []


def counts(result: Any) -> tuple[int, int, int, int]:
    """Return how many were created, updated, unchanged and refused."""
    return (
        result.created_count,
        result.updated_count,
        result.unchanged_count,
        result.failed_count,
    )


# --- every kind ------------------------------------------------------------------------------


@every_sort
async def test_import_when_new_changed_and_same_then_counted_and_looked_up(
    served: Served, sort: Sort
) -> None:
    owner = served.owner
    first = await sort.import_(owner, sort.body("a"))
    same = await sort.import_(owner, sort.body("a"))
    before = await sort.get(owner, "a")
    second = await sort.import_(owner, sort.changed("a"))
    after = await sort.get(owner, "a")

    assert [(2, 0, 0, 0), (0, 0, 2, 0), (0, 1, 0, 0)] == list(map(counts, (first, same, second)))
    assert "a" == before.id == after.id
    assert before.document_json != after.document_json
    assert before.revision + 1 == after.revision
    assert served.clock.now_ns == after.update_time.ToNanoseconds()


@every_sort
async def test_import_when_one_is_bad_then_it_spoils_no_other(served: Served, sort: Sort) -> None:
    body, path = sort.bad

    refused = await sort.import_(served.owner, body)
    stored = await sort.import_(served.owner, sort.body("a"))
    listed, _ = await sort.list(served.owner)

    assert (0, 0, 0, 1) == counts(refused)
    (failure,) = refused.failures
    assert (0, "x", [path]) == (
        failure.index,
        failure.id,
        [field for field, _ in violations(failure.status)],
    )
    assert (2, 0, 0, 0) == counts(stored)
    assert {"a", "other"} == {entry.id for entry in listed}


@every_sort
async def test_delete_when_there_and_not_there_then_gone_and_counted(
    served: Served, sort: Sort
) -> None:
    await sort.import_(served.owner, sort.body("a"))

    assert 1 == await sort.delete(served.owner, "a", "absent", "a")
    assert 0 == await sort.delete(served.owner, "a")
    code, _ = await refusal(sort.get(served.owner, "a"))
    assert grpc.StatusCode.NOT_FOUND == code
    assert ["other"] == [entry.id for entry in (await sort.list(served.owner))[0]]
    assert (1, 0, 1, 0) == counts(await sort.import_(served.owner, sort.body("a")))


@every_sort
async def test_list_when_paged_then_every_entry_once_in_order(served: Served, sort: Sort) -> None:
    for id_ in ("b", "a", "c"):
        await sort.import_(served.owner, sort.body(id_))
    pages, token = [], ""
    while True:
        page, token = await sort.list(served.owner, page_size=2, page_token=token)
        pages.append([entry.id for entry in page])
        if not token:
            break

    assert [["a", "b"], ["c", "other"]] == pages
    code, fields = await refusal(sort.list(served.owner, page_token="else"))
    assert (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"]) == (code, fields)


@every_sort
async def test_import_when_not_json_then_refused_as_a_whole(served: Served, sort: Sort) -> None:
    request = sort.request("Import", documents_json=b"[{")
    is_stream = sort.noun == "product"
    call = import_products(served.owner, request) if is_stream else served.owner.call(request)

    code, fields = await refusal(call)

    path = "requests[0].documents_json" if is_stream else "documents_json"
    assert (grpc.StatusCode.INVALID_ARGUMENT, [path]) == (code, fields)


@every_sort
async def test_request_when_ids_are_missing_then_named(served: Served, sort: Sort) -> None:
    for call, field in (
        (sort.delete(served.owner), "ids"),
        (sort.get(served.owner, ""), f"{sort.noun}_id"),
    ):
        assert (grpc.StatusCode.INVALID_ARGUMENT, [field]) == await refusal(call)


@every_sort
async def test_scope_when_only_reading_then_no_writing(served: Served, sort: Sort) -> None:
    reader = await served.caller(Scope.READ)
    importer = await served.caller(Scope.IMPORT)
    await sort.import_(importer, sort.body("a"))

    assert "a" == (await sort.get(reader, "a")).id
    for call in (sort.import_(reader, sort.body("a")), sort.delete(reader, "a")):
        assert grpc.StatusCode.PERMISSION_DENIED == (await refusal(call))[0]


# --- markets and shops -----------------------------------------------------------------------


@pytest.mark.parametrize("sort", [each for each in SORTS if each.by_market], ids=lambda s: s.name)
async def test_import_when_market_is_unknown_then_refused(served: Served, sort: Sort) -> None:
    code, fields = await refusal(
        sort.import_(served.owner, sort.body("a"), market_ids=[MARKET, "x"])
    )

    assert grpc.StatusCode.INVALID_ARGUMENT == code
    assert ["market_ids[1]"] == [field.removeprefix("requests[0].") for field in fields]
    assert ([], "") == await sort.list(served.owner)


async def test_import_when_no_market_is_named_then_dk(served: Served) -> None:
    request = catalog_product_pb2.ImportProductsRequest(documents_json=b'{"products":[]}')
    code, _ = await refusal(import_products(served.owner, request))
    await make_market(served.owner, "dk")
    await import_products(served.owner, products_request(product("a"), market_ids=[]))

    assert grpc.StatusCode.INVALID_ARGUMENT == code
    assert "dk" == (await PRODUCTS.get(served.owner, "a", market_id="")).market_id


async def test_import_when_body_names_markets_and_shops_then_they_win(served: Served) -> None:
    await make_market(served.owner, "dk", "north")
    body = {
        "product": product("a"),
        "shops": {"north": True},
        "metadata": {"markets": {"dk": True}, "channels": {"pos": True}},
    }
    await PRODUCTS.import_(served.owner, body, market_ids=[MARKET], shop_ids=[SHOP])

    entry = await PRODUCTS.get(served.owner, "a", market_id="dk", shop_id="north")
    assert ("dk", "north") == (entry.market_id, entry.shop_id)
    assert ([], "") == await PRODUCTS.list(served.owner)


async def test_import_when_bad_in_one_market_then_in_none(served: Served) -> None:
    await make_market(served.owner, "se")
    taxed = product("a", taxes={"se": [{"name": "Moms", "rate": 99, "type": "vat"}]})

    result = await import_products(served.owner, products_request(taxed, market_ids=[MARKET, "se"]))

    assert (0, 0, 0, 1) == counts(result)
    assert ([], "") == await PRODUCTS.list(served.owner)


async def test_import_when_for_shops_then_copies_of_their_own_until_deleted(
    served: Served,
) -> None:
    owner = served.owner
    await import_products(owner, products_request(product("a", 25)))
    partial = {"mode": catalog_entry_pb2.IMPORT_MODE_PARTIAL, "shop_ids": [SHOP]}
    await import_products(owner, products_request({"id": "a", "retail_price": 20}, **partial))
    own = await PRODUCTS.get(owner, "a", shop_id=SHOP)
    common = await PRODUCTS.get(owner, "a")
    (listed,), _ = await PRODUCTS.list(owner, shop_id=SHOP)
    deleted = await PRODUCTS.delete(owner, "a", shop_ids=[SHOP])
    code, _ = await refusal(PRODUCTS.get(owner, "a", shop_id=SHOP))

    assert (20 * UNIT, 25 * UNIT) == (
        own.product.retail_price.amount_micros,
        common.product.retail_price.amount_micros,
    )
    assert "Product a" == own.product.name.text
    assert own == listed
    assert 1 == deleted
    assert grpc.StatusCode.NOT_FOUND == code
    assert "a" == (await PRODUCTS.get(owner, "a")).id


async def test_delete_when_no_shop_is_named_then_every_copy(served: Served) -> None:
    await import_products(served.owner, products_request(product("a")))
    await import_products(served.owner, products_request(product("a"), shop_ids=[SHOP]))

    assert 1 == await PRODUCTS.delete(served.owner, "a")
    assert ([], "") == await PRODUCTS.list(served.owner)
    assert ([], "") == await PRODUCTS.list(served.owner, shop_id=SHOP)


async def test_import_when_shop_is_of_another_market_then_refused(served: Served) -> None:
    await make_market(served.owner, "se", "north")

    code, fields = await refusal(
        import_products(served.owner, products_request(product("a"), shop_ids=[SHOP, "north"]))
    )

    assert (grpc.StatusCode.INVALID_ARGUMENT, ["requests[0].shop_ids[1]"]) == (code, fields)


async def test_market_when_it_has_a_catalogue_then_stays_until_that_is_deleted(
    served: Served,
) -> None:
    owner = served.owner
    await import_products(owner, products_request(product("a"), shop_ids=[SHOP]))
    shop = admin_shop_pb2.DeleteShopRequest(shop_id=SHOP)
    code, _ = await refusal(owner.call(shop))
    await PRODUCTS.delete(owner, "a")
    await import_products(owner, products_request(product("a")))
    await owner.call(shop)
    market = admin_market_pb2.DeleteMarketRequest(market_id=MARKET)
    still, _ = await refusal(owner.call(market))
    await PRODUCTS.delete(owner, "a")
    await owner.call(market)

    assert grpc.StatusCode.FAILED_PRECONDITION == code == still


# --- products --------------------------------------------------------------------------------


async def test_import_when_partial_or_ignoring_then_merged(served: Served) -> None:
    owner = served.owner
    await import_products(owner, products_request(product("a", 25, x={"y": [1]}, barcode="1")))
    partial = catalog_entry_pb2.IMPORT_MODE_PARTIAL
    await import_products(owner, products_request({"id": "a", "cost_price": 10.10}, mode=partial))
    ignoring = {"mode": catalog_entry_pb2.IMPORT_MODE_IGNORE, "ignored_keys": ["retail_price"]}
    merged = json.loads((await PRODUCTS.get(owner, "a")).document_json)
    await import_products(owner, products_request(product("a", 99), **ignoring))
    kept = json.loads((await PRODUCTS.get(owner, "a")).document_json)

    assert product("a", 25, x={"y": [1]}, barcode="1", cost_price=10.1) == merged
    assert product("a", 25) == kept


async def test_import_when_only_the_order_of_members_differs_then_no_revision(
    served: Served,
) -> None:
    members = product("a", 25, barcode="1", x={"k": 1, "l": 2})
    members_reversed = {**dict(reversed(members.items())), "x": {"l": 2, "k": 1}}
    await import_products(served.owner, products_request(members))
    before = await PRODUCTS.get(served.owner, "a")
    result = await import_products(served.owner, products_request(members_reversed))

    assert (0, 0, 1, 0) == counts(result)
    assert before == await PRODUCTS.get(served.owner, "a")


async def test_import_when_messages_then_as_their_json(served: Served) -> None:
    typed = product_pb2.Product(id="a", tags=["sale"], product_group="food")
    typed.name.text_by_language["da"] = "Brød"
    typed.retail_price.amount_micros = 25_500_000
    bad = product_pb2.Product(id="b")
    request = catalog_product_pb2.ImportProductsRequest(market_ids=[MARKET], products=[bad, typed])

    result = await import_products(served.owner, request)
    entry = await PRODUCTS.get(served.owner, "a")

    assert (1, 0, 0, 1) == counts(result)
    assert [(0, "b")] == [(each.index, each.id) for each in result.failures]
    assert ["name"] == [field for field, _ in violations(result.failures[0].status)]
    assert typed == entry.product
    assert {
        "id": "a",
        "name": {"da": "Brød"},
        "product_group": "food",
        "retail_price": 25.5,
        "tags": {"sale": True},
    } == json.loads(entry.document_json)


async def test_list_when_filtered_then_by_tag_and_group(served: Served) -> None:
    sale: dict[str, Any] = {"tags": {"sale": True}}
    food: dict[str, Any] = {"product_group": "food"}
    every = (
        product("a", **sale),
        product("b", **food),
        product("c", **sale, **food),
        product("d"),
    )
    await import_products(served.owner, products_request(*every))
    await import_products(served.owner, products_request(product("a"), product("d", **sale)))

    async def listed(**fields: str) -> list[str]:
        return [entry.id for entry in (await PRODUCTS.list(served.owner, **fields))[0]]

    assert ["c", "d"] == await listed(tag="sale")
    assert ["b", "c"] == await listed(product_group="food")
    assert ["c"] == await listed(tag="sale", product_group="food")


@pytest.mark.parametrize(
    ("first", "later", "field"),
    [
        ({"mode": 9}, None, "requests[0].mode"),
        ({"mode": 3}, None, "requests[0].ignored_keys"),
        ({"ignored_keys": ["name"]}, None, "requests[0].ignored_keys"),
        ({}, {}, "requests[1].market_ids"),
        ({}, {"market_ids": [], "mode": 2}, "requests[1].mode"),
        ({"products": [product_pb2.Product(id="a")]}, None, "requests[0].products"),
    ],
)
async def test_import_when_stream_states_it_wrongly_then_named(
    served: Served, first: dict[str, Any], later: dict[str, Any] | None, field: str
) -> None:
    requests = [products_request(product("a"), **first)]
    if later is not None:
        requests.append(products_request(product("b"), **later))

    code, fields = await refusal(import_products(served.owner, *requests))

    assert (grpc.StatusCode.INVALID_ARGUMENT, [field]) == (code, fields)


async def test_import_when_stream_is_empty_then_refused(served: Served) -> None:
    assert (grpc.StatusCode.INVALID_ARGUMENT, ["requests"]) == await refusal(
        import_products(served.owner)
    )


async def test_import_when_many_are_bad_then_the_first_are_listed_and_all_counted(
    served: Served,
) -> None:
    bad = [{"id": f"p{number}"} for number in range(150)]

    result = await import_products(
        served.owner,
        products_request(*bad, "no object"),
        products_request(product("a"), {"id": 1}, market_ids=[]),
    )

    assert (1, 0, 0, 152) == counts(result)
    assert list(range(100)) == [each.index for each in result.failures]


async def test_import_when_one_id_twice_then_the_later_upon_the_earlier(served: Served) -> None:
    partial = catalog_entry_pb2.IMPORT_MODE_PARTIAL

    result = await import_products(
        served.owner,
        products_request(product("a"), {"id": "a", "retail_price": 30}, mode=partial),
    )

    assert (1, 1, 0, 0) == counts(result)
    stored = json.loads((await PRODUCTS.get(served.owner, "a")).document_json)
    assert product("a", 30) == stored


async def test_products_when_edited_then_exported_in_the_same_transaction(
    served: Served,
) -> None:
    await served.store.write(
        lambda connection: insert_queue(
            connection, account_id=OURS, queue_id="q", kind=ExportKind.PRODUCT_EDIT
        )
    )
    await import_products(served.owner, products_request(product("a")))
    await import_products(served.owner, products_request(product("a")))
    await import_products(served.owner, products_request(product("a", 30)))
    await PRODUCTS.delete(served.owner, "a")

    statement = export_entry.select().order_by(export_entry.c.entry_number)
    rows = await served.store.read(lambda c: c.execute(statement).mappings().all())
    events = [json.loads(row["payload"]) for row in rows]
    assert [
        {"event": "create", "id": "a", "product": product("a")},
        {"event": "update", "id": "a", "product": product("a", 30)},
        {"event": "delete", "id": "a"},
    ] == events
    assert 3 == len({row["element_key"] for row in rows})


# --- items -----------------------------------------------------------------------------------


async def test_folders_when_imported_then_the_whole_hierarchy_is_replaced(
    served: Served,
) -> None:
    folders = catalog_item_pb2.CATALOG_ITEM_KIND_FOLDER
    sort = Sort("catalog_item", "catalog_items", str, str, ([], ""), {"kind": folders})
    inside = [{"filter": {"tag": "a"}, "children": [{"filter": {"tag": "b"}}]}]
    first = await sort.import_(served.owner, inside)
    second = await sort.import_(served.owner, [{"filter": {"tag": "c"}}])
    bad = await sort.import_(served.owner, [{"filter": {}, "children": [1]}])
    entry = await sort.get(served.owner, "folders")

    assert [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 1)] == list(map(counts, (first, second, bad)))
    assert [{"filter": {"tag": "c"}}] == json.loads(entry.document_json)["folders"]


async def test_items_when_no_kind_is_named_then_lists_all_and_takes_none(served: Served) -> None:
    for sort in SORTS:
        if sort.noun == "catalog_item":
            await sort.import_(served.owner, sort.body("a"))
    every = Sort("catalog_item", "catalog_items", str, str, ([], ""))
    first, token = await every.list(served.owner, page_size=7)
    rest, _ = await every.list(served.owner, page_size=7, page_token=token)

    assert ["a", "other"] * 5 == [entry.id for entry in (*first, *rest)]
    assert (grpc.StatusCode.INVALID_ARGUMENT, ["kind"]) == await refusal(
        every.delete(served.owner, "a")
    )


async def test_recommendations_when_of_another_parent_then_apart(served: Served) -> None:
    sort = next(each for each in SORTS if "parent_id" in each.fields)
    await sort.import_(served.owner, sort.body("a"))

    code, _ = await refusal(sort.get(served.owner, "a", parent_id="elsewhere"))
    without = await refusal(sort.get(served.owner, "a", parent_id=""))

    assert grpc.StatusCode.NOT_FOUND == code
    assert (grpc.StatusCode.INVALID_ARGUMENT, ["parent_id"]) == without
