"""Print how many stored baskets a second are gathered and replayed, on one core and on several.

`python -m benchmarks.replay [--baskets N] [--lines N] [--processes N]`. Rates of one core are by
the CPU time of this process, those of several by the clock: compare these with each other alone.
The start of processes is left out.
"""

import argparse
import time
from collections.abc import Iterable, Iterator

import msgspec

from benchmarks import workloads
from engine.documents import encode_document
from engine.model import Context
from engine.plan import compile_plan
from server.catalog.documents import product_document
from server.catalog.kinds import PRODUCT
from server.catalog.settings import Settings
from server.replay.change import UNCHANGED, Change
from server.replay.columns import columns_from_bytes, columns_to_bytes
from server.replay.gathering import Gatherer, StoredCheckout, StoredChunk
from server.replay.history import PRESENT, History, Version
from server.replay.machines import Processes
from server.replay.plan_shelf import PlanShelf
from server.replay.replaying import replay
from server.replay.selection import CHUNK_BASKETS
from server.replay.work import Setup, Task, new_setup
from tests.support.core_server import NOW_NS
from tests.support.replays import SHOP, ContextCatalogue, sold

CAMPAIGNS = 5


def stored(context: Context, *, baskets: int, lines: int) -> list[StoredChunk]:
    """Return stored checkouts of the standard baskets, in chunks."""
    plan = compile_plan(context)
    documents: list[StoredCheckout] = []
    for seed in range(baskets):
        basket = workloads.standard_basket(lines, seed)
        basket = msgspec.structs.replace(basket, shop=SHOP, evaluate_time_ns=NOW_NS + seed)
        documents.append(StoredCheckout(sold(basket, plan)))
    starts = range(0, baskets, CHUNK_BASKETS)
    return [StoredChunk(tuple(documents[start : start + CHUNK_BASKETS])) for start in starts]


def history_of(context: Context) -> History:
    """Return a history in which the products of a context have always been so."""
    versions = (
        Version(
            PRODUCT.name, each.id, "", 1, PRESENT, encode_document(product_document(each)).decode()
        )
        for each in context.products
    )
    return History(
        market_id=context.market.id,
        revisions=(1,),
        begins_ns=(0,),
        versions=tuple(versions),
        settings=Settings(market=context.market),
    )


def elapsed_seconds(setup: Setup, chunks: Iterable[bytes], processes: int) -> float:
    """Return how long processes take from the first answer on, in seconds of the clock."""

    def tasks() -> Iterator[Task]:
        for number, data in enumerate(chunks):
            yield Task(number, CHUNK_BASKETS, data, is_columns=True)

    answers = Processes(processes)(setup, tasks())
    for _ in range(processes):
        next(answers)
    start = time.perf_counter()
    for answer in answers:
        assert answer.trouble is None, answer.trouble
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--baskets", type=int, default=4 * CHUNK_BASKETS)
    parser.add_argument("--lines", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    context = workloads.standard_context(CAMPAIGNS)
    catalogue = ContextCatalogue(context)
    chunks = stored(context, baskets=asked.baskets, lines=asked.lines)
    gatherer = Gatherer(catalogue, PlanShelf(catalogue, UNCHANGED))
    gatherer.columns(chunks[0])
    start = time.process_time()
    columns = [columns_to_bytes(gatherer.columns(chunk)) for chunk in chunks]
    gather_seconds = time.process_time() - start

    change = Change(campaigns=workloads.standard_context(CAMPAIGNS).campaigns[:3])
    shelf = PlanShelf(catalogue, change)
    replay(columns_from_bytes(columns[0]), catalogue, shelf)
    start = time.process_time()
    tallies = [replay(columns_from_bytes(data), catalogue, shelf) for data in columns]
    replay_seconds = time.process_time() - start
    assert asked.baskets == sum(tally.replayed_count for tally in tallies)

    count, size = asked.baskets, sum(map(len, columns))
    print(f"{count:,} baskets of {asked.lines} lines, {size / count:.0f} bytes a basket in columns")
    print(f"gather and prove  {count / gather_seconds:>10,.0f} baskets/s of a core")
    print(f"replay columns    {count / replay_seconds:>10,.0f} baskets/s of a core")
    setup = new_setup(history_of(context), change)
    many = columns * asked.processes * max(1, 20_000 // count)
    one = elapsed_seconds(setup, many, 1)
    several = elapsed_seconds(setup, many, asked.processes)
    print(f"{asked.processes} processes       {one / several:>10.2f} times one process")


if __name__ == "__main__":
    main()
