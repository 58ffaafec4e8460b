"""Run the whole server on a free port of the loopback, over a store, with keys for callers."""

from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_network
from typing import Any, NamedTuple

import grpc.aio
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.protobuf import message_factory
from google.protobuf.message import Message

from engine.model import Context
from engine.rpc.calls import Calls
from engine.rpc.server import (
    CORE_SERVICE_NAMES,
    Health,
    add_core_services,
    enable_reflection,
    new_health,
    new_server,
)
from server.auth import Authenticator, Gatekeeper, Principal, Scope, required_scopes
from server.auth.keys import new_key
from server.auth.scopes import methods, scopes_to_text
from server.catalogues import AccountCatalogues
from server.demo import make_account
from server.exports.log_bell import LogBell
from server.exports.network import Rules
from server.exports.sandbox import sandbox
from server.exports.secrets import SecretBox
from server.integrations.running import integrating
from server.journal_key import JournalKey
from server.plans import Plans
from server.process import open_plans
from server.registers.recomputing import Recomputations, recomputing
from server.services import SERVICE_NAMES, Parts, Services, add_services, new_services
from server.storage import Store
from server.storage import keys as key_rows
from tests.support.core_server import NOW_NS
from tests.support.stored_catalogs import import_context

OURS = "ours"
THEIRS = "theirs"
"""Two accounts; every server of the tests has both."""

HISTORY_DAYS = 30
"""How long servers of the tests keep past revisions."""

METHODS = {method.name: method for method in methods()}


JOURNAL_KEY = JournalKey(
    Ed25519PrivateKey.from_private_bytes(bytes(range(32))).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
)
"""What signs the journals of servers of the tests."""


EXPORT_KEY = "dGlsbGNvcmUgdGVzdHMgc2VhbCB0aGVpciBzZWNyZXQ="
"""What the secrets of export queues are sealed with."""

RULES = Rules(allowed=(ip_network("127.0.0.0/8"),), is_http_allowed=True)
"""Deliveries reach this machine alone, and web hooks may go unencrypted."""


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        """Return the moment, in nanoseconds since 1970-01-01 UTC."""
        return self.now_ns


class Served(NamedTuple):
    """A running server, and what its tests turn."""

    store: Store
    channel: Any
    target: str
    authenticator: Authenticator
    clock: Clock
    owner: "Caller"
    """An owner of the account OURS."""
    recomputations: Recomputations
    services: Services
    plans: Plans
    calls: Calls
    bell: LogBell
    secret_box: SecretBox
    health: Health

    async def caller(
        self, *scopes: Scope, account_id: str = OURS, register_id: str | None = None
    ) -> "Caller":
        """Return a caller with a new key of an account."""
        key = new_key()
        row = {
            "account_id": account_id,
            "key_id": key.key_id,
            "name": "test",
            "secret_sha256": key.secret_sha256,
            "scopes": scopes_to_text(scopes),
            "register_id": register_id,
            "created_ns": self.clock(),
        }
        await self.store.write(partial(key_rows.insert_key, row=row))
        return Caller(self.channel, key.text)


class Caller(NamedTuple):
    """Calls methods by their names, with a key or without."""

    channel: Any
    key: str = ""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata with the key."""
        return (("authorization", f"Bearer {self.key}"),) if self.key else ()

    async def call(self, request: Message) -> Any:
        """Send the request of a unary method and return its response."""
        name = request.DESCRIPTOR.name.removesuffix("Request")
        return await self._method("unary_unary", name)(request, metadata=self.metadata)

    def answers(self, request: Message) -> Any:
        """Send the request of a method that answers with a stream, and return its call."""
        name = request.DESCRIPTOR.name.removesuffix("Request")
        return self._method("unary_stream", name)(request, metadata=self.metadata)

    def stream(self, name: str) -> Any:
        """Return an open call of a method whose requests are a stream."""
        is_answer_a_stream = METHODS[name].server_streaming
        kind = "stream_stream" if is_answer_a_stream else "stream_unary"
        return self._method(kind, name)(metadata=self.metadata)

    def _method(self, kind: str, name: str) -> Any:
        method = METHODS[name]
        return getattr(self.channel, kind)(
            f"/{method.containing_service.full_name}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )


@asynccontextmanager
async def running_server(
    store: Store, *, contexts: Iterable[Context] = (), anybody: Principal | None = None
) -> AsyncIterator[Served]:
    """Yield a running server with two accounts; the catalogues are imported into the first."""
    log = structlog.get_logger().bind()
    clock = Clock()
    for account_id in (OURS, THEIRS):
        await store.write(
            partial(make_account, account_id=account_id, name=account_id, now_ns=clock())
        )
    for context in contexts:
        await import_context(store, context, account_id=OURS, now_ns=clock())
    authenticator = Authenticator(store, clock=clock, monotonic_ns=clock)
    bell, box = LogBell(), SecretBox([EXPORT_KEY])
    async with (
        open_plans(store) as plans,
        recomputing(store, JOURNAL_KEY, clock=clock, log=log) as recomputations,
        sandbox(worker_count=1) as transforms,
        integrating(store, box, RULES, clock=clock, log=log) as desk,
    ):
        with ThreadPoolExecutor(2) as executor:
            server = new_server()
            health = new_health(server)
            calls = Calls(log, gate=Gatekeeper(authenticator, required_scopes(), anybody=anybody))
            catalogues = AccountCatalogues(plans, executor=executor)
            await add_core_services(
                server, catalogues, clock, health, calls=calls, executor=executor, log=log
            )
            services = new_services(
                Parts(
                    store=store,
                    authenticator=authenticator,
                    plans=plans,
                    journal_key=JOURNAL_KEY,
                    recomputations=recomputations,
                    clock=clock,
                    executor=executor,
                    history_days=HISTORY_DAYS,
                    sandbox=transforms,
                    secret_box=box,
                    rules=RULES,
                    desk=desk,
                    log_bell=bell,
                )
            )
            await add_services(server, health, calls, services)
            enable_reflection(server, (*CORE_SERVICE_NAMES, *SERVICE_NAMES))
            target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            try:
                async with grpc.aio.insecure_channel(target) as channel:
                    served = Served(
                        store,
                        channel,
                        target,
                        authenticator,
                        clock,
                        Caller(channel),
                        recomputations,
                        services,
                        plans,
                        calls,
                        bell,
                        box,
                        health,
                    )
                    owner = await served.caller(Scope.OWNER)
                    yield served._replace(owner=owner)
            finally:
                await server.stop(None)
