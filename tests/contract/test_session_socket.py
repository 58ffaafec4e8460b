"""Hold web sockets to their promises: EditBasket and StreamBaskets for browsers."""

import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine import limits
from engine.rpc.sessions import Sessions
from server.auth import Principal, Scope
from server.http.browser import sockets
from server.http.browser.bridge import METADATA_NAMES
from server.storage import Store, StoreSettings, open_store
from tests.support.browser_doors import EDIT, EVALUATE, STREAM, browser_doors, example_output
from tests.support.core_server import UNIT, Core, danish_shop, lamps, running_core
from tests.support.edit_stream import Editor, FakeClock
from tests.support.server import OURS, running_server
from tillcore.v1 import admin_key_pb2, basket_service_pb2, edit_basket_pb2

JSON = ("tillcore.json",)
PROTO = ("tillcore.proto",)
SITE = "https://till.example"
OPEN = {"sequence": 1, "open": {}}
ADD_LAMP = {"sequence": 2, "addLine": {"line": {"id": "lamp"}}}

Socket = aiohttp.ClientWebSocketResponse


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    """Yield a running core."""
    async with running_core() as running:
        yield running


@pytest.fixture
async def doors(core: Core) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client of the core's doors, one other site of which may call."""
    async with browser_doors(core.calls, origins=[SITE]) as session:
        yield session


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Yield a store; that of PostgreSQL has the same sockets."""
    async with open_store(StoreSettings(directory=tmp_path, is_migrating=True)) as opened:
        yield opened


async def asked(socket: Socket, message: dict[str, Any]) -> dict[str, Any]:
    """Send a message and return its answer."""
    await socket.send_json(message)
    answer: dict[str, Any] = await socket.receive_json()
    return answer


async def ended(socket: Socket) -> tuple[str, int]:
    """Return the code of the error that comes next, and the code of the close after it."""
    error = (await socket.receive_json())["error"]
    closed = await socket.receive()
    assert (aiohttp.WSMsgType.CLOSE, error["code"]) == (closed.type, closed.extra)
    assert isinstance(closed.data, int)
    return error["code"], closed.data


async def test_edit_basket_when_edited_then_the_answers_of_grpc(
    core: Core, doors: aiohttp.ClientSession
) -> None:
    editor = Editor(core)
    await editor.open()
    over_grpc = await editor.add("lamp")
    async with doors.ws_connect(EDIT, protocols=JSON) as socket:
        opened = await asked(socket, OPEN)
        added = await asked(socket, ADD_LAMP)
        rejected = await asked(socket, {"sequence": 3, "addLine": {"line": {"id": "ghost"}}})
        closed = await asked(socket, {"sequence": 4, "close": {}})

    assert "900s" == opened["terms"]["idleTimeout"]
    assert "2" == added["sequence"]
    total = added["evaluatedBasket"]["totalMicros"]
    assert over_grpc.evaluated_basket.total_micros == int(total)
    assert 3 == rejected["rejection"]["code"]
    assert "SESSION_END_REASON_CLOSED" == closed["ended"]["reason"]


async def test_edit_basket_when_in_proto_then_in_proto(doors: aiohttp.ClientSession) -> None:
    request = edit_basket_pb2.EditBasketRequest(sequence=1)
    request.open.basket.CopyFrom(lamps())
    async with doors.ws_connect(EDIT, protocols=PROTO) as socket:
        await socket.send_bytes(request.SerializeToString())
        answer = edit_basket_pb2.EditBasketResponse.FromString(await socket.receive_bytes())
        await socket.send_bytes(b"\xff")
        rejection = edit_basket_pb2.EditBasketResponse.FromString(await socket.receive_bytes())
        await socket.send_str("{}")
        assert ("invalid_argument", 4003) == await ended(socket)

    assert 2 * 1_795 * UNIT == answer.evaluated_basket.total_micros
    assert "rejection" == rejection.WhichOneof("result")


async def test_edit_basket_when_socket_breaks_then_resumed_on_either_door(
    core: Core, doors: aiohttp.ClientSession
) -> None:
    async with doors.ws_connect(EDIT, protocols=JSON) as socket:
        session_id = (await asked(socket, OPEN))["sessionId"]
        await asked(socket, ADD_LAMP)
    editor = Editor(core)
    over_grpc = await editor.send(resume=edit_basket_pb2.ResumeSession(session_id=session_id))
    async with doors.ws_connect(EDIT, protocols=JSON) as socket:
        resumed = await asked(socket, {"resume": {"sessionId": session_id, "lastSequence": 2}})

    assert 2 == over_grpc.sequence
    assert ("2", "1795000000") == (resumed["sequence"], resumed["evaluatedBasket"]["totalMicros"])


async def test_stream_baskets_when_many_are_sent_then_answered_in_order(
    doors: aiohttp.ClientSession,
) -> None:
    async with doors.ws_connect(STREAM, protocols=JSON) as socket:
        for sequence in range(1, 6):
            id_ = "lamp" if sequence % 2 else "ghost"
            basket = {"lineItems": [{"id": id_}]}
            await socket.send_json({"sequence": sequence, "basket": basket})
        answers = [await socket.receive_json() for _ in range(5)]

    assert ["1", "2", "3", "4", "5"] == [each["sequence"] for each in answers]
    assert ["evaluatedBasket", "status"] * 2 == [
        key for each in answers[:4] for key in each if key != "sequence"
    ]


# --- ends ------------------------------------------------------------------------------------


async def test_socket_when_message_is_bad_then_the_last_frame_and_the_close_say_why(
    doors: aiohttp.ClientSession,
) -> None:
    bad: list[str | bytes] = [
        "{",
        "[]",
        '{"sequence": 1, "nope": {}}',
        '{"open":' * 100_000,
        b"\x08\x01",
    ]
    found = []
    for each in bad:
        async with doors.ws_connect(EDIT, protocols=JSON) as socket:
            await asked(socket, OPEN)
            await (socket.send_str(each) if isinstance(each, str) else socket.send_bytes(each))
            found.append(await ended(socket))

    assert [("invalid_argument", 4003)] * len(bad) == found


async def test_socket_when_message_is_too_long_then_closed(doors: aiohttp.ClientSession) -> None:
    async with doors.ws_connect(EDIT, protocols=JSON) as socket:
        await asked(socket, OPEN)
        # The head of a frame is enough: what it announces is not waited for.
        length = limits.EVALUATE_MESSAGE_BYTES_MAX + 1
        socket._writer.transport.write(struct.pack(">BBQI", 0x81, 0xFF, length, 0))
        closed = await socket.receive()

    assert (aiohttp.WSMsgType.CLOSE, 1009) == (closed.type, closed.data)


async def test_socket_when_server_drains_then_the_basket_and_unavailable(
    core: Core, doors: aiohttp.ClientSession
) -> None:
    async with doors.ws_connect(EDIT, protocols=JSON) as socket:
        await asked(socket, OPEN)
        await asked(socket, ADD_LAMP)
        core.calls.drain()
        notice = await socket.receive_json()
        end = await ended(socket)
    async with doors.ws_connect(EDIT, protocols=JSON) as socket:
        await socket.send_json(OPEN)
        late = await ended(socket)

    assert "SESSION_END_REASON_DRAINING" == notice["ended"]["reason"]
    assert "lamp" == notice["ended"]["basket"]["lineItems"][0]["id"]
    assert [("unavailable", 4014)] * 2 == [end, late]


async def test_socket_when_idle_for_too_long_then_told() -> None:
    clock = FakeClock()
    sessions = Sessions(clock=clock, new_id=lambda: "session")
    async with (
        running_core(sessions=sessions) as core,
        browser_doors(core.calls) as doors,
        doors.ws_connect(EDIT, protocols=JSON) as socket,
    ):
        await asked(socket, OPEN)
        clock.advance(3600)
        sessions.expire()
        notice = await socket.receive_json()
        end = await ended(socket)

    assert "SESSION_END_REASON_IDLE" == notice["ended"]["reason"]
    assert ("aborted", 4010) == end


async def test_socket_when_nothing_is_sent_then_closed(
    doors: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "FIRST_FRAME_SECONDS_MAX", 0.01)
    async with doors.ws_connect(EDIT, protocols=JSON) as socket:
        assert ("invalid_argument", 4003) == await ended(socket)


# --- who -------------------------------------------------------------------------------------


async def test_socket_when_keys_differ_then_let_in_by_the_first_frame(store: Store) -> None:
    async with (
        running_server(store, contexts=[danish_shop()]) as served,
        browser_doors(served.calls) as doors,
    ):
        good = await served.caller(Scope.REGISTER)
        wrong = await served.caller(Scope.IMPORT)
        found = []
        for key in ("", wrong.key, "tillcore_x_y"):
            async with doors.ws_connect(EDIT, protocols=JSON) as socket:
                if key:
                    await socket.send_json({"authorization": f"Bearer {key}"})
                await socket.send_json(OPEN)
                found.append(await ended(socket))
        first = {"authorization": f"Bearer {good.key}", "x-request-id": "till-1"}
        async with doors.ws_connect(EDIT, protocols=JSON) as socket:
            await socket.send_json(first)
            opened = await asked(socket, OPEN)
        async with doors.ws_connect(EDIT, protocols=PROTO) as socket:
            await socket.send_json(first)
            request = edit_basket_pb2.EditBasketRequest(sequence=1)
            request.open.SetInParent()
            await socket.send_bytes(request.SerializeToString())
            answer = edit_basket_pb2.EditBasketResponse.FromString(await socket.receive_bytes())

    assert [
        ("unauthenticated", 4016),
        ("permission_denied", 4007),
        ("unauthenticated", 4016),
    ] == found
    assert opened["sessionId"]
    assert answer.session_id


async def test_socket_when_everybody_is_let_in_then_no_first_frame_is_needed(store: Store) -> None:
    anybody = Principal(account_id=OURS, scopes=frozenset({Scope.REGISTER}))
    async with (
        running_server(store, contexts=[danish_shop()], anybody=anybody) as served,
        browser_doors(served.calls) as doors,
        doors.ws_connect(EDIT, protocols=JSON) as socket,
    ):
        assert "sessionId" in await asked(socket, OPEN)


async def test_socket_when_key_is_revoked_then_ended_before_the_next_answer(store: Store) -> None:
    async with (
        running_server(store, contexts=[danish_shop()]) as served,
        browser_doors(served.calls) as doors,
        doors.ws_connect(EDIT, protocols=JSON) as socket,
    ):
        caller = await served.caller(Scope.REGISTER)
        await socket.send_json({"authorization": f"Bearer {caller.key}"})
        await asked(socket, OPEN)
        key_id = caller.key.split("_")[1]
        await served.owner.call(admin_key_pb2.RevokeApiKeyRequest(api_key_id=key_id))
        await socket.send_json(ADD_LAMP)
        assert ("unauthenticated", 4016) == await ended(socket)


async def test_socket_when_it_is_none_then_refused_before_it_opens(
    doors: aiohttp.ClientSession,
) -> None:
    own = str(doors._base_url).rstrip("/")
    cases: list[tuple[str, tuple[str, ...], dict[str, str], int]] = [
        (EDIT, JSON, {}, 101),
        (EDIT, ("other", *JSON), {"origin": SITE}, 101),
        (EDIT, JSON, {"origin": own}, 101),
        (EDIT, JSON, {"origin": "https://evil.example"}, 403),
        (EDIT, JSON, {"origin": "null"}, 403),
        (EDIT, (), {}, 400),
        (EDIT, ("other",), {}, 400),
        (EVALUATE, JSON, {}, 404),
        ("/tillcore.v1.BasketService/Nothing", JSON, {}, 404),
    ]
    found = []
    for path, protocols, headers, _ in cases:
        try:
            async with doors.ws_connect(path, protocols=protocols, headers=headers) as socket:
                assert JSON[0] == socket.protocol
                found.append(101)
        except aiohttp.WSServerHandshakeError as error:
            found.append(error.status)

    assert [each[-1] for each in cases] == found


async def test_example_when_run_by_node_then_session_and_close_code(store: Store) -> None:
    async with (
        running_server(store, contexts=[danish_shop()]) as served,
        browser_doors(served.calls) as doors,
    ):
        output = await example_output("session.mjs", doors, served.owner.key)

    assert ["1795000000", "3", "4016"] == output.split()


def test_messages_when_their_fields_are_listed_then_none_is_taken_for_a_first_or_last_frame() -> (
    None
):
    ours = {"error", *METADATA_NAMES}
    kinds = (
        basket_service_pb2.StreamBasketsRequest,
        basket_service_pb2.StreamBasketsResponse,
        edit_basket_pb2.EditBasketRequest,
        edit_basket_pb2.EditBasketResponse,
    )

    assert set() == ours & {field.json_name for kind in kinds for field in kind.DESCRIPTOR.fields}
