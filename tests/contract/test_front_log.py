"""Hold the fast front's lines in the log to its setting: one of so many calls that went well."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc
import grpc.aio
import pytest
import structlog
from structlog.typing import EventDict

from engine.rpc.server import StopSignals
from server.config import FrontSettings
from server.front.address import close, listening
from server.front.opening import is_built, opening_front
from server.observability.call_meter import CallMeter
from tests.support.core_server import lamps, running_core
from tests.support.server import METHODS
from tillcore.v1 import basket_service_pb2, basket_service_pb2_grpc

pytestmark = pytest.mark.skipif(not is_built(), reason="libnghttp2 was absent at the build")

REQUEST = basket_service_pb2.EvaluateBasketRequest(basket=lamps())
NO_METHOD = "/tillcore.v1.BasketService/Nothing"
TIMEOUT_SECONDS = 20


class Logged(NamedTuple):
    """A channel to a front, and its lines in the log."""

    channel: Any
    lines: "asyncio.Queue[EventDict]"

    @property
    def stub(self) -> Any:
        """An asyncio client."""
        return basket_service_pb2_grpc.BasketServiceStub(self.channel)

    async def next_lines(self, count: int) -> list[EventDict]:
        """Return the next lines as soon as there are so many: they come after the answers."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return [await self.lines.get() for _ in range(count)]


@asynccontextmanager
async def front_that_logs(one_of: int) -> AsyncIterator[Logged]:
    """Yield a front with a setting, over the Danish shop and without a gate."""
    # The module of the front is absent where the library was.
    from server.front.door import FrontParts
    from tests.support.front import EVERYBODY, Loaded, NoKeys

    lines: asyncio.Queue[EventDict] = asyncio.Queue()

    def keep(_logger: object, _method: str, line: EventDict) -> EventDict:
        if line.get("door") == "front":
            lines.put_nowait(line)
        raise structlog.DropEvent

    log: Any = structlog.wrap_logger(
        None, processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
    ).bind()
    signals = StopSignals(asyncio.Event(), asyncio.Event())
    signals.second.set()  # nobody waits for callers at the end
    listener = listening("127.0.0.1:0")
    try:
        async with (
            running_core() as core,
            opening_front(
                listener,
                lambda: FrontParts(
                    calls=core.calls,
                    health=core.health,
                    keys=NoKeys(),
                    plans=Loaded(core.catalogues),
                    meter=CallMeter(METHODS.values()),
                    log=log,
                    anybody=EVERYBODY,
                ),
                FrontSettings(log_one_of=one_of),
                signals=signals,
                age_seconds=0,
                drain_seconds=0,
                log=log,
            ) as front,
        ):
            assert front is not None
            async with grpc.aio.insecure_channel(front.address) as channel:
                yield Logged(channel, lines)
    finally:
        close(listener)


async def test_call_when_one_of_one_is_logged_then_it_has_a_line() -> None:
    async with front_that_logs(1) as front:
        await front.stub.EvaluateBasket(REQUEST, metadata=(("x-request-id", "till-7"),))
        (line,) = await front.next_lines(1)

    assert line.pop("ms") > 0
    assert {
        "event": "call",
        "method": "EvaluateBasket",
        "code": "OK",
        "request_id": "till-7",
        "door": "front",
        "one_of": 1,
    } == line


async def test_call_when_one_of_three_is_logged_then_the_third_and_the_sixth_have_a_line() -> None:
    async with front_that_logs(3) as front:
        for number in range(1, 8):
            sent = (("x-request-id", f"till-{number}"),)
            await front.stub.EvaluateBasket(REQUEST, metadata=sent)
        found = await front.next_lines(2)

    assert [("till-3", 3), ("till-6", 3)] == [
        (line["request_id"], line["one_of"]) for line in found
    ]


async def test_call_when_none_is_logged_then_only_the_failed_one_has_a_line() -> None:
    async with front_that_logs(0) as front:
        await front.stub.EvaluateBasket(REQUEST)
        with pytest.raises(grpc.aio.AioRpcError):
            await front.channel.unary_unary(NO_METHOD)(b"")
        (line,) = await front.next_lines(1)

    assert ("", "UNIMPLEMENTED", 1) == (line["method"], line["code"], line["one_of"])
