"""Export thousands of elements to endpoints that fail in every way: none is lost.

`TILLCORE_EXPORT_DELIVERIES=500000 TILLCORE_EXPORT_SEED=7` asks for more and for others.
"""

import os

from server.storage import Store, StoreSettings
from tests.support.export_faults import run

DELIVERIES = int(os.environ.get("TILLCORE_EXPORT_DELIVERIES", "20000"))
SEED = int(os.environ.get("TILLCORE_EXPORT_SEED", "1"))


async def test_exports_when_a_third_of_the_answers_are_faults_then_each_is_accounted_for(
    store: Store, store_settings: StoreSettings
) -> None:
    # Against PostgreSQL a tenth: the dispatcher is the same.
    count = DELIVERIES // 10 if store_settings.url else DELIVERIES

    found = await run(store, delivery_count=count, seed=SEED)

    assert {"delivered", "failed"} == set(found.states)
    assert found.entry_count == sum(found.states.values())
