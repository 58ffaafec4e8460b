"""Import thousands of products in one request: in little memory, in nobody's way, one by one."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

from server.storage import StoreSettings, open_store
from tests.support.catalog_calls import PRODUCTS, make_market, price_of, product
from tests.support.imports import FAILED, SUCCEEDED, Answer, Importer, importing
from tests.support.server import Caller, running_server
from tillcore.v1 import import_log_pb2

COUNT = 3_000
MANY = 10_000
BAD = 6_283
"""Neither in the first transaction nor in the last, and amid others of its own."""

JSON = {"content-type": "application/json"}
DESCRIPTION = "x" * 5_000
PEAK_BYTES_MAX = 8 * 1024 * 1024
"""Two windows of the body take half of it; the whole body is nearly twice as long."""

PART_BYTES = 64 * 1024


async def parts(data: bytes) -> AsyncIterator[bytes]:
    """Yield a body as a client sends it that has it in a file."""
    for start in range(0, len(data), PART_BYTES):
        yield data[start : start + PART_BYTES]


async def product_ids(caller: Caller) -> AsyncIterator[str]:
    """Yield the ids of all products that are kept."""
    token = ""
    while True:
        entries, token = await PRODUCTS.list(caller, page_size=1_000, page_token=token)
        for entry in entries:
            yield entry.id
        if not token:
            return


async def running(importer: Importer, large: "asyncio.Task[Answer]") -> None:
    """Wait until products are being stored, or that has ended."""
    while not large.done():
        (run, *_) = await importer.runs(type="products")
        if run.status == import_log_pb2.IMPORT_STATUS_RUNNING and run.created_count:
            return
        await asyncio.sleep(0.01)


async def test_products_when_thousands_come_at_once_then_memory_is_bounded_and_others_are_served(
    tmp_path: Path,
) -> None:
    every = [product(f"p{index}", index, description=DESCRIPTION) for index in range(COUNT)]
    data = json.dumps({"products": every}).encode()
    del every
    async with (
        open_store(StoreSettings(directory=tmp_path)) as store,
        running_server(store) as served,
    ):
        await make_market(served.owner)
        async with importing(served) as importer:
            await importer.post("products?markets=m", {"products": []})
            tracemalloc.start()
            try:
                large = asyncio.create_task(
                    importer.post("products?markets=m", None, data=parts(data), headers=JSON)
                )
                await running(importer, large)
                await importer.post("tags", [{"tag": "a", "name": "A"}])
                is_large_done = large.done()
                answer = await large
                peak_bytes = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            number = answer.json["import_number"]
            rows = await importer.log(page_size=1_000, import_number=number)
        price_micros = await price_of(served.owner, f"p{COUNT - 1}")
        listed, _ = await PRODUCTS.list(served.owner, page_size=200)

    assert not is_large_done, "a small import does not wait for a large one"
    assert {"created": COUNT} == answer.counts
    assert ((COUNT - 1) * 1_000_000, 200) == (price_micros, len(listed))
    assert (COUNT // 200, COUNT) == (len(rows), sum(len(row.items) for row in rows))
    assert len(data) > 1.8 * PEAK_BYTES_MAX
    assert peak_bytes < PEAK_BYTES_MAX


async def test_products_when_one_among_ten_thousand_is_bad_then_it_is_named_and_the_rest_are_kept(
    tmp_path: Path,
) -> None:
    every = [product(f"p{index}") for index in range(MANY)]
    every[BAD]["variants"] = [{"id": "s", "name": "S"}, {"id": "l", "name": "L", "barcode": 7}]
    data = json.dumps({"products": every}).encode()
    async with (
        open_store(StoreSettings(directory=tmp_path)) as store,
        running_server(store) as served,
    ):
        await make_market(served.owner)
        async with importing(served) as importer:
            answer = await importer.post(
                "products?markets=m&integration=erp", None, data=parts(data), headers=JSON
            )
            (run,) = await importer.runs(integration="erp")
            failed = await importer.log(page_size=1_000, outcome=FAILED)
            stored = await importer.log(page_size=1_000, outcome=SUCCEEDED)
        kept = [each async for each in product_ids(served.owner)]

    (failure,) = answer.json["failures"]
    (row,) = failed
    good = sorted(f"p{index}" for index in range(MANY) if index != BAD)
    assert {"created": MANY - 1, "refused": 1} == answer.counts
    assert (BAD, f"p{BAD}") == (failure["index"], failure["id"])
    assert ["variants[1].barcode"] == [each["field"] for each in failure["fields"]]
    assert (MANY - 1, 1) == (run.created_count, run.refused_count)
    assert ([f"p{BAD}"], ["variants[1].barcode"]) == (
        [each.id for each in row.items],
        [each.field for each in row.problems],
    )
    assert good == sorted(each.id for row in stored for each in row.items)
    assert good == sorted(kept)
