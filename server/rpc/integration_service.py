"""Serve IntegrationService: the integrations of an account, and what tills ask of them."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from sqlalchemy import Connection, RowMapping

from engine.errors import NotFound, Reason, invalid
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour, Calls
from engine.rpc.convert.fields import Problems
from engine.strict_json import shown_text
from server.auth import current_principal
from server.exports.network import Rules
from server.exports.queue_changes import Office
from server.exports.secrets import SecretBox, SecretsError
from server.integrations.changes import change_integration, create_integration
from server.integrations.desk import Desk
from server.integrations.integration import Action, Integration
from server.integrations.sealing import open_secrets
from server.rpc.integration_lookup_methods import IntegrationLookupMethods
from server.rpc.integration_messages import (
    STATE_OF,
    call_to_proto,
    integration_from_proto,
    integration_to_proto,
    payment_to_proto,
)
from server.rpc.integration_payment_methods import IntegrationPaymentMethods
from server.rpc.pages import after_id, page_size, page_token
from server.rpc.request_ids import the_id
from server.storage import Store
from server.storage.integration_actions import ActionName, find_action, list_payments
from server.storage.integration_calls import list_calls
from server.storage.integration_tables import integration
from server.storage.integrations import delete_integration, get_integration
from server.storage.resources import Page, list_rows
from tillcore.v1 import integration_payment_pb2, integration_pb2, integration_service_pb2

Clock = Callable[[], int]

SERVICE_NAME: Final = integration_service_pb2.DESCRIPTOR.services_by_name[
    "IntegrationService"
].full_name


class IntegrationService:
    """Answer the methods of IntegrationService."""

    def __init__(
        self, store: Store, box: SecretBox, rules: Rules, desk: Desk, *, clock: Clock
    ) -> None:
        """Serve a store.

        Args:
            store: Keeps everything.
            box: Seals and opens the secrets of integrations.
            rules: What the operator allows of calls.
            desk: Asks integrations.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        """
        self._store = store
        self._box = box
        self._rules = rules
        self._desk = desk
        self._clock = clock
        self._payments = IntegrationPaymentMethods(desk)
        self._lookups = IntegrationLookupMethods(desk)

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the unary methods by their names."""
        return {
            "CreateIntegration": self.create_integration,
            "GetIntegration": self.get_integration,
            "ListIntegrations": self.list_integrations,
            "UpdateIntegration": self.update_integration,
            "DeleteIntegration": self.delete_integration,
            "ListIntegrationCalls": self.list_integration_calls,
            "ListIntegrationPayments": self.list_integration_payments,
            "GetIntegrationPayment": self.get_integration_payment,
            **self._payments.behaviours(),
            **self._lookups.behaviours(),
        }

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Return the handler of the service, for `add_generic_rpc_handlers`."""
        handlers = {name: calls.unary(name, each) for name, each in self.behaviours().items()}
        return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)

    # --- integrations ------------------------------------------------------------------------

    async def create_integration(self, data: bytes) -> bytes:
        """Answer a CreateIntegrationRequest."""
        request = parse(integration_pb2.CreateIntegrationRequest, data)
        value, sent = _integration(request)
        account_id, office = current_principal().account_id, self._office()

        def work(connection: Connection) -> tuple[RowMapping, bool]:
            return create_integration(connection, value, sent, account_id=account_id, office=office)

        # After a lost reply to COMMIT the store runs it again, which then finds the integration.
        row, is_replayed = await self._store.write(work, settled=lambda _: None)
        return _answer(
            integration_pb2.CreateIntegrationResponse,
            integration=self._to_proto(row),
            replayed=is_replayed,
        )

    async def get_integration(self, data: bytes) -> bytes:
        """Answer a GetIntegrationRequest."""
        request = parse(integration_pb2.GetIntegrationRequest, data)
        work = partial(
            get_integration,
            account_id=current_principal().account_id,
            integration_id=the_id(request, "integration_id"),
        )
        row = await self._store.read(work)
        return _answer(integration_pb2.GetIntegrationResponse, integration=self._to_proto(row))

    async def list_integrations(self, data: bytes) -> bytes:
        """Answer a ListIntegrationsRequest."""
        request = parse(integration_pb2.ListIntegrationsRequest, data)
        method, count = "ListIntegrations", page_size(request.page_size)
        after = after_id(request.page_token, method=method, conditions={})
        account_id = current_principal().account_id

        def work(connection: Connection) -> Page:
            return list_rows(
                connection,
                integration,
                account_id=account_id,
                conditions={},
                after_id=after,
                count=count,
            )

        page = await self._store.read(work)
        token = ""
        if page.has_more:
            token = page_token(page.rows[-1]["integration_id"], method=method, conditions={})
        return _answer(
            integration_pb2.ListIntegrationsResponse,
            integrations=map(self._to_proto, page.rows),
            next_page_token=token,
        )

    async def update_integration(self, data: bytes) -> bytes:
        """Answer an UpdateIntegrationRequest."""
        request = parse(integration_pb2.UpdateIntegrationRequest, data)
        value, sent = _integration(request)
        account_id, office = current_principal().account_id, self._office()

        def work(connection: Connection) -> RowMapping:
            return change_integration(
                connection,
                value,
                sent,
                account_id=account_id,
                revision=request.integration.revision,
                office=office,
            )

        row = await self._store.write(work)
        return _answer(integration_pb2.UpdateIntegrationResponse, integration=self._to_proto(row))

    async def delete_integration(self, data: bytes) -> bytes:
        """Answer a DeleteIntegrationRequest."""
        request = parse(integration_pb2.DeleteIntegrationRequest, data)
        work = partial(
            delete_integration,
            account_id=current_principal().account_id,
            integration_id=the_id(request, "integration_id"),
            revision=request.revision,
        )
        await self._store.write(work)
        return _answer(integration_pb2.DeleteIntegrationResponse)

    # --- what became of it -------------------------------------------------------------------

    async def list_integration_calls(self, data: bytes) -> bytes:
        """Answer a ListIntegrationCallsRequest."""
        request = parse(integration_pb2.ListIntegrationCallsRequest, data)
        problems = Problems()
        integration_id = problems.optional_id("", "integration_id", request.integration_id)
        problems.finish()
        method, count = "ListIntegrationCalls", page_size(request.page_size)
        conditions = {"integration_id": integration_id or ""}
        before = _before(after_id(request.page_token, method=method, conditions=conditions))
        await self._desk.log.write()
        work = partial(
            list_calls,
            account_id=current_principal().account_id,
            integration_id=integration_id,
            before_number=before,
            count=count + 1,
        )
        rows = await self._store.read(work)
        token = ""
        if len(rows) > count:
            last = str(rows[count - 1]["call_number"])
            token = page_token(last, method=method, conditions=conditions)
        return _answer(
            integration_pb2.ListIntegrationCallsResponse,
            calls=map(call_to_proto, rows[:count]),
            next_page_token=token,
        )

    async def list_integration_payments(self, data: bytes) -> bytes:
        """Answer a ListIntegrationPaymentsRequest."""
        request = parse(integration_payment_pb2.ListIntegrationPaymentsRequest, data)
        state = STATE_OF.get(request.state)
        if request.state and state is None:
            message = f"expected a value of the enum, was {request.state}"
            raise invalid("state", Reason.UNKNOWN_VALUE, message)
        method, count = "ListIntegrationPayments", page_size(request.page_size)
        conditions = {"state": state or ""}
        work = partial(
            list_payments,
            account_id=current_principal().account_id,
            state=state,
            after_id=after_id(request.page_token, method=method, conditions=conditions),
            count=count,
        )
        page = await self._store.read(work)
        token = ""
        if page.has_more:
            token = page_token(page.rows[-1]["action_id"], method=method, conditions=conditions)
        return _answer(
            integration_payment_pb2.ListIntegrationPaymentsResponse,
            payments=map(payment_to_proto, page.rows),
            next_page_token=token,
        )

    async def get_integration_payment(self, data: bytes) -> bytes:
        """Answer a GetIntegrationPaymentRequest."""
        request = parse(integration_payment_pb2.GetIntegrationPaymentRequest, data)
        payment_id, principal = the_id(request, "payment_id"), current_principal()
        name = ActionName(principal.account_id, Action.PAY.value, payment_id)
        row = await self._store.read(partial(find_action, name=name))
        if row is None:
            raise NotFound(f"expected the id of a payment, was {shown_text(payment_id)}")
        principal.check_register(row["register_id"])
        return _answer(
            integration_payment_pb2.GetIntegrationPaymentResponse, payment=payment_to_proto(row)
        )

    def _office(self) -> Office:
        return Office(self._box, self._rules, self._clock())

    def _to_proto(self, row: RowMapping) -> integration_pb2.Integration:
        """Return the message of a row; without names where its secrets cannot be opened."""
        names = {"account_id": row["account_id"], "integration_id": row["integration_id"]}
        try:
            secrets = open_secrets(self._box, row["secrets"], **names)
        except SecretsError:
            secrets = {}
        return integration_to_proto(row, secrets)


def _answer(kind: type[Any], **fields: Any) -> bytes:
    message: Message = kind(**fields)
    return message.SerializeToString()


def _integration(request: Any) -> tuple[Integration, dict[str, str]]:
    """Return the integration of a request and the secrets that were sent with it.

    Raises:
        InvalidInput: A field cannot be read; what it says is checked later.
    """
    problems = Problems()
    if not request.HasField("integration"):
        problems.required("integration", "an integration")
        problems.finish()
    value = integration_from_proto(request.integration, "integration", problems)
    problems.finish()
    return value, dict(request.integration.secrets)


def _before(last_id: str) -> int | None:
    """Return the number before which a page begins, None for the first page.

    Raises:
        InvalidInput: The token was made up.
    """
    if last_id and not (last_id.isascii() and last_id.isdigit() and len(last_id) < 19):
        expected = "expected the next_page_token of the same list, was another"
        raise invalid("page_token", Reason.MALFORMED, expected)
    return int(last_id) if last_id else None
