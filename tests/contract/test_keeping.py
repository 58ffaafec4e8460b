"""Forget what was kept long enough: logs of imports, settled payments, ended sessions."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import structlog

from server.auth import Scope
from server.integrations.integration import Action
from server.keeping import Keep, forget, keeping
from server.storage import Store, integration_actions, sessions
from server.storage.integration_actions import ActionName, Attempt, NewAction, Settlement
from server.storage.integration_tables import integration_action
from server.storage.session_tables import back_office_link, back_office_session
from tests.support.catalog_calls import make_market
from tests.support.checkouts import rows_of
from tests.support.imports import Importer, importing
from tests.support.server import OURS, Served, running_server

DAY_NS = 24 * 3_600 * 10**9
KEEP = Keep(import_log_days=3, payment_days=5)


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    """Yield a server on each database."""
    async with running_server(store) as running:
        yield running


async def paid(served: Served, *states: str) -> None:
    """Store a payment of each state, which is its id."""
    for state in states:
        name = ActionName(OURS, Action.PAY.value, state)
        new = NewAction(name, "cards", "gift_card", "till", "DKK", 1, "hash", b"{}")
        attempt = Attempt(state, served.clock(), served.clock())
        await served.store.write(
            partial(integration_actions.begin_action, new=new, attempt=attempt)
        )
        found = Settlement(state)
        settle = partial(
            integration_actions.settle_action,
            name=name,
            attempt=attempt,
            found=found,
            now_ns=attempt.now_ns,
        )
        await served.store.write(settle)


async def kept(served: Served, table: Any) -> list[Any]:
    """Return the rows of the account."""
    return await served.store.read(lambda c: rows_of(c, table=table, account_id=OURS))


async def test_payments_when_settled_long_ago_then_forgotten_and_those_in_doubt_stay(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integration_actions, "PURGED_ROWS_MAX", 2)
    await paid(served, "succeeded", "refused", "unsent", "unknown", "pending")
    served.clock.now_ns += 2 * DAY_NS
    await paid(served, "reversed")

    await forget(served.store, KEEP, now_ns=served.clock() + 4 * DAY_NS)

    left = {row["action_id"] for row in await kept(served, integration_action)}
    assert {"unknown", "pending", "reversed"} == left


async def test_payments_when_not_old_enough_then_all_stay(served: Served) -> None:
    await paid(served, "succeeded", "refused")

    await forget(served.store, KEEP, now_ns=served.clock() + 5 * DAY_NS)

    assert 2 == len(await kept(served, integration_action))


async def test_import_logs_when_old_then_forgotten_and_the_rest_stays(served: Served) -> None:
    await make_market(served.owner)
    async with importing(served) as importer:
        await _imported(importer)
        served.clock.now_ns += 4 * DAY_NS
        await _imported(importer)

        await forget(served.store, KEEP, now_ns=served.clock())

        assert [2] == [run.import_number for run in await importer.runs()]
        assert {2} == {row.import_number for row in await importer.log()}


async def _imported(importer: Importer) -> None:
    await importer.post("tags", [{"tag": "a", "name": "A"}])


async def test_sessions_when_ended_then_forgotten_with_links(served: Served) -> None:
    key = await served.caller(Scope.OWNER)
    del key
    for number in range(2):
        begun = sessions.NewSession(OURS, bytes([number] * 32), None, "owner", "", "")
        now_ns = served.clock() + number * sessions.LIFE_NS // 2
        insert = partial(sessions.insert_session, session=begun, now_ns=now_ns)
        await served.store.write(insert)
    await served.store.write(
        lambda c: sessions.insert_link(
            c, account_id=OURS, link_sha256=b"l" * 32, now_ns=served.clock()
        )
    )

    await forget(served.store, KEEP, now_ns=served.clock() + sessions.LIFE_NS // 2 + 1)

    left = await kept(served, back_office_session)
    assert [bytes([1] * 32)] == [row["session_sha256"] for row in left]
    assert [] == await kept(served, back_office_link)


async def test_keeper_when_it_runs_then_forgets_by_the_clock(served: Served) -> None:
    await paid(served, "succeeded")
    log = structlog.get_logger().bind()

    async with keeping(served.store, KEEP, clock=served.clock, log=log, period_seconds=0.01):
        served.clock.now_ns += 6 * DAY_NS
        async with asyncio.timeout(30):
            while await kept(served, integration_action):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    assert [] == await kept(served, integration_action)
