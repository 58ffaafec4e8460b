"""Have the same tests at both gRPC doors: grpcio's server, and the fast front before it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from server.front.opening import is_built
from tests.support.core_server import Core

GRPCIO: Final = "grpcio"
FRONT: Final = "front"

DOORS: Final = (
    GRPCIO,
    pytest.param(
        FRONT, marks=pytest.mark.skipif(not is_built(), reason="libnghttp2 was absent at the build")
    ),
)
"""For the `params` of a fixture."""


@asynccontextmanager
async def at_door(core: Core, door: str) -> AsyncIterator[Core]:
    """Yield a running core whose channel and target are those of a door."""
    if door == GRPCIO:
        yield core
        return
    # The module of the front is absent where the library was.
    from tests.support.front import core_with_front

    async with core_with_front(core) as fronted:
        yield fronted
