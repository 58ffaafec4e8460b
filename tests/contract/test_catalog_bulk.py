"""Import 20,000 products in one stream, in the memory of a few messages."""

import tracemalloc
from pathlib import Path

from server.storage import StoreSettings, open_store
from tests.support.catalog_calls import (
    PRODUCTS,
    make_market,
    price_of,
    product,
    products_request,
)
from tests.support.server import running_server

COUNT = 20_000
PER_MESSAGE = 500
TRACED = COUNT // 4
DESCRIPTION = "x" * 2_000
FLAT_BYTES = 12 * 1024 * 1024
"""One message in all its forms takes 8 MB; the traced quarter takes 11 MB more if it is kept."""


async def test_import_when_twenty_thousand_are_streamed_then_memory_is_flat(
    tmp_path: Path,
) -> None:
    async with (
        open_store(StoreSettings(directory=tmp_path)) as store,
        running_server(store) as served,
    ):
        await make_market(served.owner)
        call = served.owner.stream("ImportProducts")
        try:
            for first in range(0, COUNT, PER_MESSAGE):
                if first == COUNT - TRACED:
                    tracemalloc.start()
                numbers = range(first, first + PER_MESSAGE)
                every = (
                    product(f"p{number}", number, tags=["all"], description=DESCRIPTION)
                    for number in numbers
                )
                market_ids = [] if first else ["m"]
                await call.write(products_request(*every, market_ids=market_ids))
            await call.done_writing()
            result = (await call).result
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        last = f"p{COUNT - 1}"
        listed, _ = await PRODUCTS.list(served.owner, tag="all", page_size=100)
        price_micros = await price_of(served.owner, last)

    assert (COUNT, 0) == (result.created_count, result.failed_count)
    assert 100 == len(listed)
    assert (COUNT - 1) * 1_000_000 == price_micros
    assert peak_bytes < FLAT_BYTES
