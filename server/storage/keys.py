"""Read and write keys and enrolment codes."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, select, update

from engine.errors import NotFound, Unauthenticated
from engine.strict_json import shown_text
from server.storage.key_tables import api_key, enrolment_code

CODE_SECONDS: Final = 600
"""How long a code enrols a device."""

_NS_PER_SECOND = 1_000_000_000


def find_by_key_id(connection: Connection, key_id: str) -> RowMapping | None:
    """Return the key of whichever account, or None: the one look-up before an account is known."""
    return connection.execute(select(api_key).where(api_key.c.key_id == key_id)).mappings().first()


def insert_key(connection: Connection, row: Mapping[str, Any]) -> RowMapping:
    """Store a key and return its row."""
    connection.execute(api_key.insert().values(**row))
    return get_key(connection, account_id=row["account_id"], key_id=row["key_id"])


def get_key(connection: Connection, *, account_id: str, key_id: str) -> RowMapping:
    """Return a key of an account.

    Raises:
        NotFound: The account has no such key.
    """
    found = (
        connection.execute(
            select(api_key).where(api_key.c.account_id == account_id, api_key.c.key_id == key_id)
        )
        .mappings()
        .first()
    )
    if found is None:
        raise NotFound(f"expected the id of an api key, was {shown_text(key_id)}")
    return found


def revoke_key(connection: Connection, *, account_id: str, key_id: str, now_ns: int) -> RowMapping:
    """Revoke a key of an account for good; one that is revoked already keeps its moment.

    Raises:
        NotFound: The account has no such key.
    """
    connection.execute(
        update(api_key)
        .where(
            api_key.c.account_id == account_id,
            api_key.c.key_id == key_id,
            api_key.c.revoked_ns.is_(None),
        )
        .values(revoked_ns=now_ns)
    )
    return get_key(connection, account_id=account_id, key_id=key_id)


def record_use(
    connection: Connection, *, account_id: str, key_id: str, used_ns: int, address: str
) -> None:
    """Note when and from where a key was used last."""
    connection.execute(
        update(api_key)
        .where(api_key.c.account_id == account_id, api_key.c.key_id == key_id)
        .values(last_used_ns=used_ns, last_used_address=address)
    )


def insert_code(
    connection: Connection, *, account_id: str, register_id: str, code_sha256: bytes, now_ns: int
) -> int:
    """Store a code for a register and return when it expires; codes long past are removed."""
    connection.execute(
        delete(enrolment_code).where(
            enrolment_code.c.account_id == account_id, enrolment_code.c.expires_ns < now_ns
        )
    )
    expires_ns = now_ns + CODE_SECONDS * _NS_PER_SECOND
    connection.execute(
        enrolment_code.insert().values(
            account_id=account_id,
            code_sha256=code_sha256,
            register_id=register_id,
            created_ns=now_ns,
            expires_ns=expires_ns,
        )
    )
    return expires_ns


def use_code(connection: Connection, *, code_sha256: bytes, now_ns: int) -> RowMapping:
    """Use a code up and return its row, with the account and the register that it stands for.

    Raises:
        Unauthenticated: There is no such code, it has expired, or it was used.
    """
    used = connection.execute(
        update(enrolment_code)
        .where(
            enrolment_code.c.code_sha256 == code_sha256,
            enrolment_code.c.used_ns.is_(None),
            enrolment_code.c.expires_ns > now_ns,
        )
        .values(used_ns=now_ns)
        .returning(enrolment_code)
    )
    found = used.mappings().first()
    if found is None:
        raise Unauthenticated("expected a code that was not used and has not expired, was none")
    return found
