"""The methods of AdminService about keys and devices."""

from collections.abc import Callable
from functools import partial

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection, RowMapping
from sqlalchemy.exc import IntegrityError

from engine.errors import Conflict, InvalidInput, Reason
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.time import time_from_proto, time_to_proto
from server.auth import Authenticator, Scope, current_principal
from server.auth.keys import Key, code_sha256, new_code, new_key
from server.auth.scopes import KEY_SCOPES, NUMBERS, scopes_from_text, scopes_to_text
from server.rpc.pages import after_id, page_size, page_token
from server.rpc.request_ids import the_id
from server.storage import Store, account_tables, key_tables
from server.storage import keys as key_rows
from server.storage import resources as rows
from tillcore.v1 import admin_key_pb2

_SCOPE_OF = {NUMBERS[scope]: scope for scope in KEY_SCOPES}


class KeyMethods:
    """Make, list and revoke keys; enrol devices."""

    def __init__(
        self, store: Store, authenticator: Authenticator, *, clock: Callable[[], int]
    ) -> None:
        """Serve a store.

        Args:
            store: Keeps what is known of keys.
            authenticator: Forgets the keys that are revoked here.
            clock: The moment, in nanoseconds since 1970-01-01 UTC.
        """
        self._store = store
        self._authenticator = authenticator
        self._clock = clock

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the methods by their names."""
        return {
            "CreateApiKey": self.create_api_key,
            "ListApiKeys": self.list_api_keys,
            "RevokeApiKey": self.revoke_api_key,
            "CreateEnrolmentCode": self.create_enrolment_code,
            "EnrolDevice": self.enrol_device,
        }

    async def create_api_key(self, data: bytes) -> bytes:
        """Answer a CreateApiKeyRequest."""
        request = parse(admin_key_pb2.CreateApiKeyRequest, data)
        now_ns = self._clock()
        row = _row_of(request, now_ns)
        key = new_key()
        row |= {"account_id": current_principal().account_id, **_stored(key)}
        stored = await self._store.write(partial(key_rows.insert_key, row=row))
        return admin_key_pb2.CreateApiKeyResponse(
            key=key.text, api_key=_to_proto(stored)
        ).SerializeToString()

    async def list_api_keys(self, data: bytes) -> bytes:
        """Answer a ListApiKeysRequest."""
        request = parse(admin_key_pb2.ListApiKeysRequest, data)
        method = "ListApiKeys"
        account_id, count = current_principal().account_id, page_size(request.page_size)
        after = after_id(request.page_token, method=method, conditions={})
        page = await self._store.read(
            lambda c: rows.list_rows(
                c,
                key_tables.api_key,
                account_id=account_id,
                conditions={},
                after_id=after,
                count=count,
            )
        )
        token = ""
        if page.has_more:
            token = page_token(page.rows[-1]["key_id"], method=method, conditions={})
        return admin_key_pb2.ListApiKeysResponse(
            api_keys=map(_to_proto, page.rows), next_page_token=token
        ).SerializeToString()

    async def revoke_api_key(self, data: bytes) -> bytes:
        """Answer a RevokeApiKeyRequest."""
        request = parse(admin_key_pb2.RevokeApiKeyRequest, data)
        key_id = the_id(request, "api_key_id")
        account_id, now_ns = current_principal().account_id, self._clock()
        stored = await self._store.write(
            lambda c: key_rows.revoke_key(c, account_id=account_id, key_id=key_id, now_ns=now_ns)
        )
        self._authenticator.forget(key_id)
        return admin_key_pb2.RevokeApiKeyResponse(api_key=_to_proto(stored)).SerializeToString()

    async def create_enrolment_code(self, data: bytes) -> bytes:
        """Answer a CreateEnrolmentCodeRequest."""
        request = parse(admin_key_pb2.CreateEnrolmentCodeRequest, data)
        register_id = the_id(request, "register_id")
        account_id, now_ns = current_principal().account_id, self._clock()
        code = new_code()

        def work(connection: Connection) -> int:
            rows.get_row(
                connection, account_tables.register, account_id=account_id, row_id=register_id
            )
            return key_rows.insert_code(
                connection,
                account_id=account_id,
                register_id=register_id,
                code_sha256=code_sha256(code),
                now_ns=now_ns,
            )

        try:
            expires_ns = await self._store.write(work)
        except IntegrityError as error:
            raise Conflict("the register was removed meanwhile") from error
        return admin_key_pb2.CreateEnrolmentCodeResponse(
            code=code, expire_time=time_to_proto(expires_ns)
        ).SerializeToString()

    async def enrol_device(self, data: bytes) -> bytes:
        """Answer an EnrolDeviceRequest, which brings no key."""
        request = parse(admin_key_pb2.EnrolDeviceRequest, data)
        problems = Problems()
        if not request.code:
            problems.required("code", "a code")
        name = problems.text_at("name", request.name)
        problems.finish()
        now_ns = self._clock()
        key = new_key()

        def work(connection: Connection) -> RowMapping:
            code = key_rows.use_code(
                connection, code_sha256=code_sha256(request.code), now_ns=now_ns
            )
            device = {
                "account_id": code["account_id"],
                "register_id": code["register_id"],
                "name": name,
                "scopes": scopes_to_text([Scope.REGISTER]),
                "created_ns": now_ns,
            }
            return key_rows.insert_key(connection, device | _stored(key))

        stored = await self._store.write(work)
        return admin_key_pb2.EnrolDeviceResponse(
            key=key.text, api_key=_to_proto(stored), account_id=stored["account_id"]
        ).SerializeToString()


def _row_of(request: admin_key_pb2.CreateApiKeyRequest, now_ns: int) -> dict[str, object]:
    """Return what a request says of a key, checked."""
    problems = Problems()
    if not request.name:
        problems.required("name", "a name that tells people what the key is for")
    problems.text_at("name", request.name)
    if not request.scopes:
        problems.required("scopes", "at least one scope")
    known = ", ".join(f"SCOPE_{scope.name}" for scope in KEY_SCOPES)
    scopes = []
    for index, number in enumerate(request.scopes):
        if number in _SCOPE_OF:
            scopes.append(_SCOPE_OF[number])
        else:
            message = f"expected one of {known}, was {number}"
            problems.add(f"scopes[{index}]", Reason.UNKNOWN_VALUE, message)
    expires_ns = None
    if request.HasField("expire_time"):
        expires_ns = _future(request.expire_time, "expire_time", problems, now_ns=now_ns)
    problems.finish()
    return {
        "name": request.name,
        "scopes": scopes_to_text(set(scopes)),
        "created_ns": now_ns,
        "expires_ns": expires_ns,
    }


def _future(message: Timestamp, field: str, problems: Problems, *, now_ns: int) -> int:
    """Return a moment that is still to come."""
    inner = Problems()
    moment_ns = time_from_proto(message, "", "", inner)
    try:
        inner.finish()
    except InvalidInput as error:
        problems.add(field, error.problems[0].reason, error.problems[0].message)
    else:
        if moment_ns <= now_ns:
            expected = "expected a moment in the future, was a past one"
            problems.add(field, Reason.OUT_OF_BOUNDS, expected)
    return moment_ns


def _stored(key: Key) -> dict[str, object]:
    """Return what the store keeps of a key."""
    return {"key_id": key.key_id, "secret_sha256": key.secret_sha256}


def _to_proto(row: RowMapping) -> admin_key_pb2.ApiKey:
    moments = {
        "create_time": row["created_ns"],
        "expire_time": row["expires_ns"],
        "revoke_time": row["revoked_ns"],
        "last_use_time": row["last_used_ns"],
    }
    return admin_key_pb2.ApiKey(
        id=row["key_id"],
        name=row["name"],
        scopes=sorted(NUMBERS[scope] for scope in scopes_from_text(row["scopes"])),
        register_id=row["register_id"] or "",
        last_use_address=row["last_used_address"] or "",
        **{name: time_to_proto(ns) for name, ns in moments.items() if ns is not None},
    )
