"""Serve AdminService: the account of the caller, what it consists of, its keys."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError

from engine.errors import Conflict, NotFound, Reason, WrongState, invalid
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour, Calls
from engine.rpc.convert.fields import Problems
from engine.strict_json import shown_text
from server.auth import current_principal
from server.catalog.settings import CHANGING, prepare_removal, record_change
from server.plans import Plans
from server.rpc.admin_resources import ACCOUNT, OUTPUT_ONLY, RESOURCES, Resource, Values
from server.rpc.key_methods import KeyMethods
from server.rpc.pages import after_id, page_size, page_token
from server.rpc.request_ids import the_id
from server.storage import Connection, Store
from server.storage import resources as rows
from tillcore.v1 import admin_account_pb2, admin_service_pb2

Clock = Callable[[], int]

SERVICE_NAME: Final = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name


class AdminService:
    """Manage the account of the caller."""

    def __init__(self, store: Store, keys: KeyMethods, plans: Plans, *, clock: Clock) -> None:
        """Serve a store.

        Args:
            store: Keeps everything.
            keys: The methods about keys and devices.
            plans: Told of what evaluation depends on.
            clock: The moment of changes, in nanoseconds since 1970-01-01 UTC.
        """
        self._store = store
        self._keys = keys
        self._plans = plans
        self._clock = clock

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Return the handler of the service, for `add_generic_rpc_handlers`."""
        methods: dict[str, Behaviour] = {
            "GetAccount": self.get_account,
            "UpdateAccount": self.update_account,
            **self._keys.behaviours(),
        }
        for resource in RESOURCES:
            camel = resource.camel
            methods |= {
                f"Create{camel}": partial(self.create, resource),
                f"Get{camel}": partial(self.get, resource),
                f"List{camel}s": partial(self.list, resource),
                f"Update{camel}": partial(self.update, resource),
                f"Delete{camel}": partial(self.delete, resource),
            }
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME, {name: calls.unary(name, each) for name, each in methods.items()}
        )

    async def get_account(self, data: bytes) -> bytes:
        """Answer a GetAccountRequest."""
        parse(admin_account_pb2.GetAccountRequest, data)
        account_id = current_principal().account_id
        row = await self._store.read(
            lambda c: rows.get_row(c, ACCOUNT.table, account_id=account_id, row_id=account_id)
        )
        return _answer(admin_account_pb2.GetAccountResponse, account=ACCOUNT.write(row))

    async def update_account(self, data: bytes) -> bytes:
        """Answer an UpdateAccountRequest."""
        request = parse(admin_account_pb2.UpdateAccountRequest, data)
        account_id = current_principal().account_id
        if request.account.id not in ("", account_id):
            was = shown_text(request.account.id)
            raise NotFound(f"account.id: expected the account of the key, was {was}")
        request.account.id = account_id
        row = await self._update(ACCOUNT, request.account, request.update_mask, row_id=account_id)
        return _answer(admin_account_pb2.UpdateAccountResponse, account=ACCOUNT.write(row))

    async def create(self, resource: Resource, data: bytes) -> bytes:
        """Answer a Create request."""
        request = parse(resource.message(f"Create{resource.camel}Request"), data)
        values = _values(resource, _required(request, resource.noun))
        account_id, now_ns = current_principal().account_id, self._clock()

        def work(connection: Connection) -> tuple[RowMapping, bool]:
            _check_parent(connection, resource, values, account_id=account_id)
            row, is_replayed = rows.create_row(
                connection, resource.table, account_id=account_id, values=values, now_ns=now_ns
            )
            record_change(connection, row, noun=resource.noun, now_ns=now_ns)
            return row, is_replayed

        try:
            row, is_replayed = await self._store.write(work)
        except IntegrityError as error:
            raise Conflict("what it belongs to was removed meanwhile") from error
        await self._tell(resource)
        kind = resource.message(f"Create{resource.camel}Response")
        return _answer(kind, **{resource.noun: resource.write(row), "replayed": is_replayed})

    async def get(self, resource: Resource, data: bytes) -> bytes:
        """Answer a Get request."""
        request = parse(resource.message(f"Get{resource.camel}Request"), data)
        row_id = the_id(request, f"{resource.noun}_id")
        account_id = current_principal().account_id
        row = await self._store.read(
            lambda c: rows.get_row(c, resource.table, account_id=account_id, row_id=row_id)
        )
        kind = resource.message(f"Get{resource.camel}Response")
        return _answer(kind, **{resource.noun: resource.write(row)})

    async def list(self, resource: Resource, data: bytes) -> bytes:
        """Answer a List request."""
        method = f"List{resource.camel}s"
        request = parse(resource.message(f"{method}Request"), data)
        account_id, count = current_principal().account_id, page_size(request.page_size)
        parent_id = getattr(request, resource.parent.column) if resource.parent else ""
        conditions = {resource.parent.column: parent_id} if resource.parent and parent_id else {}
        after = after_id(request.page_token, method=method, conditions=conditions)

        def work(connection: Connection) -> rows.Page:
            _check_parent(connection, resource, conditions, account_id=account_id)
            return rows.list_rows(
                connection,
                resource.table,
                account_id=account_id,
                conditions=conditions,
                after_id=after,
                count=count,
            )

        page = await self._store.read(work)
        token = ""
        if page.has_more:
            last_id = page.rows[-1][rows.id_column(resource.table).name]
            token = page_token(last_id, method=method, conditions=conditions)
        listed = {f"{resource.noun}s": map(resource.write, page.rows)}
        return _answer(resource.message(f"{method}Response"), **listed, next_page_token=token)

    async def update(self, resource: Resource, data: bytes) -> bytes:
        """Answer an Update request."""
        request = parse(resource.message(f"Update{resource.camel}Request"), data)
        message = _required(request, resource.noun)
        row_id = _id_of(resource, message)
        row = await self._update(resource, message, request.update_mask, row_id=row_id)
        kind = resource.message(f"Update{resource.camel}Response")
        return _answer(kind, **{resource.noun: resource.write(row)})

    async def _update(
        self, resource: Resource, message: Any, mask: FieldMask, *, row_id: str
    ) -> RowMapping:
        account_id, now_ns = current_principal().account_id, self._clock()
        names = _masked(resource, mask.paths)

        def work(connection: Connection) -> RowMapping:
            known = rows.get_row(
                connection, resource.table, account_id=account_id, row_id=row_id, is_locked=True
            )
            rows.check_revision(known, message.revision)
            values = _values(resource, _merged(resource.write(known), message, names))
            _check_fixed(resource, known, values)
            row = rows.update_row(connection, resource.table, known, values=values, now_ns=now_ns)
            record_change(connection, row, noun=resource.noun, now_ns=now_ns)
            return row

        row = await self._store.write(work)
        await self._tell(resource)
        return row

    async def delete(self, resource: Resource, data: bytes) -> bytes:
        """Answer a Delete request."""
        request = parse(resource.message(f"Delete{resource.camel}Request"), data)
        row_id = the_id(request, f"{resource.noun}_id")
        account_id, now_ns = current_principal().account_id, self._clock()

        def work(connection: Connection) -> None:
            known = rows.get_row(
                connection, resource.table, account_id=account_id, row_id=row_id, is_locked=True
            )
            rows.check_revision(known, request.revision)
            prepare_removal(connection, known, noun=resource.noun)
            rows.delete_row(connection, resource.table, known)
            if resource.noun != "market":
                record_change(connection, known, noun=resource.noun, now_ns=now_ns)

        try:
            await self._store.write(work)
        except IntegrityError as error:
            noun = resource.noun.replace("_", " ")
            was = shown_text(row_id)
            expected = f"expected a {noun} that nothing refers to"
            raise WrongState(f"{expected}, was {was}, which is still in use") from error
        await self._tell(resource)
        return _answer(resource.message(f"Delete{resource.camel}Response"))

    async def _tell(self, resource: Resource) -> None:
        """Let the next evaluation be under what was changed."""
        if resource.noun in CHANGING:
            await self._plans.changed(current_principal().account_id)


def _answer(kind: type[Any], **fields: Any) -> bytes:
    message: Message = kind(**fields)
    return message.SerializeToString()


def _required(request: Any, name: str) -> Any:
    """Return a message inside a request, which has to be there."""
    if not request.HasField(name):
        raise invalid(name, Reason.REQUIRED, "expected a value, was absent")
    return getattr(request, name)


def _values(resource: Resource, message: Any) -> Values:
    """Return the values of a row, or raise InvalidInput with every bad field."""
    problems = Problems()
    values = resource.read(message, resource.noun, problems)
    problems.finish()
    return values


def _id_of(resource: Resource, message: Any) -> str:
    """Return the id of what an update changes; the rest of the message need not be whole."""
    values = resource.read(message, resource.noun, Problems())
    row_id = str(values[rows.id_column(resource.table).name])
    problems = Problems()
    problems.required_id(resource.noun, resource.id_field, row_id)
    problems.finish()
    return row_id


def _masked(resource: Resource, paths: Iterable[str]) -> frozenset[str]:
    """Return the fields that an update changes; all that a caller can set when it names none."""
    known = [field.name for field in resource.kind.DESCRIPTOR.fields]
    settable = frozenset(known) - OUTPUT_ONLY
    problems = Problems()
    for index, path in enumerate(paths):
        if path not in settable:
            expected = "expected one of " + ", ".join(sorted(settable))
            message = f"{expected}, was {shown_text(path)}"
            problems.add(f"update_mask.paths[{index}]", Reason.UNKNOWN_VALUE, message)
    problems.finish()
    return frozenset(paths) or settable


def _merged(known: Any, sent: Any, names: frozenset[str]) -> Any:
    """Return the known message with some of its fields as they were sent."""
    for field in known.DESCRIPTOR.fields:
        if field.name not in names:
            continue
        known.ClearField(field.name)
        if not field.has_presence:
            setattr(known, field.name, getattr(sent, field.name))
        elif sent.HasField(field.name):
            getattr(known, field.name).CopyFrom(getattr(sent, field.name))
    return known


def _check_parent(
    connection: Connection, resource: Resource, values: Any, *, account_id: str
) -> None:
    """Refuse a row that belongs to what the account does not have."""
    if resource.parent is None or resource.parent.column not in values:
        return
    column, table = resource.parent
    rows.get_row(connection, table, account_id=account_id, row_id=values[column])


def _check_fixed(resource: Resource, known: RowMapping, values: Values) -> None:
    """Refuse to change what never changes."""
    problems = Problems()
    for column, field in resource.fixed.items():
        if known[column] != values[column]:
            message = f"expected {known[column]} as before, was {shown_text(values[column])}"
            problems.add(f"{resource.noun}.{field}", Reason.NOT_ALLOWED, message)
    problems.finish()
