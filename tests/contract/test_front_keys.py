"""Hold the fast front to the keys: it lets in whom the gate lets in, and nobody longer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
import msgspec
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.model import Product
from server.auth import Principal, Scope
from server.front.door import OpenFront
from server.front.key_ring import SPELLINGS_MAX
from server.storage import StoreSettings, open_store
from tests.support import raw_http2 as raw
from tests.support.core_server import NOW_NS, danish_shop, lamps
from tests.support.front import Echoing, running_front
from tests.support.raw_http2 import connected, message, request_fields
from tests.support.server import OURS, Served, running_server
from tests.support.statuses import status_of
from tests.support.stored_catalogs import import_context
from tillcore.v1 import admin_key_pb2, basket_service_pb2, options_pb2

NS = 1_000_000_000
LAMPS = basket_service_pb2.EvaluateBasketRequest(basket=lamps()).SerializeToString()
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


class Fronted(NamedTuple):
    """A server with a gate, and the front before it, which answers known keys by an echo."""

    served: Served
    front: OpenFront
    channel: Any

    async def evaluate(self, key: str, data: bytes = LAMPS) -> bytes:
        """Call EvaluateBasket at the front."""
        metadata = (("authorization", f"Bearer {key}"),) if key else ()
        answer: bytes = await self.channel.unary_unary(raw.EVALUATE)(data, metadata=metadata)
        return answer

    @property
    def answered_count(self) -> int:
        """How many calls the front has answered by itself."""
        return sum(self.front.front.counts()["handled"][0])


@pytest.fixture
async def fronted(tmp_path: Path) -> AsyncIterator[Fronted]:
    """Yield a front before a server with the Danish shop."""
    async with (
        open_store(StoreSettings(directory=tmp_path)) as store,
        running_server(store, contexts=[danish_shop()]) as served,
        running_front(
            served.calls, served.health, keys=served.authenticator, plans=Echoing()
        ) as front,
        grpc.aio.insecure_channel(front.address) as channel,
    ):
        yield Fronted(served, front, channel)


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    """Return how a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value


async def test_call_when_key_is_good_then_first_goes_to_the_gate_and_others_do_not(
    fronted: Fronted,
) -> None:
    key = (await fronted.served.caller(Scope.REGISTER)).key
    first = await fronted.evaluate(key)
    by_gate = fronted.answered_count
    second = await fronted.evaluate(key)

    answer = basket_service_pb2.EvaluateBasketResponse.FromString(first)
    assert 3_590_000_000 == answer.evaluated_basket.total_micros
    assert (0, 1, LAMPS) == (by_gate, fronted.answered_count, second)


@pytest.mark.parametrize("key", ["", "nonsense", "tillcore_012345678901_" + "0" * 49])
async def test_call_when_key_is_bad_then_refused_as_at_the_other_door(
    fronted: Fronted, key: str
) -> None:
    sent = (("authorization", f"Bearer {key}"),) if key else ()
    metadata = (*sent, ("x-request-id", "till-7"))
    errors = [
        await refusal(channel.unary_unary(raw.EVALUATE)(LAMPS, metadata=metadata))
        for channel in (fronted.served.channel, fronted.channel)
    ]

    assert [UNAUTHENTICATED] * 2 == [each.code() for each in errors]
    assert status_of(errors[0]) == status_of(errors[1])
    assert errors[0].details() == errors[1].details()


async def test_call_when_scope_is_another_then_denied_each_time(fronted: Fronted) -> None:
    key = (await fronted.served.caller(Scope.IMPORT)).key
    errors = [await refusal(fronted.evaluate(key)) for _ in range(2)]

    assert [grpc.StatusCode.PERMISSION_DENIED] * 2 == [each.code() for each in errors]
    assert 0 == fronted.answered_count


async def test_call_when_two_keys_are_sent_then_refused_though_both_are_good(
    fronted: Fronted,
) -> None:
    key = (await fronted.served.caller(Scope.REGISTER)).key
    await fronted.evaluate(key)
    both = (("authorization", f"Bearer {key}"),) * 2
    async with connected(fronted.front.address) as connection:
        answer = await connection.call(1, message(LAMPS), (*request_fields(), *both))

    assert str(UNAUTHENTICATED.value[0]) == answer.status


async def test_call_when_key_was_revoked_then_the_next_one_is_refused(fronted: Fronted) -> None:
    caller = await fronted.served.caller(Scope.REGISTER)
    for _ in range(2):
        await fronted.evaluate(caller.key)
    key_id = caller.key.split("_")[1]
    await fronted.served.owner.call(admin_key_pb2.RevokeApiKeyRequest(api_key_id=key_id))
    error = await refusal(fronted.evaluate(caller.key))

    assert UNAUTHENTICATED == error.code()


async def test_call_when_key_has_expired_then_refused(fronted: Fronted) -> None:
    expires = Timestamp()
    expires.FromNanoseconds(NOW_NS + NS // 4)
    made = await fronted.served.owner.call(
        admin_key_pb2.CreateApiKeyRequest(
            name="short", scopes=[options_pb2.SCOPE_READ], expire_time=expires
        )
    )
    await fronted.evaluate(made.key)
    await fronted.evaluate(made.key)
    fronted.served.clock.now_ns += NS
    # The front measures by its own clock, which nobody can set.
    await asyncio.sleep(0.3)
    error = await refusal(fronted.evaluate(made.key))

    assert UNAUTHENTICATED == error.code()


async def test_stream_when_key_is_revoked_then_ends_before_the_next_answer(
    fronted: Fronted,
) -> None:
    caller = await fronted.served.caller(Scope.REGISTER)
    await fronted.evaluate(caller.key)
    call = fronted.channel.stream_stream(raw.STREAM)(
        metadata=(("authorization", f"Bearer {caller.key}"),)
    )
    await call.write(b"hello")
    first = await call.read()
    key_id = caller.key.split("_")[1]
    await fronted.served.owner.call(admin_key_pb2.RevokeApiKeyRequest(api_key_id=key_id))
    await call.write(b"hello")
    error = await refusal(call.read())

    assert (b"hello", UNAUTHENTICATED) == (first, error.code())


async def test_call_when_everybody_is_let_in_then_answered_without_a_key(tmp_path: Path) -> None:
    anybody = Principal(account_id=OURS, scopes=frozenset({Scope.READ}))
    async with (
        open_store(StoreSettings(directory=tmp_path)) as store,
        running_server(store, anybody=anybody) as served,
        running_front(
            served.calls,
            served.health,
            keys=served.authenticator,
            plans=Echoing(),
            anybody=anybody,
        ) as front,
        grpc.aio.insecure_channel(front.address) as opened,
    ):
        channel: Any = opened
        answer = await channel.unary_unary(raw.EVALUATE)(LAMPS)
        error = await refusal(
            channel.unary_unary(raw.EVALUATE)(LAMPS, metadata=(("authorization", "Bearer x"),))
        )

    assert (LAMPS, UNAUTHENTICATED) == (answer, error.code())


async def test_call_when_handed_over_then_peer_is_the_callers(fronted: Fronted) -> None:
    key = (await fronted.served.caller(Scope.REGISTER)).key
    await fronted.evaluate(key)
    await fronted.served.authenticator.write_uses()
    keys = await fronted.served.owner.call(admin_key_pb2.ListApiKeysRequest())

    used = {each.id: each.last_use_address for each in keys.api_keys}
    assert "127.0.0.1" == used[key.split("_")[1]]


async def test_call_when_catalogue_changes_then_the_next_answer_is_of_the_new_one(
    tmp_path: Path,
) -> None:
    shop = danish_shop()
    cheap = Product(id="lamp", name="Lamp", retail_price_micros=5_000_000)
    async with (
        open_store(StoreSettings(directory=tmp_path)) as store,
        running_server(store, contexts=[shop]) as served,
        running_front(
            served.calls, served.health, keys=served.authenticator, plans=served.plans
        ) as front,
        grpc.aio.insecure_channel(front.address) as channel,
    ):
        fronted = Fronted(served, front, channel)
        key = (await served.caller(Scope.READ)).key
        before = [await fronted.evaluate(key) for _ in range(3)]
        changed = msgspec.structs.replace(shop, products=(cheap,))
        await import_context(store, changed, account_id=OURS, now_ns=served.clock())
        await served.plans.changed(OURS)
        after = await fronted.evaluate(key)
        by_itself = fronted.answered_count

    totals = [
        basket_service_pb2.EvaluateBasketResponse.FromString(each).evaluated_basket.total_micros
        for each in (*before, after)
    ]
    assert [3_590_000_000] * 3 + [10_000_000] == totals
    assert 3 == by_itself


async def test_call_when_key_is_spelt_in_ever_new_ways_then_the_gate_answers(
    fronted: Fronted,
) -> None:
    key = (await fronted.served.caller(Scope.REGISTER)).key
    evaluate = fronted.channel.unary_unary(raw.EVALUATE)
    for spaces in range(SPELLINGS_MAX + 3):
        sent = (("authorization", f"Bearer {' ' * spaces}{key}"),)
        await evaluate(LAMPS, metadata=sent)
        await evaluate(LAMPS, metadata=sent)

    assert SPELLINGS_MAX == fronted.answered_count
