"""Hold AdminService to its promises on both databases: what an account consists of, by id.

Every method of every kind is called under its name: CreateMarket, GetMarket, ListMarkets,
UpdateMarket, DeleteMarket, CreateShop, GetShop, ListShops, UpdateShop, DeleteShop, CreateRegister,
GetRegister, ListRegisters, UpdateRegister, DeleteRegister, CreateCashier, GetCashier, ListCashiers,
UpdateCashier, DeleteCashier, CreatePaymentType, GetPaymentType, ListPaymentTypes,
UpdatePaymentType, DeletePaymentType, CreatePurchaseType, GetPurchaseType, ListPurchaseTypes,
UpdatePurchaseType, DeletePurchaseType.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from server.auth import Scope
from server.storage import Store
from tests.support.account_things import BY_NOUN, PARENT_IDS, THINGS, Thing, id_of, request
from tests.support.server import Caller, Served, running_server
from tests.support.statuses import status_of, violations
from tillcore.v1 import admin_account_pb2

HISTORY = ("revision", "create_time", "update_time")
NS = 1_000_000_000


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    async with running_server(store) as running:
        yield running


async def made(caller: Caller, thing: Thing, id_: str) -> Any:
    """Make an example, and before it what it belongs to; return it."""
    for noun in thing.needs:
        await made(caller, BY_NOUN[noun]._replace(needs=()), PARENT_IDS[noun])
    create = request(f"Create{thing.camel}", **{thing.noun: thing.example(id_)})
    return getattr(await caller.call(create), thing.noun)


def bare(message: Any) -> Any:
    """Return a message without what the server states of it."""
    copy = type(message)()
    copy.CopyFrom(message)
    for field in (*HISTORY, "group"):
        if field in copy.DESCRIPTOR.fields_by_name:
            copy.ClearField(field)
    return copy


async def refusal(call: Any) -> tuple[grpc.StatusCode, Any]:
    """Return the code and the status of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), status_of(refused.value)


every_thing = pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.noun)


@every_thing
async def test_create_when_new_then_get_returns_the_same(served: Served, thing: Thing) -> None:
    created = await made(served.owner, thing, "x-1")
    got = await served.owner.call(request(f"Get{thing.camel}", **{f"{thing.noun}_id": "x-1"}))

    assert created == getattr(got, thing.noun)
    assert thing.example("x-1") == bare(created)
    assert 1 == created.revision
    assert served.clock.now_ns == created.create_time.ToNanoseconds()
    assert created.create_time == created.update_time


@every_thing
async def test_create_when_sent_again_then_replayed_and_other_content_refused(
    served: Served, thing: Thing
) -> None:
    created = await made(served.owner, thing, "x-1")
    served.clock.now_ns += NS
    create = request(f"Create{thing.camel}", **{thing.noun: thing.example("x-1")})
    again = await served.owner.call(create)
    thing.change(getattr(create, thing.noun))
    code, _ = await refusal(served.owner.call(create))

    assert (True, created) == (again.replayed, getattr(again, thing.noun))
    assert grpc.StatusCode.ALREADY_EXISTS == code


@every_thing
async def test_create_when_64_callers_at_once_then_one_makes_it(
    served: Served, thing: Thing
) -> None:
    for noun in thing.needs:
        await made(served.owner, BY_NOUN[noun], PARENT_IDS[noun])
    create = request(f"Create{thing.camel}", **{thing.noun: thing.example("x-1")})
    answers = await asyncio.gather(*(served.owner.call(create) for _ in range(64)))

    assert 1 == sum(not answer.replayed for answer in answers)


@every_thing
async def test_update_when_whole_then_changed_once(served: Served, thing: Thing) -> None:
    created = await made(served.owner, thing, "x-1")
    served.clock.now_ns += NS
    thing.change(created)
    update = request(f"Update{thing.camel}", **{thing.noun: created})
    updated = getattr(await served.owner.call(update), thing.noun)
    created.ClearField("revision")
    served.clock.now_ns += NS
    again = request(f"Update{thing.camel}", **{thing.noun: created})
    unchanged = getattr(await served.owner.call(again), thing.noun)

    assert bare(created) == bare(updated)
    assert 2 == updated.revision
    assert NS == updated.update_time.ToNanoseconds() - updated.create_time.ToNanoseconds()
    assert updated == unchanged


@every_thing
async def test_update_when_masked_then_only_these_fields(served: Served, thing: Thing) -> None:
    created = await made(served.owner, thing, "x-1")
    sent = thing.example("x-1")
    field = thing.change(sent)
    for name in ("name", "display_name", "vat_number"):
        if name != field and name in sent.DESCRIPTOR.fields_by_name:
            setattr(sent, name, "not in the mask")
    mask = FieldMask(paths=[field])
    update = request(f"Update{thing.camel}", **{thing.noun: sent}, update_mask=mask)
    updated = getattr(await served.owner.call(update), thing.noun)

    expected = bare(created)
    thing.change(expected)
    assert expected == bare(updated)


@every_thing
async def test_update_when_revision_is_old_then_aborted(served: Served, thing: Thing) -> None:
    created = await made(served.owner, thing, "x-1")
    thing.change(created)
    await served.owner.call(request(f"Update{thing.camel}", **{thing.noun: created}))
    code, _ = await refusal(
        served.owner.call(request(f"Update{thing.camel}", **{thing.noun: created}))
    )
    delete = request(f"Delete{thing.camel}", **{f"{thing.noun}_id": "x-1"}, revision=1)
    deleted, _ = await refusal(served.owner.call(delete))

    assert [grpc.StatusCode.ABORTED] * 2 == [code, deleted]


@every_thing
async def test_update_when_mask_names_no_field_then_named(served: Served, thing: Thing) -> None:
    created = await made(served.owner, thing, "x-1")
    mask = FieldMask(paths=["revision", "nonsense"])
    update = request(f"Update{thing.camel}", **{thing.noun: created}, update_mask=mask)
    code, status = await refusal(served.owner.call(update))

    assert grpc.StatusCode.INVALID_ARGUMENT == code
    assert ["update_mask.paths[0]", "update_mask.paths[1]"] == [f for f, _ in violations(status)]


@every_thing
async def test_delete_when_done_then_gone(served: Served, thing: Thing) -> None:
    await made(served.owner, thing, "x-1")
    named = {f"{thing.noun}_id": "x-1"}
    await served.owner.call(request(f"Delete{thing.camel}", **named))

    for method in (f"Get{thing.camel}", f"Delete{thing.camel}"):
        code, _ = await refusal(served.owner.call(request(method, **named)))
        assert grpc.StatusCode.NOT_FOUND == code


@pytest.mark.parametrize("noun", ["market", "shop"])
async def test_delete_when_something_refers_to_it_then_refused(served: Served, noun: str) -> None:
    await made(served.owner, BY_NOUN["register"], "x-1")
    thing = BY_NOUN[noun]
    delete = request(f"Delete{thing.camel}", **{f"{noun}_id": PARENT_IDS[noun]})
    code, _ = await refusal(served.owner.call(delete))

    assert grpc.StatusCode.FAILED_PRECONDITION == code


@every_thing
async def test_list_when_paged_then_every_one_once_in_order(served: Served, thing: Thing) -> None:
    ids = [f"x-{number}" for number in range(7)]
    for id_ in reversed(ids):
        await made(served.owner, thing, id_)
    listed: list[str] = []
    sizes: list[int] = []
    token = ""
    while token or not sizes:
        page = await served.owner.call(
            request(f"List{thing.camel}s", page_size=3, page_token=token)
        )
        entries = getattr(page, f"{thing.noun}s")
        listed += [id_of(entry) for entry in entries]
        sizes.append(len(entries))
        token = page.next_page_token

    assert ids == listed
    assert [3, 3, 1] == sizes


async def test_list_when_restricted_then_those_of_one_parent(served: Served) -> None:
    await made(served.owner, BY_NOUN["shop"], "here")
    await served.owner.call(request("CreateMarket", market=BY_NOUN["market"].example("m2")))
    other = BY_NOUN["shop"].example("there")
    other.market_id = "m2"
    await served.owner.call(request("CreateShop", shop=other))

    for market_id, expected in (("m", ["here"]), ("m2", ["there"]), ("", ["here", "there"])):
        page = await served.owner.call(request("ListShops", market_id=market_id))
        assert expected == [shop.id for shop in page.shops]


@pytest.mark.parametrize("token", ["nonsense", "TGlzdFNob3BzAGFhcmh1cw==", "\u00e6"])
async def test_list_when_token_is_of_another_list_then_refused(served: Served, token: str) -> None:
    code, status = await refusal(served.owner.call(request("ListCashiers", page_token=token)))

    assert grpc.StatusCode.INVALID_ARGUMENT == code
    assert [("page_token", "MALFORMED")] == violations(status)


@pytest.mark.parametrize("size", [-1, 1_001])
async def test_list_when_page_size_is_out_of_bounds_then_refused(served: Served, size: int) -> None:
    code, status = await refusal(served.owner.call(request("ListCashiers", page_size=size)))

    assert grpc.StatusCode.INVALID_ARGUMENT == code
    assert [("page_size", "OUT_OF_BOUNDS")] == violations(status)


@every_thing
@pytest.mark.parametrize("id_", ["", "x" * 256, "a\0b"])
async def test_create_when_id_is_bad_then_named(served: Served, thing: Thing, id_: str) -> None:
    create = request(f"Create{thing.camel}", **{thing.noun: thing.example(id_)})
    code, status = await refusal(served.owner.call(create))

    assert grpc.StatusCode.INVALID_ARGUMENT == code
    ((field, _),) = violations(status)
    assert field in (f"{thing.noun}.id", f"{thing.noun}.{thing.noun}.id")


@every_thing
async def test_create_when_nothing_is_sent_then_required(served: Served, thing: Thing) -> None:
    code, status = await refusal(served.owner.call(request(f"Create{thing.camel}")))

    assert grpc.StatusCode.INVALID_ARGUMENT == code
    assert [(thing.noun, "REQUIRED")] == violations(status)


@pytest.mark.parametrize("noun", ["shop", "register"])
async def test_create_when_it_belongs_to_nothing_then_not_found(served: Served, noun: str) -> None:
    thing = BY_NOUN[noun]
    code, _ = await refusal(
        served.owner.call(request(f"Create{thing.camel}", **{noun: thing.example("x-1")}))
    )

    assert grpc.StatusCode.NOT_FOUND == code


async def test_create_when_several_fields_are_bad_then_all_are_named(served: Served) -> None:
    market = BY_NOUN["market"].example("m")
    market.market.currency_code = "XYZ"
    market.market.timezone = "Mars/Olympus"
    market.market.shops.append("s")
    market.name = "x" * 10_001
    code, status = await refusal(served.owner.call(request("CreateMarket", market=market)))

    assert grpc.StatusCode.INVALID_ARGUMENT == code
    assert {
        "market.market.currency_code",
        "market.market.timezone",
        "market.market.shops",
        "market.name",
    } == {field for field, _ in violations(status)}


@pytest.mark.parametrize(
    ("noun", "path"),
    [
        ("market", "market.currency_code"),
        ("shop", "market_id"),
        ("register", "shop_id"),
    ],
)
async def test_update_when_it_would_move_then_refused(served: Served, noun: str, path: str) -> None:
    thing = BY_NOUN[noun]
    message = await made(served.owner, thing, "x-1")
    *inner, name = path.split(".")
    holder = message.market if inner else message
    setattr(holder, name, "NOK")
    if inner:
        holder.ClearField("cash_rounding")
    update = request(f"Update{thing.camel}", **{noun: message})
    code, status = await refusal(served.owner.call(update))

    assert grpc.StatusCode.INVALID_ARGUMENT == code
    assert [(f"{noun}.{path}", "NOT_ALLOWED")] == violations(status)


async def test_payment_type_when_made_then_group_is_up_to_the_dot(served: Served) -> None:
    dotted = await made(served.owner, BY_NOUN["payment_type"], "card.external")
    plain = await made(served.owner, BY_NOUN["payment_type"], "cash")

    assert ("card", "cash") == (dotted.group, plain.group)


async def test_account_when_updated_then_named_anew(served: Served) -> None:
    before = (await served.owner.call(admin_account_pb2.GetAccountRequest())).account
    changed = admin_account_pb2.Account(name="Acme", revision=1)
    update = admin_account_pb2.UpdateAccountRequest(account=changed)
    updated = (await served.owner.call(update)).account

    assert ("ours", "ours", 1) == (before.id, before.name, before.revision)
    assert ("ours", "Acme", 2) == (updated.id, updated.name, updated.revision)


async def test_account_when_another_one_is_named_then_not_found(served: Served) -> None:
    other = admin_account_pb2.Account(id="theirs", name="Acme")
    code, _ = await refusal(
        served.owner.call(admin_account_pb2.UpdateAccountRequest(account=other))
    )

    assert grpc.StatusCode.NOT_FOUND == code


async def test_read_scope_when_used_then_reads_and_does_not_write(served: Served) -> None:
    reader = await served.caller(Scope.READ)
    await made(served.owner, BY_NOUN["cashier"], "x-1")

    await reader.call(request("GetCashier", cashier_id="x-1"))
    code, _ = await refusal(reader.call(request("DeleteCashier", cashier_id="x-1")))

    assert grpc.StatusCode.PERMISSION_DENIED == code


async def test_message_when_garbled_then_invalid_argument(served: Served) -> None:
    method = served.channel.unary_unary("/tillcore.v1.AdminService/CreateShop")
    code, _ = await refusal(method(b"\xff\xff", metadata=served.owner.metadata))

    assert grpc.StatusCode.INVALID_ARGUMENT == code
