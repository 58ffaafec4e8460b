"""Close a register from a process of its own, which races others or is killed.

`python -m tests.support.close_child SETTINGS.json CLOSE_ID` says that it is ready, waits for a
line, closes the register, and prints `closed NUMBER`, `replayed NUMBER` or `refused CODE`.
"""

import asyncio
import sys
from pathlib import Path

from engine.errors import TillcoreError
from engine.model.register import PaymentCount
from server.registers.closing import close_register
from server.registers.requests import CloseRequest
from server.storage import StoreSettings, open_store
from tests.support.checkouts import NOW_NS, OURS
from tests.support.server import JOURNAL_KEY
from tests.support.store_child import settings_of
from tests.support.tills import TILL, UNIT


def request_of(close_id: str) -> CloseRequest:
    """Return a close with 100 in the drawer."""
    return CloseRequest(
        close_id=close_id,
        content_hash=b"the same",
        register_id=TILL,
        cashier_id="usc",
        counts=(PaymentCount(payment_type_identifier="cash", counted_micros=100 * UNIT),),
        closed_ns=NOW_NS,
        reconciled_ns=NOW_NS,
    )


async def close(settings: StoreSettings, request: CloseRequest) -> None:
    """Close the register as soon as somebody says so."""
    async with open_store(settings) as store:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        try:
            closed = await store.write(
                lambda connection: close_register(
                    connection, account_id=OURS, request=request, key=JOURNAL_KEY
                )
            )
        except TillcoreError as error:
            sys.stdout.write(f"refused {error.code}\n")
            return
        word = "replayed" if closed.replayed else "closed"
        sys.stdout.write(f"{word} {closed.statement.sequence_number}\n")


if __name__ == "__main__":
    asyncio.run(close(settings_of(Path(sys.argv[1]).read_bytes()), request_of(sys.argv[2])))
