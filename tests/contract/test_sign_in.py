"""Hold the gate to its promises: no key, no call; the scopes of the .proto files; revocation."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from engine.rpc.server import CORE_SERVICE_NAMES
from server.auth import Principal, Scope
from server.auth.authenticator import REMEMBERED_SECONDS
from server.auth.keys import new_key
from server.auth.scopes import KEY_SCOPES, required_scopes
from server.rpc import admin_service
from server.storage import Store
from tests.support.core_server import danish_shop, lamps
from tests.support.server import METHODS, OURS, Caller, Served, running_server
from tests.support.statuses import status_of
from tillcore.v1 import (
    admin_account_pb2,
    admin_key_pb2,
    basket_service_pb2,
)

NS = 1_000_000_000
MOUNTED = sorted(
    name
    for name, method in METHODS.items()
    if method.containing_service.full_name in (*CORE_SERVICE_NAMES, admin_service.SERVICE_NAME)
)
EVALUATE = basket_service_pb2.EvaluateBasketRequest(basket=lamps())
GET_ACCOUNT = admin_account_pb2.GetAccountRequest()


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    async with running_server(store, contexts=[danish_shop()]) as running:
        yield running


async def code_of(served: Served, method: str, metadata: Any) -> grpc.StatusCode:
    """Return how an RPC answers an empty message."""
    descriptor = METHODS[method]
    kind = "_".join(
        "stream" if is_stream else "unary"
        for is_stream in (descriptor.client_streaming, descriptor.server_streaming)
    )
    path = f"/{descriptor.containing_service.full_name}/{method}"
    call = getattr(served.channel, kind)(path)
    request: Any = iter([b""]) if descriptor.client_streaming else b""
    try:
        answer = call(request, metadata=metadata)
        if descriptor.server_streaming:
            async for _ in answer:
                break
            answer.cancel()
        else:
            await answer
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_every_rpc_when_no_key_then_unauthenticated(served: Served) -> None:
    codes = {method: await code_of(served, method, None) for method in MOUNTED}

    expected = dict.fromkeys(MOUNTED, grpc.StatusCode.UNAUTHENTICATED)
    # Public: it is refused for its request.
    expected["EnrolDevice"] = grpc.StatusCode.INVALID_ARGUMENT
    assert expected == codes


@pytest.mark.parametrize("scope", KEY_SCOPES)
async def test_every_rpc_when_key_has_one_scope_then_open_as_the_table_says(
    served: Served, scope: Scope
) -> None:
    caller = await served.caller(scope)
    denied = {
        method: await code_of(served, method, caller.metadata) == grpc.StatusCode.PERMISSION_DENIED
        for method in MOUNTED
    }

    table = required_scopes()
    expected = {
        method: scope is not Scope.OWNER and table[method].isdisjoint({scope, Scope.PUBLIC})
        for method in MOUNTED
    }
    assert expected == denied


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer tillcore_nonsense",
        pytest.param(f"Bearer {new_key().text}", id="unknown"),
        pytest.param(f"Bearer {new_key().text[:-1]}", id="cut"),
        pytest.param(f"Bearer {new_key().text} {new_key().text}", id="two"),
    ],
)
async def test_call_when_key_is_none_then_unauthenticated_without_the_key_in_the_answer(
    served: Served, value: str
) -> None:
    get = served.channel.unary_unary("/tillcore.v1.AdminService/GetAccount")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await get(b"", metadata=(("authorization", value),))

    assert grpc.StatusCode.UNAUTHENTICATED == refused.value.code()
    assert "_" not in value or value.rpartition("_")[2] not in str(status_of(refused.value))


async def test_call_when_two_keys_are_sent_then_unauthenticated(served: Served) -> None:
    get = served.channel.unary_unary("/tillcore.v1.AdminService/GetAccount")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await get(b"", metadata=served.owner.metadata * 2)

    assert grpc.StatusCode.UNAUTHENTICATED == refused.value.code()


async def test_key_when_secret_is_of_another_key_then_unauthenticated(served: Served) -> None:
    other = await served.caller(Scope.OWNER)
    key_id, secret = served.owner.key.split("_")[1], other.key.split("_")[2]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.owner._replace(key=f"tillcore_{key_id}_{secret}").call(GET_ACCOUNT)

    assert grpc.StatusCode.UNAUTHENTICATED == refused.value.code()


async def test_key_when_revoked_by_another_server_then_refused_within_30_seconds(
    store: Store,
) -> None:
    async with (
        running_server(store, contexts=[danish_shop()]) as here,
        running_server(store, contexts=[danish_shop()]) as there,
    ):
        caller = await here.caller(Scope.READ)
        key_id = caller.key.split("_")[1]
        await caller.call(GET_ACCOUNT)
        await there.owner.call(admin_key_pb2.RevokeApiKeyRequest(api_key_id=key_id))
        here.clock.now_ns += REMEMBERED_SECONDS * NS
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await caller.call(GET_ACCOUNT)

    assert REMEMBERED_SECONDS <= 30
    assert grpc.StatusCode.UNAUTHENTICATED == refused.value.code()


async def test_key_when_revoked_here_then_refused_at_once(served: Served) -> None:
    caller = await served.caller(Scope.READ)
    await caller.call(GET_ACCOUNT)
    key_id = caller.key.split("_")[1]
    await served.owner.call(admin_key_pb2.RevokeApiKeyRequest(api_key_id=key_id))

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await caller.call(GET_ACCOUNT)

    assert grpc.StatusCode.UNAUTHENTICATED == refused.value.code()


async def test_stream_when_key_is_revoked_then_next_message_ends_it(served: Served) -> None:
    caller = await served.caller(Scope.REGISTER)
    stream = caller.stream("StreamBaskets")
    message = basket_service_pb2.StreamBasketsRequest(basket=lamps())
    await stream.write(message)
    before = await stream.read()
    key_id = caller.key.split("_")[1]
    await served.owner.call(admin_key_pb2.RevokeApiKeyRequest(api_key_id=key_id))
    await stream.write(message)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stream.read()

    assert before.HasField("evaluated_basket")
    assert grpc.StatusCode.UNAUTHENTICATED == refused.value.code()


async def test_call_when_store_does_not_answer_then_unavailable_until_then_remembered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.errors import StoreUnavailable

    async def fail(_: object) -> None:
        raise StoreUnavailable("the database does not answer")

    await served.owner.call(EVALUATE)
    monkeypatch.setattr(served.store, "read", fail)
    remembered = await served.owner.call(EVALUATE)
    served.clock.now_ns += REMEMBERED_SECONDS * NS
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.owner.call(EVALUATE)

    assert remembered.HasField("evaluated_basket")
    assert grpc.StatusCode.UNAVAILABLE == refused.value.code()


async def test_demo_when_no_key_then_everything_but_the_owner_s(store: Store) -> None:
    anybody = Principal(account_id=OURS, scopes=frozenset({Scope.REGISTER, Scope.READ}))
    async with running_server(store, contexts=[danish_shop()], anybody=anybody) as served:
        nobody = Caller(served.channel)
        evaluated = await nobody.call(EVALUATE)
        account = await nobody.call(GET_ACCOUNT)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await nobody.call(admin_key_pb2.ListApiKeysRequest())
        with pytest.raises(grpc.aio.AioRpcError) as wrong:
            await nobody._replace(key=new_key().text).call(EVALUATE)

    assert evaluated.HasField("evaluated_basket")
    assert OURS == account.account.id
    assert grpc.StatusCode.PERMISSION_DENIED == refused.value.code()
    assert grpc.StatusCode.UNAUTHENTICATED == wrong.value.code()
