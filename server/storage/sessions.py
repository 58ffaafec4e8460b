"""Read and write the sessions of the back office, and the links that begin one."""

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, RowMapping, and_, delete, or_, select, update

from engine.errors import Unauthenticated
from server.storage.account_tables import account
from server.storage.key_tables import api_key
from server.storage.resources import get_row
from server.storage.session_tables import back_office_link, back_office_session

_NS_PER_HOUR: Final = 3600 * 10**9
IDLE_NS: Final = 12 * _NS_PER_HOUR
"""How long a session lasts that nobody uses."""

LIFE_NS: Final = 7 * 24 * _NS_PER_HOUR
"""How long a session lasts that is used all the time."""

LINK_NS: Final = 24 * _NS_PER_HOUR
"""How long a link can be used."""

SESSIONS_MAX: Final = 200
"""How many sessions an account has at most; the one that was not used for longest ends."""


class NewSession(NamedTuple):
    """A session that begins.

    Attributes:
        account_id: Whose account it opens.
        session_sha256: Of the text in the cookie.
        key_id: The key that signed in; None for a link.
        scopes: What it may do, as the store keeps those of keys.
        address: Where it was begun from.
        agent: What the browser calls itself.
    """

    account_id: str
    session_sha256: bytes
    key_id: str | None
    scopes: str
    address: str
    agent: str


def insert_session(connection: Connection, session: NewSession, *, now_ns: int) -> None:
    """Store a session that begins; those that have ended are removed."""
    table = back_office_session
    connection.execute(delete(table).where(_has_ended(now_ns)))
    own = select(table.c.session_sha256).where(table.c.account_id == session.account_id)
    latest = own.order_by(table.c.last_used_ns.desc()).offset(SESSIONS_MAX - 1)
    # SQLite takes no offset without a limit.
    excess = list(connection.execute(latest.limit(SESSIONS_MAX)).scalars())
    if excess:
        connection.execute(
            delete(table).where(
                table.c.account_id == session.account_id, table.c.session_sha256.in_(excess)
            )
        )
    row = {**session._asdict(), "created_ns": now_ns, "last_used_ns": now_ns}
    connection.execute(table.insert().values(**row, expires_ns=now_ns + LIFE_NS))


def find_session(
    connection: Connection, session_sha256: bytes, *, now_ns: int
) -> RowMapping | None:
    """Return the session of whichever account, None when there is none that lasts.

    A session that a key has begun ends with its key.
    """
    table = back_office_session
    signed_in_by = and_(
        api_key.c.account_id == table.c.account_id, api_key.c.key_id == table.c.key_id
    )
    is_good = and_(
        api_key.c.revoked_ns.is_(None),
        or_(api_key.c.expires_ns.is_(None), api_key.c.expires_ns > now_ns),
    )
    statement = (
        select(table)
        .select_from(table.outerjoin(api_key, signed_in_by))
        .where(
            table.c.session_sha256 == session_sha256,
            ~_has_ended(now_ns),
            or_(table.c.key_id.is_(None), and_(api_key.c.key_id.is_not(None), is_good)),
        )
    )
    return connection.execute(statement).mappings().first()


def touch_session(
    connection: Connection, session_sha256: bytes, *, account_id: str, now_ns: int
) -> None:
    """Note that a session is used."""
    connection.execute(
        update(back_office_session)
        .where(_is(account_id, session_sha256))
        .values(last_used_ns=now_ns)
    )


def end_session(connection: Connection, session_sha256: bytes, *, account_id: str) -> bool:
    """End a session of an account; return whether there was one."""
    statement = delete(back_office_session).where(_is(account_id, session_sha256))
    return connection.execute(statement).rowcount > 0


def list_sessions(connection: Connection, *, account_id: str, now_ns: int) -> list[RowMapping]:
    """Return the sessions of an account that last, the one used last first."""
    table = back_office_session
    statement = select(table).where(table.c.account_id == account_id, ~_has_ended(now_ns))
    ordered = statement.order_by(table.c.last_used_ns.desc(), table.c.session_sha256)
    return list(connection.execute(ordered).mappings())


def accounts_without_session(connection: Connection, *, now_ns: int, count: int) -> list[str]:
    """Return accounts that nobody is signed in to, in the order of their ids."""
    table = back_office_session
    lasting = select(table.c.account_id).where(
        table.c.account_id == account.c.account_id, ~_has_ended(now_ns)
    )
    statement = select(account.c.account_id).where(~lasting.exists())
    return list(connection.execute(statement.order_by(account.c.account_id).limit(count)).scalars())


def purge(connection: Connection, *, now_ns: int) -> bool:
    """Remove the sessions and the links that have ended; there are no more then."""
    connection.execute(delete(back_office_session).where(_has_ended(now_ns)))
    connection.execute(delete(back_office_link).where(back_office_link.c.expires_ns <= now_ns))
    return False


# --- links -----------------------------------------------------------------------------------


def insert_link(
    connection: Connection, *, account_id: str, link_sha256: bytes, now_ns: int
) -> None:
    """Store a link of an account in place of the one before.

    Raises:
        NotFound: There is no such account.
    """
    get_row(connection, account, account_id=account_id, row_id=account_id)
    table = back_office_link
    connection.execute(
        delete(table).where(or_(table.c.account_id == account_id, table.c.expires_ns <= now_ns))
    )
    row = {"account_id": account_id, "link_sha256": link_sha256}
    connection.execute(table.insert().values(**row, created_ns=now_ns, expires_ns=now_ns + LINK_NS))


def use_link(connection: Connection, link_sha256: bytes, *, now_ns: int) -> str:
    """Use a link up, and return the account that it opens.

    Raises:
        Unauthenticated: There is no such link, it has expired, or it was used.
    """
    table = back_office_link
    used = delete(table).where(table.c.link_sha256 == link_sha256, table.c.expires_ns > now_ns)
    found: str | None = connection.execute(used.returning(table.c.account_id)).scalar()
    if found is None:
        raise Unauthenticated("expected a link that was not used and has not expired, was none")
    return found


def _has_ended(now_ns: int) -> Any:
    table = back_office_session
    return or_(table.c.expires_ns <= now_ns, table.c.last_used_ns <= now_ns - IDLE_NS)


def _is(account_id: str, session_sha256: bytes) -> Any:
    table = back_office_session
    return and_(table.c.account_id == account_id, table.c.session_sha256 == session_sha256)
