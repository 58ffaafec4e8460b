"""Kill a server while an integration takes a payment: the repetition is no second payment."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import msgspec
import pytest
from aiohttp import web

from server.integrations.fake_books import Books
from server.integrations.fakes import answer_to
from tests.support.account_things import request
from tests.support.command_line import DATA_VARIABLE, serving
from tests.support.integration_fakes import UNIT, integration
from tests.support.server import Caller

WAIT_SECONDS = 60


async def test_payment_when_server_is_killed_meanwhile_then_repeated_with_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    monkeypatch.setenv("TILLCORE_EXPORTS__ALLOWED_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("TILLCORE_EXPORTS__HTTP_ALLOWED", "true")
    books, keys, paid = Books(), list[str](), asyncio.Event()

    async def slow(message: web.Request) -> web.StreamResponse:
        keys.append(message.headers["Idempotency-Key"])
        found = answer_to("gift_card", books, await message.read())
        if len(keys) == 1:
            paid.set()
            await asyncio.sleep(WAIT_SECONDS)
        return web.json_response(text=_text(found.document), status=found.status)

    application = web.Application()
    application.router.add_post("/", slow)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made = integration(url=f"http://127.0.0.1:{runner.addresses[0][1]}/")
        made.timeout.FromSeconds(1)
        pay = request(
            "PayWithGiftCard",
            payment_id="p1",
            register_id="aarhus-1",
            code="GIFT-500",
            amount_micros=100 * UNIT,
        )
        with serving("serve", "--demo") as server:
            async with grpc.aio.insecure_channel(server.target) as channel:
                await Caller(channel).call(request("CreateIntegration", integration=made))
                first = asyncio.create_task(Caller(channel).call(pay))
                await asyncio.wait_for(paid.wait(), WAIT_SECONDS)
                server.process.send_signal(signal.SIGKILL)
                with pytest.raises(grpc.aio.AioRpcError):
                    await first
        with serving("serve", "--demo") as server:
            async with grpc.aio.insecure_channel(server.target) as channel:
                answer = await _settled(Caller(channel), pay)
    finally:
        await runner.cleanup()

    assert (400 * UNIT, False) == (answer.gift_card.amount_micros, answer.replayed)
    assert ["pay:p1", "pay:p1"] == keys
    assert 1 == books.paid_counts["p1"]


async def _settled(caller: Caller, pay: Any) -> Any:
    """Repeat a payment until its first attempt is given up."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                return await caller.call(pay)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.ABORTED:
                    raise
            await asyncio.sleep(0.2)


def _text(document: object) -> str:
    return msgspec.json.encode(document).decode()
