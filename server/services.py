"""The services that keep something, built over the parts that they share."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import NamedTuple

import grpc.aio
from grpc_health.v1 import health_pb2

from engine.rpc.calls import Calls
from engine.rpc.server import Health
from server.auth import Authenticator
from server.exports.log_bell import LogBell
from server.exports.network import Rules
from server.exports.secrets import SecretBox
from server.integrations.desk import Desk
from server.journal_key import JournalKey
from server.links import Links
from server.observability.checkout_counts import CheckoutCounts
from server.plans import Plans
from server.registers.recomputing import Recomputations
from server.rpc import (
    admin_service,
    catalog_service,
    checkout_service,
    export_service,
    integration_service,
    order_service,
    register_service,
    stock_service,
)
from server.rpc.admin_service import AdminService
from server.rpc.catalog_service import CatalogService
from server.rpc.checkout_service import CheckoutService
from server.rpc.export_preview_methods import Transformer
from server.rpc.export_service import ExportService
from server.rpc.integration_service import IntegrationService
from server.rpc.key_methods import KeyMethods
from server.rpc.order_service import OrderService
from server.rpc.register_service import RegisterService
from server.rpc.report_methods import CloseReportMethods, ReceiptMethods
from server.rpc.stock_service import StockService
from server.storage import Store


class Parts(NamedTuple):
    """What services are built over.

    Attributes:
        store: Keeps everything.
        authenticator: Knows the keys.
        plans: Told of every change that evaluation depends on.
        journal_key: Signs the journals.
        recomputations: Checks every register close.
        clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        executor: Evaluates, so that others do not wait.
        history_days: How long past revisions of the catalogue are kept.
        sandbox: Does transforms and reports.
        secret_box: Seals and opens the secrets of export queues.
        rules: What the operator allows of deliveries.
        desk: Asks integrations.
        checkout_counts: Counts the checkouts that are recorded, for whoever reads it.
        log_bell: Rings when this process has written to a log of exports.
        links: Signs links to receipts.
    """

    store: Store
    authenticator: Authenticator
    plans: Plans
    journal_key: JournalKey
    recomputations: Recomputations
    clock: Callable[[], int]
    executor: Executor
    history_days: int
    sandbox: Transformer
    secret_box: SecretBox
    rules: Rules
    desk: Desk
    checkout_counts: CheckoutCounts | None = None
    log_bell: LogBell | None = None
    links: Links | None = None


class Services(NamedTuple):
    """The services of one server; gRPC and HTTP have the same ones."""

    admin: AdminService
    catalog: CatalogService
    checkout: CheckoutService
    export: ExportService
    integration: IntegrationService
    order: OrderService
    register: RegisterService
    stock: StockService


SERVICE_NAMES = (
    admin_service.SERVICE_NAME,
    catalog_service.SERVICE_NAME,
    checkout_service.SERVICE_NAME,
    export_service.SERVICE_NAME,
    integration_service.SERVICE_NAME,
    order_service.SERVICE_NAME,
    register_service.SERVICE_NAME,
    stock_service.SERVICE_NAME,
)
"""The full names of the services."""


def new_services(parts: Parts) -> Services:
    """Return the services over their parts."""
    store, plans, clock = parts.store, parts.plans, parts.clock
    keys = KeyMethods(store, parts.authenticator, clock=clock)
    return Services(
        admin=AdminService(store, keys, plans, clock=clock),
        catalog=CatalogService(store, plans, clock=clock, history_days=parts.history_days),
        checkout=CheckoutService(
            store,
            plans,
            parts.journal_key,
            clock=clock,
            executor=parts.executor,
            counts=parts.checkout_counts,
            receipts=ReceiptMethods(store, parts.sandbox),
        ),
        export=ExportService(
            store,
            parts.secret_box,
            parts.sandbox,
            parts.rules,
            clock=clock,
            bell=parts.log_bell,
            links=parts.links,
        ),
        integration=IntegrationService(
            store, parts.secret_box, parts.rules, parts.desk, clock=clock
        ),
        order=OrderService(store, plans, clock=clock),
        register=RegisterService(
            store,
            parts.journal_key,
            parts.recomputations,
            clock=clock,
            reports=CloseReportMethods(store, parts.sandbox),
        ),
        stock=StockService(store, clock=clock),
    )


async def add_services(
    server: grpc.aio.Server, health: Health, calls: Calls, services: Services
) -> None:
    """Add the services to a server that has not started, and report each as serving.

    Args:
        server: The server.
        health: Reports each service.
        calls: Has the gate that asks for keys.
        services: The services.
    """
    server.add_generic_rpc_handlers(tuple(each.handler(calls) for each in services))
    for name in SERVICE_NAMES:
        await health.set(name, health_pb2.HealthCheckResponse.SERVING)
