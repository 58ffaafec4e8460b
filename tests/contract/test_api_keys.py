"""Hold keys and devices to their promises.

CreateApiKey, ListApiKeys, RevokeApiKey, CreateEnrolmentCode, EnrolDevice.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import select

from engine.errors import PermissionDenied, Unauthenticated
from server.auth import Authenticator, Scope
from server.auth.keys import parse_key
from server.auth.principal import Principal
from server.storage import Store, Work
from server.storage.key_tables import api_key, enrolment_code
from tests.support.account_things import BY_NOUN, request
from tests.support.server import OURS, Caller, Served, running_server
from tests.support.statuses import status_of, violations
from tillcore.v1 import admin_account_pb2, admin_key_pb2, options_pb2

NS = 1_000_000_000
GET_ACCOUNT = admin_account_pb2.GetAccountRequest()
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    async with running_server(store) as running:
        for noun, id_ in (("market", "m"), ("shop", "s"), ("register", "till-1")):
            example = BY_NOUN[noun].example(id_)
            await running.owner.call(request(f"Create{noun.capitalize()}", **{noun: example}))
        yield running


async def refusal(call: Any) -> tuple[grpc.StatusCode, Any]:
    """Return the code and the status of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), status_of(refused.value)


def a_key(**fields: Any) -> admin_key_pb2.CreateApiKeyRequest:
    """Return the request for a key that reads."""
    wanted = {"name": "web shop", "scopes": [options_pb2.SCOPE_READ]} | fields
    return admin_key_pb2.CreateApiKeyRequest(**wanted)


async def test_create_api_key_when_done_then_the_key_opens_its_scopes(served: Served) -> None:
    made = await served.owner.call(a_key())
    account = await Caller(served.channel, made.key).call(GET_ACCOUNT)
    code, _ = await refusal(Caller(served.channel, made.key).call(a_key()))

    assert OURS == account.account.id
    assert grpc.StatusCode.PERMISSION_DENIED == code
    assert made.key.split("_")[1] == made.api_key.id
    assert ("web shop", [options_pb2.SCOPE_READ]) == (made.api_key.name, made.api_key.scopes)


async def test_create_api_key_when_stored_then_the_secret_is_nowhere(served: Served) -> None:
    made = await served.owner.call(a_key())
    (row,) = await served.store.read(
        lambda c: c.execute(select(api_key).where(api_key.c.key_id == made.api_key.id)).all()
    )

    secret = made.key.split("_")[2]
    assert secret not in repr(row)
    parsed = parse_key(made.key)
    assert parsed is not None
    assert parsed.secret_sha256 == row.secret_sha256


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ""}, [("name", "REQUIRED")]),
        ({"scopes": []}, [("scopes", "REQUIRED")]),
        (
            {"scopes": [options_pb2.SCOPE_PUBLIC, 99]},
            [("scopes[0]", "UNKNOWN_VALUE"), ("scopes[1]", "UNKNOWN_VALUE")],
        ),
        ({"expire_time": Timestamp(seconds=1)}, [("expire_time", "OUT_OF_BOUNDS")]),
        ({"expire_time": Timestamp(nanos=-1)}, [("expire_time", "BAD_TIME")]),
        ({"name": "x" * 10_001}, [("name", "OUT_OF_BOUNDS")]),
    ],
)
async def test_create_api_key_when_a_field_is_bad_then_named(
    served: Served, fields: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    code, status = await refusal(served.owner.call(a_key(**fields)))

    assert grpc.StatusCode.INVALID_ARGUMENT == code
    assert expected == violations(status)


async def test_api_key_when_its_time_is_over_then_refused(served: Served) -> None:
    expire_time = Timestamp()
    expire_time.FromNanoseconds(served.clock.now_ns + NS)
    made = await served.owner.call(a_key(expire_time=expire_time))
    caller = Caller(served.channel, made.key)
    await caller.call(GET_ACCOUNT)
    served.clock.now_ns += NS
    code, _ = await refusal(caller.call(GET_ACCOUNT))

    assert expire_time == made.api_key.expire_time
    assert UNAUTHENTICATED == code


class LateStore:
    """A store whose first read comes back only when it may."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.has_read = asyncio.Event()
        self.may_return = asyncio.Event()

    async def read(self, work: Work[Any]) -> Any:
        """Read at once, and return later the first time."""
        found = await self._store.read(work)
        if not self.has_read.is_set():
            self.has_read.set()
            await self.may_return.wait()
        return found


async def test_revoke_api_key_when_it_is_just_looked_up_then_what_was_found_is_not_kept(
    served: Served,
) -> None:
    made = await served.owner.call(a_key())
    late = LateStore(served.store)
    authenticator = Authenticator(
        cast("Store", late), clock=served.clock, monotonic_ns=served.clock
    )
    looking = asyncio.create_task(authenticator.principal(made.key, address=""))
    await late.has_read.wait()
    await served.owner.call(admin_key_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.id))
    authenticator.forget(made.api_key.id)
    # Whoever comes now does not wait for the look-up that has read the row of before.
    with pytest.raises(Unauthenticated):
        await authenticator.principal(made.key, address="")
    late.may_return.set()
    await looking

    assert 0 == authenticator.remembered_ns(made.api_key.id)
    with pytest.raises(Unauthenticated):
        await authenticator.principal(made.key, address="")


async def test_revoke_api_key_when_sent_again_then_keeps_its_moment(served: Served) -> None:
    made = await served.owner.call(a_key())
    revoke = admin_key_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.id)
    first = await served.owner.call(revoke)
    served.clock.now_ns += NS
    again = await served.owner.call(revoke)

    assert first.api_key.HasField("revoke_time")
    assert first == again


async def test_list_api_keys_when_used_then_shows_when_and_from_where(served: Served) -> None:
    made = await served.owner.call(a_key())
    served.clock.now_ns += NS
    await Caller(served.channel, made.key).call(GET_ACCOUNT)
    await served.authenticator.write_uses()
    listed = await served.owner.call(admin_key_pb2.ListApiKeysRequest())

    (entry,) = (each for each in listed.api_keys if each.id == made.api_key.id)
    assert served.clock.now_ns == entry.last_use_time.ToNanoseconds()
    assert "127.0.0.1" == entry.last_use_address


async def test_list_api_keys_when_paged_then_all_once(served: Served) -> None:
    made = {(await served.owner.call(a_key())).api_key.id for _ in range(3)}
    seen: list[str] = []
    token = ""
    while token or not seen:
        page = await served.owner.call(
            admin_key_pb2.ListApiKeysRequest(page_size=2, page_token=token)
        )
        seen += [each.id for each in page.api_keys]
        token = page.next_page_token

    assert 4 == len(seen) == len(set(seen))
    assert made < set(seen)


# --- devices ---------------------------------------------------------------------------------


async def new_code(served: Served) -> str:
    """Return a code for the register till-1."""
    made = await served.owner.call(admin_key_pb2.CreateEnrolmentCodeRequest(register_id="till-1"))
    return str(made.code)


def enrol(served: Served, code: str) -> Any:
    """Enrol a device, which has no key yet."""
    return Caller(served.channel).call(admin_key_pb2.EnrolDeviceRequest(code=code, name="iPad"))


@pytest.mark.parametrize("typed", [str, str.lower, lambda code: code.replace("-", " ")])
async def test_enrol_device_when_code_is_good_then_key_for_its_register(
    served: Served, typed: Any
) -> None:
    enrolled = await enrol(served, typed(await new_code(served)))
    account = await Caller(served.channel, enrolled.key).call(GET_ACCOUNT)

    assert (OURS, OURS) == (enrolled.account_id, account.account.id)
    assert "till-1" == enrolled.api_key.register_id
    assert [options_pb2.SCOPE_REGISTER] == enrolled.api_key.scopes


async def test_enrol_device_when_code_was_used_then_refused(served: Served) -> None:
    code = await new_code(served)
    await enrol(served, code)
    again, _ = await refusal(enrol(served, code))

    assert UNAUTHENTICATED == again


async def test_enrol_device_when_ten_minutes_are_over_then_refused(served: Served) -> None:
    code = await new_code(served)
    served.clock.now_ns += 600 * NS
    late, _ = await refusal(enrol(served, code))

    assert UNAUTHENTICATED == late


async def test_enrol_device_when_code_is_unknown_or_absent_then_refused(served: Served) -> None:
    unknown, _ = await refusal(enrol(served, "AAAAA-AAAAA"))
    absent, status = await refusal(enrol(served, ""))

    assert (UNAUTHENTICATED, grpc.StatusCode.INVALID_ARGUMENT) == (unknown, absent)
    assert [("code", "REQUIRED")] == violations(status)


async def test_enrolment_code_when_stored_then_only_its_hash(served: Served) -> None:
    code = await new_code(served)
    (row,) = await served.store.read(lambda c: c.execute(select(enrolment_code)).all())

    assert code not in repr(row)
    assert 32 == len(row.code_sha256)


def test_device_when_it_acts_for_another_register_then_denied() -> None:
    device = Principal(
        account_id=OURS, scopes=frozenset({Scope.REGISTER}), key_id="k", register_id="till-1"
    )
    device.check_register("till-1")

    with pytest.raises(PermissionDenied, match="till-2"):
        device.check_register("till-2")


def test_integration_when_it_acts_for_any_register_then_let_through() -> None:
    Principal(account_id=OURS, scopes=frozenset({Scope.REGISTER})).check_register("till-2")
