"""Hold IntegrationService to its promises about integrations and the log on both databases.

The methods are called under their names: CreateIntegration, GetIntegration, ListIntegrations,
UpdateIntegration, DeleteIntegration, ListIntegrationCalls, ListIntegrationPayments,
GetRegisterIntegrations.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc
import pytest

from server.auth import Scope
from server.exports.secrets import SecretBox, new_key
from server.integrations.integration import IntegrationKind
from server.integrations.sealing import open_secrets, reseal_integrations
from server.storage import Store
from server.storage.integration_calls import Call, insert_calls, list_calls, purge_calls
from server.storage.integration_tables import integration as integration_table
from server.storage.integrations import find_integration
from tests.support.account_things import request
from tests.support.checkouts import rows_of
from tests.support.integration_fakes import (
    CANARY,
    REGISTER,
    SIGNING_SECRET,
    code_of,
    integration,
    make_register,
    refusal,
    running_shop,
)
from tests.support.server import EXPORT_KEY, OURS, THEIRS, Served, running_server
from tests.support.statuses import problems
from tillcore.v1 import integration_pb2

WRONG = integration(
    name="",
    url="ftp://cards.example",
    headers={"Host": "x", "Idempotency-Key": "x"},
    concurrency=65,
    secrets={"password": CANARY, "signing_secret": CANARY, "header:Host": CANARY},
)
WRONG.timeout.FromSeconds(31)


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    async with running_server(store) as running:
        yield running


async def create(served: Served, message: Any = None) -> Any:
    wanted = integration() if message is None else message
    return await served.owner.call(request("CreateIntegration", integration=wanted))


async def get(served: Served) -> Any:
    answer = await served.owner.call(request("GetIntegration", integration_id="gift_card"))
    return answer.integration


async def test_create_when_little_is_stated_then_the_rest_has_its_defaults(served: Served) -> None:
    made = await create(served)

    expected = integration(concurrency=16, revision=1)
    expected.timeout.FromSeconds(10)
    expected.create_time.FromNanoseconds(served.clock.now_ns)
    expected.update_time.FromNanoseconds(served.clock.now_ns)
    assert expected == made.integration
    assert expected == await get(served)


async def test_create_when_repeated_then_replayed_and_otherwise_refused(served: Served) -> None:
    sent = integration(secrets={"signing_secret": SIGNING_SECRET})
    first, again = await create(served, sent), await create(served, sent)

    assert (False, True) == (first.replayed, again.replayed)
    assert first.integration == again.integration
    for other in (integration(), integration(name="x", secrets=dict(sent.secrets))):
        assert grpc.StatusCode.ALREADY_EXISTS is await code_of(create(served, other))


async def test_create_when_fields_are_bad_then_each_is_named_without_secrets(
    served: Served,
) -> None:
    error = await refusal(create(served, WRONG))

    assert CANARY not in str(error.debug_error_string()) + str(error.details())
    expected = [
        ("integration.name", "REQUIRED"),
        ("integration.url", "MALFORMED"),
        ("integration.headers.Host", "NOT_ALLOWED"),
        ("integration.headers.Idempotency-Key", "NOT_ALLOWED"),
        ("integration.secrets.password", "UNKNOWN_VALUE"),
        ("integration.secrets.signing_secret", "MALFORMED"),
        ('integration.secrets["header:Host"]', "NOT_ALLOWED"),
        ("integration.timeout", "OUT_OF_BOUNDS"),
        ("integration.concurrency", "OUT_OF_BOUNDS"),
    ]
    assert sorted(expected) == sorted(problems(error))


@pytest.mark.parametrize(
    "message", [integration(id=""), integration_pb2.Integration(id="x"), integration(url="")]
)
async def test_create_when_required_is_absent_then_refused(served: Served, message: Any) -> None:
    assert grpc.StatusCode.INVALID_ARGUMENT is await code_of(create(served, message))
    empty = served.owner.call(request("CreateIntegration"))
    assert grpc.StatusCode.INVALID_ARGUMENT is await code_of(empty)


async def test_secrets_when_stored_then_neither_shown_nor_readable(
    served: Served, store: Store
) -> None:
    await create(served, integration(secrets={"header:X-Key": CANARY, "signing_secret": ""}))

    found = await get(served)
    assert (["header:X-Key"], {}) == (list(found.secret_names), dict(found.secrets))
    rows = await store.read(partial(rows_of, table=integration_table))
    assert CANARY not in str([dict(row) for row in rows])


async def test_update_when_url_is_another_then_secrets_are_dropped(served: Served) -> None:
    await create(served, integration(secrets={"header:X-Key": CANARY}))

    async def update(**fields: Any) -> list[str]:
        answer = await served.owner.call(
            request("UpdateIntegration", integration=integration(**fields))
        )
        return list(answer.integration.secret_names)

    assert ["header:X-Key"] == await update(name="kept")
    assert ["header:X-Key"] == await update(name="kept")
    assert [] == await update(url="http://127.0.0.1:10")
    assert 3 == (await get(served)).revision


async def test_update_when_refused_then_nothing_changes(served: Served) -> None:
    await create(served)
    before = await get(served)

    codes = [
        await code_of(served.owner.call(request("UpdateIntegration", integration=each)))
        for each in (
            integration(revision=7),
            integration(IntegrationKind.VOUCHER, id="gift_card"),
            integration(id="absent"),
            integration(url="http://10.0.0.1/"),
        )
    ]

    assert [
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INVALID_ARGUMENT,
    ] == codes
    assert before == await get(served)


async def test_delete_when_revision_is_right_then_gone(served: Served) -> None:
    await create(served)
    delete = partial(request, "DeleteIntegration", integration_id="gift_card")

    assert grpc.StatusCode.ABORTED is await code_of(served.owner.call(delete(revision=2)))
    await served.owner.call(delete(revision=1))
    assert grpc.StatusCode.NOT_FOUND is await code_of(served.owner.call(delete()))


async def test_list_when_paged_then_every_integration_once(served: Served) -> None:
    for kind in IntegrationKind:
        await create(served, integration(kind))

    ids, token = [], ""
    while True:
        page = await served.owner.call(request("ListIntegrations", page_size=3, page_token=token))
        ids += [each.id for each in page.integrations]
        token = page.next_page_token
        if not token:
            break

    assert sorted(kind.value for kind in IntegrationKind) == ids


async def test_register_when_asked_then_its_own_integrations_the_nearest_first(
    served: Served,
) -> None:
    await make_register(served.owner)
    every: dict[str, dict[str, Any]] = {
        "1-all": {},
        "2-market": {"market_ids": ["m"]},
        "3-shop": {"shop_ids": ["s"]},
        "4-other-shop": {"shop_ids": ["x"]},
        "5-off": {"disabled": True},
    }
    for id_, places in every.items():
        await create(served, integration(id=id_, **places))

    answer = await served.owner.call(request("GetRegisterIntegrations", register_id=REGISTER))

    assert ["3-shop", "2-market", "1-all"] == [each.integration_id for each in answer.integrations]


async def test_management_when_called_then_needs_its_scope(served: Served) -> None:
    for method in ("ListIntegrations", "ListIntegrationCalls", "ListIntegrationPayments"):
        for scope in (Scope.READ, Scope.REGISTER):
            caller = await served.caller(scope)
            assert grpc.StatusCode.PERMISSION_DENIED is await code_of(caller.call(request(method)))
        await (await served.caller(Scope.EXPORT_ADMIN)).call(request(method))


async def test_log_when_tills_have_called_then_newest_first_without_secrets(store: Store) -> None:
    async with running_shop(store, secrets={"header:X-Key": CANARY}) as shop:
        await shop.call("ReadGiftCard", register_id=REGISTER, code="GIFT-500")
        await shop.pay()
        await refusal(shop.pay("p2", 900))
        answer = await shop.served.owner.call(request("ListIntegrationCalls", page_size=2))
        rest = await shop.served.owner.call(
            request("ListIntegrationCalls", page_size=2, page_token=answer.next_page_token)
        )

    every = [*answer.calls, *rest.calls]
    assert [
        ("pay", "pay:p2", integration_pb2.INTEGRATION_OUTCOME_REFUSED, 422),
        ("pay", "pay:p1", integration_pb2.INTEGRATION_OUTCOME_ANSWERED, 200),
        ("read", "", integration_pb2.INTEGRATION_OUTCOME_ANSWERED, 200),
    ] == [(each.action, each.idempotency_key, each.outcome, each.status) for each in every]
    assert "there is 400 left on the card (insufficient_funds)" == every[0].error
    assert CANARY not in str(every)


async def test_log_when_old_then_forgotten(store: Store) -> None:
    def call(account_id: str, ended_ns: int) -> Call:
        return Call(account_id, "i", "read", "", "r", "answered", 200, "", 1, ended_ns)

    async with running_server(store):
        calls = [call(OURS, 1), call(THEIRS, 2), call(OURS, 30)]
        await store.write(partial(insert_calls, calls=calls))
        is_more = await store.write(partial(purge_calls, before_ns=30))
        left = await store.read(
            partial(list_calls, account_id=OURS, integration_id=None, before_number=None, count=9)
        )

    assert (False, [30]) == (is_more, [row["ended_ns"] for row in left])


async def test_secrets_when_keys_rotate_then_sealed_with_the_first(
    served: Served, store: Store
) -> None:
    await create(served, integration(secrets={"header:X-Key": CANARY}))
    key = new_key()
    both, new = SecretBox([key, EXPORT_KEY]), SecretBox([key])

    count = await store.write(partial(reseal_integrations, box=both))

    names: dict[str, Any] = {"account_id": OURS, "integration_id": "gift_card"}
    row = await store.read(partial(find_integration, **names))
    assert row is not None
    assert (1, {"header:X-Key": CANARY}) == (count, open_secrets(new, row["secrets"], **names))
