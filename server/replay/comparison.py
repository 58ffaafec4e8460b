"""Compare stored baskets with what they come to under a change: choose, read, evaluate, add up."""

from collections.abc import Callable
from contextlib import closing

from sqlalchemy import Connection

from engine.errors import WrongState
from server.replay.change import Change, check_known
from server.replay.history import Catalogue, read_history
from server.replay.kept_columns import KeptColumns
from server.replay.machines import Run
from server.replay.selection import CHUNK_BASKETS, Selection, stored_chunks
from server.replay.tally import Tally
from server.replay.work import new_setup

OnBaskets = Callable[[int], None]
"""Is told how many baskets were done since it was told last."""


def compare(
    connection: Connection,
    selection: Selection,
    change: Change,
    run: Run,
    *,
    kept: KeptColumns | None = None,
    chunk_baskets: int = CHUNK_BASKETS,
    on_baskets: OnBaskets = lambda _: None,
) -> Tally:
    """Return the sums of stored baskets before and after a change.

    Args:
        connection: A snapshot of the store.
        selection: The baskets.
        change: What is changed of the catalogue that each of them met.
        run: Does the work on chunks.
        kept: Where the columns are kept; they are gathered when they are not there.
        chunk_baskets: How many baskets a chunk has.
        on_baskets: Is told of progress.

    Raises:
        InvalidInput: The change leaves out what never was.
        WrongState: The changed catalogue breaks a rule, or what is stored cannot be read.
        StoreUnavailable: The database or the cluster does not answer.
        OSError: The columns cannot be read or written.
    """
    manifest = None if kept is None else kept.find(selection)
    if kept is not None and manifest is not None:
        history, tasks = kept.history(), kept.tasks(manifest)
    else:
        history = read_history(
            connection,
            account_id=selection.account_id,
            market_id=selection.market_id,
            from_ns=selection.from_ns,
        )
        tasks = stored_chunks(connection, selection, chunk_baskets=chunk_baskets)
    check_known(change, Catalogue(history).campaign_ids())
    is_gathering = kept is not None and manifest is None
    if kept is not None and is_gathering:
        kept.begin(history)
    total = Tally()
    setup = new_setup(history, change, is_gathering=is_gathering)
    with closing(run(setup, tasks)) as answers:
        for answer in answers:
            if answer.trouble is not None:
                raise WrongState(f"expected baskets that can be compared, was: {answer.trouble}")
            total.merge(answer.tally)
            if kept is not None and is_gathering:
                kept.add(answer)
            on_baskets(answer.basket_count)
    if kept is not None and is_gathering:
        kept.finish(selection)
    return total
