"""Open the fast front over servers of the tests, with what it needs and nothing that is faked."""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
import structlog

from engine.plan import PricePlan
from engine.rpc.calls import Calls
from engine.rpc.catalogues import Catalogues
from engine.rpc.server import Health
from server.auth import Principal, Scope
from server.front.address import close, listening
from server.front.door import FrontParts, OpenFront, serving_front
from server.front.key_ring import Answerer, Answerers, KnownKeys
from server.front.limits import Limits
from server.observability.call_meter import CallMeter
from tests.support.core_server import NOW_NS, Core, running_core
from tests.support.server import METHODS

ROOT = Path(__file__).parents[2]
ECHO_FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
EVERYBODY = Principal(account_id="", scopes=frozenset({Scope.OWNER}))
"""Who calls a server without a gate."""


class NoKeys:
    """Keys of a server without a gate: there are none."""

    def on_forgotten(self, callback: Callable[[str], None]) -> None:
        """Call nobody back."""

    def remembered_ns(self, key_id: str) -> int:
        """Return that no key is known."""
        del key_id
        return 0


class NoAnswerers:
    """What answers nothing, so that everything is handed over."""

    def on_changed(self, callback: Callable[[str], None]) -> None:
        """Call nobody back."""

    def answerer_of(self, account_id: str) -> "Echo | None":
        """Return nothing."""
        del account_id
        return None


class Loaded:
    """What answers a core's loaded catalogues, by the compiled codec."""

    def __init__(self, catalogues: Catalogues) -> None:
        """Hear of every replacement from now on, as of those of `server.plans.Plans`."""
        self._catalogues = catalogues
        self._callbacks: list[Callable[[str], None]] = []
        replace = catalogues.replace

        def replace_and_tell(plans: Iterable[PricePlan]) -> None:
            replace(plans)
            for callback in self._callbacks:
                callback(EVERYBODY.account_id)

        setattr(catalogues, "replace", replace_and_tell)  # noqa: B010 - a method of the instance

    def on_changed(self, callback: Callable[[str], None]) -> None:
        """Call back whenever the catalogues were replaced."""
        self._callbacks.append(callback)

    def answerer_of(self, account_id: str) -> Answerer | None:
        """Return the present answerer."""
        assert account_id == EVERYBODY.account_id
        return self._catalogues.answerer()


class Echo(NamedTuple):
    """The answerer of front_echo.c."""

    capsule: object


class Echoing(NoAnswerers):
    """What answers every account with its own requests, by front_echo.c."""

    def answerer_of(self, account_id: str) -> Echo:
        """Return the same for every account."""
        del account_id
        return Echo(echo_capsule())


@cache
def echo_library() -> ctypes.CDLL:
    """Return front_echo.c, compiled."""
    compiler = shutil.which("gcc")
    assert compiler is not None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "front_echo.so"
        source = ROOT / "tests" / "support" / "front_echo.c"
        command = [compiler, *ECHO_FLAGS, str(source), "-o", str(library)]
        subprocess.run(command, check=True)
        return ctypes.CDLL(str(library))


def echo_capsule() -> object:
    """Return a capsule as the front takes it."""
    library = echo_library()
    library.tc_echo_answerer.restype = ctypes.c_void_p
    new_capsule: Any = ctypes.pythonapi.PyCapsule_New
    new_capsule.restype = ctypes.py_object
    new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    capsule: object = new_capsule(library.tc_echo_answerer(), b"tillcore.answerer", None)
    return capsule


@asynccontextmanager
async def running_front(
    calls: Calls,
    health: Health,
    *,
    keys: KnownKeys | None = None,
    plans: Answerers | None = None,
    anybody: Principal | None = None,
    meter: CallMeter | None = None,
    limits: Limits = Limits(),  # noqa: B008 - it cannot be changed
    now_ns: int | None = NOW_NS,
    address: str = "127.0.0.1:0",
) -> AsyncIterator[OpenFront]:
    """Yield a front over the handlers of a running server; it ends without waiting for callers."""
    parts = FrontParts(
        calls=calls,
        health=health,
        keys=keys or NoKeys(),
        plans=plans or NoAnswerers(),
        meter=meter or CallMeter(METHODS.values()),
        log=structlog.get_logger().bind(),
        anybody=anybody,
    )
    listener = listening(address)
    try:
        async with serving_front(
            listener, parts, limits=limits, now_ns=now_ns, is_hurried=lambda: True
        ) as front:
            yield front
    finally:
        close(listener)


@asynccontextmanager
async def core_with_front(core: Core) -> AsyncIterator[Core]:
    """Yield a running core whose channel and target are those of a front before it."""
    async with (
        running_front(
            core.calls, core.health, plans=Loaded(core.catalogues), anybody=EVERYBODY
        ) as front,
        grpc.aio.insecure_channel(front.address) as channel,
    ):
        yield core._replace(target=front.address, channel=channel)


@asynccontextmanager
async def echoing_front(limits: Limits = Limits()) -> AsyncIterator[OpenFront]:  # noqa: B008 - it cannot be changed
    """Yield a front that answers with front_echo.c, over a core with the Danish shop."""
    async with (
        running_core() as core,
        running_front(
            core.calls, core.health, plans=Echoing(), anybody=EVERYBODY, limits=limits
        ) as front,
    ):
        yield front
