"""Kill a process that sells: what was acknowledged is there, whole and once."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from server.checkouts.desk import CheckoutDesk
from server.journal_key import open_journal_key
from server.storage import StoreSettings, open_store
from server.storage.failpoints import POINTS, VARIABLE
from server.storage.sale_tables import returned_line, sale
from server.storage.stock_tables import stock_level
from tests.support.checkout_child import (
    BATCH,
    KEY_FILE,
    TOGETHER,
    checkout_id,
    is_return,
    sell,
    sell_together,
)
from tests.support.checkouts import (
    Clock,
    Desk,
    FixedPlans,
    add_accounts,
    check_books,
)
from tests.support.command_line import ROOT, SECONDS_MAX
from tests.support.core_server import danish_shop

COUNT = 48


async def prepare(directory: Path) -> None:
    """Make the accounts and open their registers."""
    key = open_journal_key(directory / KEY_FILE)
    async with open_store(StoreSettings(directory=directory / "data")) as store:
        await store.write(partial(add_accounts, plans=FixedPlans(danish_shop()), key=key))


def killed_child(directory: Path, failpoint: str, *words: str) -> dict[str, str]:
    """Sell until the failpoint; return what was acknowledged by the id of the checkout."""
    arguments = ("tests.support.checkout_child", str(directory), "0", str(COUNT), *words)
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, VARIABLE: failpoint, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    ) as process:
        output, _ = process.communicate(timeout=SECONDS_MAX)
    assert -signal.SIGKILL == process.returncode
    lines = (line for line in output.splitlines(keepends=True) if line.endswith("\n"))
    return {line.split(maxsplit=1)[0]: line.rstrip("\n") for line in lines}


async def check(directory: Path, acknowledged: dict[str, str]) -> None:
    """Find what was acknowledged, send every checkout again, and count it all."""
    key = open_journal_key(directory / KEY_FILE)
    with ThreadPoolExecutor(2) as executor:
        async with open_store(StoreSettings(directory=directory / "data")) as store:
            books = Desk(store, None, Clock(), key, "")
            await check_books(books)
            stored = {
                row["checkout_id"]: f"{row['checkout_id']} {row['sale_id']} "
                f"{row['sequence_number']} {row['account_number']}"
                for row in await books.rows(sale)
            }
            assert acknowledged.items() <= stored.items()
            desk = CheckoutDesk(store, FixedPlans(danish_shop()), key, executor=executor)
            again = [await sell(desk, store, number) for number in range(COUNT)]
            for number, line in enumerate(again):
                assert stored.get(checkout_id(number), line) == line
            assert COUNT == len(await books.rows(sale))
            returns = sum(map(is_return, range(COUNT)))
            assert returns == len(await books.rows(returned_line))
            (level,) = await books.rows(stock_level)
            assert returns - 2 * (COUNT - returns) == level["quantity_micros"] // 10**6
            await check_books(books)


@pytest.mark.parametrize("point", POINTS)
def test_checkouts_when_killed_at_a_point_then_nothing_is_lost_or_doubled(
    tmp_path: Path, point: str
) -> None:
    asyncio.run(prepare(tmp_path))

    # Killed twice: the second time after a recovery, on top of what the first one left.
    acknowledged = killed_child(tmp_path, f"{point}:2") | killed_child(tmp_path, f"{point}:4")

    assert len(acknowledged) < COUNT
    asyncio.run(check(tmp_path, acknowledged))


@pytest.mark.parametrize("point", ["after_begin", "before_commit", "after_commit"])
def test_batches_when_killed_at_a_point_then_nothing_is_lost_or_doubled(
    tmp_path: Path, point: str
) -> None:
    asyncio.run(prepare(tmp_path))

    acknowledged = killed_child(tmp_path, f"{point}:3", TOGETHER)

    assert len(acknowledged) < COUNT
    # The batch that was cut off is sent again as a whole.
    again = asyncio.run(sent_again(tmp_path, range(2 * BATCH, 3 * BATCH)))
    asyncio.run(check(tmp_path, acknowledged | again))


async def sent_again(directory: Path, numbers: Iterable[int]) -> dict[str, str]:
    """Send a batch; return the lines of its checkouts by their ids."""
    key = open_journal_key(directory / KEY_FILE)
    with ThreadPoolExecutor(2) as executor:
        async with open_store(StoreSettings(directory=directory / "data")) as store:
            desk = CheckoutDesk(store, FixedPlans(danish_shop()), key, executor=executor)
            lines = await sell_together(desk, store, numbers)
    return {line.split(maxsplit=1)[0]: line for line in lines}
