"""A process that sells until it is killed: one line for each checkout that was acknowledged.

    python -m tests.support.checkout_child DIRECTORY FIRST COUNT

Every fourth checkout takes goods of the one before it back.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine.model import Basket, BasketLine, Payment
from engine.records.sales import read_checkout
from engine.strict_json import decode
from server.checkouts.completion import Completion, Wanted, WantedLine, WantedReturn
from server.checkouts.desk import CheckoutDesk
from server.journal_key import open_journal_key
from server.storage import Store, StoreSettings, open_store
from server.storage.checkouts import find_checkout
from tests.support.checkouts import NOW_NS, OTHER_TILL, OURS, TILL, UNIT, FixedPlans
from tests.support.core_server import danish_shop

TASKS = 8
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
    recorded = await desk.complete(OURS, wanted)
    (made,) = recorded.checkout.sales
    numbers = recorded.numbers[0]
    return f"{wanted.checkout_id} {made.identifier} {made.sequence_number} {numbers.account_number}"


async def run(directory: Path, first: int, count: int) -> None:
    """Sell with several tasks at once."""
    key = open_journal_key(directory / KEY_FILE)
    waiting = iter(range(first, first + count))
    with ThreadPoolExecutor(2) as executor:
        async with open_store(StoreSettings(directory=directory / "data")) as store:
            desk = CheckoutDesk(store, FixedPlans(danish_shop()), key, executor=executor)

            async def work() -> None:
                for number in waiting:
                    line = await sell(desk, store, number)
                    if line is not None:
                        sys.stdout.write(f"{line}\n")
                        sys.stdout.flush()

            await asyncio.gather(*(work() for _ in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
