"""Serve made-up integrations of every kind, to try tills, integrations and faults with.

    tillcore fakes --listen 127.0.0.1:8091 --faults 30 --seed 7

Each kind has a path, such as `/gift_card`. Nothing is kept: at the end everything is gone.
"""

import asyncio
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from aiohttp import web
from cyclopts import Parameter

from engine.errors import InvalidInput
from engine.strict_json import decode, is_object
from server.integrations.fake_books import Answer, Books, literal, refused

LISTEN: Final = "127.0.0.1:8091"
BODY_BYTES_MAX: Final = 65_536
LATE_SECONDS: Final = 15.0

_ENCODER: Final = msgspec.json.Encoder()
_UNIT: Final = 1_000_000

CUSTOMERS: Final[tuple[dict[str, Any], ...]] = (
    {
        "identifier": "anna",
        "name": "Anna Jensen",
        "email": "anna@shop.example",
        "phone": "+45 11 22 33 44",
        "groups": ["club"],
    },
    {
        "identifier": "bo",
        "name": "Bo Larsen ApS",
        "organization_number": "12345678",
        "country_code": "DK",
        "balance": msgspec.Raw(b"-500.00"),
        "credit_limit": msgspec.Raw(b"1000.00"),
    },
)

CAMPAIGNS: Final[dict[str, list[dict[str, Any]]]] = {
    "anna": [
        {
            "id": "anna-10",
            "type": "percentage_discount-basket",
            "name": "Anna",
            "display_name": "10 % for Anna",
            "priority": 100,
            "percentage": msgspec.Raw(b"0.1"),
        }
    ]
}


class Fault(Enum):
    """What goes wrong with a request, before the books see it or after."""

    ERROR_BEFORE = "error_before"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    ERROR_AFTER = "error_after"
    GARBAGE_AFTER = "garbage_after"
    LATE_AFTER = "late_after"


class Faults(NamedTuple):
    """How much goes wrong.

    Attributes:
        percent: Of the requests.
        random: Decides which.
        late_seconds: How late a late answer is.
    """

    percent: int
    random: random.Random
    late_seconds: float = LATE_SECONDS

    def next(self) -> Fault | None:
        """Return what goes wrong with the next request; None for nothing."""
        if self.random.random() * 100 >= self.percent:
            return None
        return self.random.choice(list(Fault))


NO_FAULTS: Final = Faults(0, random.Random(0))


class Fakes(NamedTuple):
    """Running fakes.

    Attributes:
        url: Where they are, without a path.
        books: What they know.
        seen: How often each fault has occurred.
    """

    url: str
    books: Books
    seen: Counter[Fault]


@asynccontextmanager
async def faking(
    books: Books, faults: Faults = NO_FAULTS, *, listen: str = "127.0.0.1:0"
) -> AsyncGenerator[Fakes, None]:
    """Serve the books until the end of the block.

    Args:
        books: What the fakes know.
        faults: What goes wrong.
        listen: The address; port 0 is any free one.
    """
    host, _, port = listen.rpartition(":")
    seen: Counter[Fault] = Counter()

    async def handle(request: web.Request) -> web.Response:
        return await _handle(request, books, faults, seen)

    application = web.Application(client_max_size=BODY_BYTES_MAX)
    application.router.add_post("/{kind}", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, int(port)).start()
        yield Fakes(f"http://{host}:{runner.addresses[0][1]}", books, seen)
    finally:
        await runner.cleanup()


async def _handle(
    request: web.Request, books: Books, faults: Faults, seen: Counter[Fault]
) -> web.Response:
    """Answer a request, with a fault if it is its turn."""
    body = await request.read()
    fault = faults.next()
    if fault is not None:
        seen[fault] += 1
    if fault is Fault.ERROR_BEFORE:
        return web.Response(status=503, text="busy")
    if fault is Fault.RESET_BEFORE:
        return _cut(request)
    found = answer_to(request.match_info["kind"], books, body)
    if fault is Fault.RESET_AFTER:
        return _cut(request)
    if fault is Fault.ERROR_AFTER:
        return web.Response(status=500, text="<html>")
    if fault is Fault.GARBAGE_AFTER:
        return web.Response(status=200, text='{"amount": ')
    if fault is Fault.LATE_AFTER:
        await asyncio.sleep(faults.late_seconds)
    data = _ENCODER.encode(found.document)
    return web.Response(status=found.status, body=data, content_type="application/json")


def _cut(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def answer_to(kind: str, books: Books, body: bytes) -> Answer:
    """Return the answer to the body of a request to the path of a kind."""
    try:
        request = decode(body)
        if not is_object(request):
            return refused("malformed", "expected a JSON object")
        look_up = _LOOKUPS.get(kind)
        if look_up is not None:
            books.calls[kind] += 1
            return Answer(200, look_up(request))
        return books.answer(kind, request, body)
    except InvalidInput as error:
        return refused("malformed", error.message)


# --- what changes nothing --------------------------------------------------------------------


def _customers(request: dict[str, Any]) -> list[dict[str, Any]]:
    term = str(request.get("search_term", "")).casefold()
    fields = ("identifier", "name", "email", "phone", "organization_number")
    return [
        each
        for each in CUSTOMERS
        if any(term in str(each.get(name, "")).casefold() for name in fields)
    ]


def _campaigns(request: dict[str, Any]) -> list[dict[str, Any]]:
    return CAMPAIGNS.get(str(request.get("customer_id", "")), [])


def _options(request: dict[str, Any]) -> list[dict[str, Any]]:
    currency_code = str(request.get("currency_code", ""))
    address = request.get("address")
    country = str(address.get("country_code", "")) if is_object(address) else ""
    parcel = {
        "id": "parcel",
        "title": "Parcel",
        "subtitle": "2 to 4 days",
        "price": literal(39 * _UNIT, currency_code),
    }
    express = {"id": "express", "title": "Express", "price": literal(99 * _UNIT, currency_code)}
    return [parcel, express] if country in ("", "DK") else [express]


def _products(request: dict[str, Any]) -> list[dict[str, Any]]:
    term = str(request.get("search_term", "")).casefold()
    currency_code = str(request.get("currency_code", ""))
    lamp = {
        "id": "web-lamp",
        "name": "Lamp from the web shop",
        "barcode": "5701234567899",
        "retail_price": literal(299 * _UNIT, currency_code),
        "sale_price": literal(249 * _UNIT, currency_code),
    }
    return [lamp] if term in f"{lamp['name']} {lamp['barcode']}".casefold() else []


_LOOKUPS: Final = {
    "customer_lookup": _customers,
    "customer_discounts": _campaigns,
    "shipping_options": _options,
    "product_search": _products,
}


# --- the command -----------------------------------------------------------------------------


def serve(
    *,
    listen: str = LISTEN,
    faults: Annotated[int, Parameter(name="--faults")] = 0,
    seed: int = 1,
    late_seconds: float = LATE_SECONDS,
) -> int:
    """Serve made-up gift cards, vouchers, accounts, customers, shipping, discounts and products.

    The cards GIFT-500, GIFT-NEW, GIFT-USED, GIFT-OLD and GIFT-EUR are there, and the customers anna
    and bo. Nothing is kept.

    Args:
        listen: Where to listen.
        faults: How many of 100 requests go wrong: errors, lost connections, late answers.
        seed: Decides which of them.
        late_seconds: How late a late answer is.
    """
    chaos = Faults(faults, random.Random(seed), late_seconds)
    asyncio.run(_serve(listen, chaos))
    return 0


async def _serve(listen: str, faults: Faults) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with faking(Books(), faults, listen=listen) as fakes:
        sys.stdout.write(f"fakes are at {fakes.url}\n")
        sys.stdout.flush()
        await ended.wait()


if __name__ == "__main__":
    from cyclopts import run

    run(serve)
