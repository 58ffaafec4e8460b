"""A process that sells until it is killed: one line for each checkout that was acknowledged.

    python -m tests.support.checkout_child DIRECTORY FIRST COUNT [together]

Every fourth checkout takes goods of the one before it back. Several tasks complete them one by one,
or they are completed together, a batch after the other.
"""

import asyncio
import itertools
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine.model import Basket, BasketLine, Payment
from engine.records.sales import read_checkout
from engine.strict_json import decode
from server.checkouts.completion import (
    Completion,
    Recorded,
    Wanted,
    WantedLine,
    WantedReturn,
)
from server.checkouts.desk import CheckoutDesk
from server.checkouts.line import CheckoutLine
from server.journal_key import open_journal_key
from server.storage import Store, StoreSettings, open_store
from server.storage.checkouts import find_checkout
from tests.support.checkouts import NOW_NS, OTHER_TILL, OURS, TILL, UNIT, FixedPlans
from tests.support.core_server import danish_shop

TASKS = 8
BATCH = 8
TOGETHER = "together"
KEY_FILE = "journal-key.pem"


def checkout_id(number: int) -> str:
    """Return the id of a checkout."""
    return f"crash-{number:03}"


def is_return(number: int) -> bool:
    """Return whether a checkout takes goods of the one before it back."""
    return number % 4 == 3


async def completion(store: Store, number: int) -> Completion | None:
    """Return a checkout, None for a return of what is not sold yet."""
    basket = Basket(
        line_items=(BasketLine(id="lamp", quantity_micros=2 * UNIT),),
        payments=(Payment(payment_type="card.external", amount_micros=3590 * UNIT),),
    )
    wanted = Wanted(basket=basket)
    if is_return(number):
        row = await store.read(
            lambda c: find_checkout(c, account_id=OURS, checkout_id=checkout_id(number - 1))
        )
        if row is None:
            return None
        (sold,) = read_checkout(decode(row["document"])).sales
        paid_back = Payment(payment_type="card.external", amount_micros=-1795 * UNIT)
        wanted = Wanted(
            basket=Basket(payments=(paid_back,)),
            returns=(
                WantedReturn(
                    sale_id=sold.identifier,
                    lines=(WantedLine(line_item_id="1", quantity_micros=UNIT),),
                ),
            ),
        )
    return Completion(
        checkout_id=checkout_id(number),
        content_hash=bytes([number % 251]) * 32,
        register_id=(TILL, OTHER_TILL)[number % 2],
        cashier_id="usc",
        wanted=wanted,
        received_ns=NOW_NS + number,
        completed_ns=NOW_NS + number,
    )


async def sell(desk: CheckoutDesk, store: Store, number: int) -> str | None:
    """Complete a checkout; return its id and the id and numbers of its sale in one line."""
    wanted = await completion(store, number)
    if wanted is None:
        return None
    return line_of(await desk.complete(OURS, wanted))


def line_of(recorded: Recorded) -> str:
    """Return the id of a checkout and the id and the numbers of its sale."""
    made = recorded.checkout
    (of_sale,), numbers = made.sales, recorded.numbers[0]
    own = (made.identifier, of_sale.identifier, of_sale.sequence_number, numbers.account_number)
    return " ".join(map(str, own))


async def sell_together(desk: CheckoutDesk, store: Store, numbers: Iterable[int]) -> list[str]:
    """Complete checkouts in one call; return their lines when all of them are recorded."""
    wanted = [await completion(store, number) for number in numbers]
    line = CheckoutLine(desk, OURS)
    tasks = [line.join(each) for each in wanted if each is not None]
    return list(map(line_of, await asyncio.gather(*tasks)))


def say(line: str) -> None:
    """Acknowledge a checkout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def run(directory: Path, first: int, count: int, *, is_together: bool) -> None:
    """Sell with several tasks at once, or in batches."""
    key = open_journal_key(directory / KEY_FILE)
    waiting = iter(range(first, first + count))
    with ThreadPoolExecutor(2) as executor:
        async with open_store(StoreSettings(directory=directory / "data")) as store:
            desk = CheckoutDesk(store, FixedPlans(danish_shop()), key, executor=executor)

            async def work() -> None:
                for number in waiting:
                    line = await sell(desk, store, number)
                    if line is not None:
                        say(line)

            if not is_together:
                await asyncio.gather(*(work() for _ in range(TASKS)))
            while batch := list(itertools.islice(waiting, BATCH)):
                for line in await sell_together(desk, store, batch):
                    say(line)


if __name__ == "__main__":
    has_word = sys.argv[4:] == [TOGETHER]
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), is_together=has_word))
