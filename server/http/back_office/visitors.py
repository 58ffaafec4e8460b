"""Know who is in front of a page: the cookie of a session, and the token that forms carry."""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from functools import partial
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from engine.errors import PermissionDenied, Unauthenticated
from server.auth import Principal, Scope
from server.auth.scopes import scopes_from_text, scopes_to_text
from server.http.gate import address_of
from server.http.own_site import is_own_site
from server.http.tools import HttpTools
from server.storage import sessions

SESSION_COOKIE: Final = "tillcore_office"
VISITOR_COOKIE: Final = "tillcore_visitor"
"""Stands for somebody who is not signed in, so that no other site can post the form."""

CSRF_FIELD: Final = "csrf"
PATH: Final = "/back-office"

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_TOKEN_BYTES: Final = 32
_PURPOSE: Final = b"tillcore forms 1"
_TOUCH_NS: Final = 300 * 10**9
"""How exact the last use of a session is kept: not every page is a write."""

_AGENT_CHARACTERS_MAX: Final = 200
OFFICE_SCOPES: Final = frozenset({Scope.READ, Scope.IMPORT, Scope.EXPORT_ADMIN, Scope.OWNER})
"""One of them opens the back office."""


class Visitor(NamedTuple):
    """Who asks for a page.

    Attributes:
        token: The text in the cookie.
        is_new: Whether the browser does not have it yet.
        principal: Whom it stands for; None for nobody.
        is_session: Whether somebody has signed in; everybody under `--demo` has not.
    """

    token: str
    is_new: bool
    principal: Principal | None
    is_session: bool

    @property
    def csrf(self) -> str:
        """What the forms of this visitor carry; it tells nothing of the cookie."""
        digest = hmac.digest(self.token.encode(), _PURPOSE, hashlib.sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")


def sha256(token: str) -> bytes:
    """Return what the store keeps of a random text."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    """Return a text of 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


async def visitor_of(tools: HttpTools, request: Request) -> Visitor:
    """Return who asks for a page.

    Raises:
        StoreUnavailable: The session could not be looked up.
    """
    token = request.cookies.get(SESSION_COOKIE, "")
    if _TOKEN.fullmatch(token):
        principal = await _signed_in(tools, token)
        if principal is not None:
            return Visitor(token, is_new=False, principal=principal, is_session=True)
    known = request.cookies.get(VISITOR_COOKIE, "")
    is_new = not _TOKEN.fullmatch(known)
    everybody = await _anybody(tools, request)
    return Visitor(new_token() if is_new else known, is_new, everybody, is_session=False)


async def _signed_in(tools: HttpTools, token: str) -> Principal | None:
    now_ns, digest = tools.clock(), sha256(token)
    row = await tools.store.read(
        partial(sessions.find_session, session_sha256=digest, now_ns=now_ns)
    )
    if row is None:
        return None
    if now_ns - row["last_used_ns"] > _TOUCH_NS:
        touch = partial(
            sessions.touch_session,
            session_sha256=digest,
            account_id=row["account_id"],
            now_ns=now_ns,
        )
        await tools.store.write(touch)
    return Principal(
        account_id=row["account_id"],
        scopes=scopes_from_text(row["scopes"]),
        key_id=row["key_id"] or "",
    )


async def _anybody(tools: HttpTools, request: Request) -> Principal | None:
    """Return who requests without a key come from; a header with a key opens no pages."""
    if "authorization" in request.headers:
        return None
    try:
        # Forms of pages have a token, which is checked beside the site that they come from.
        return await tools.gate.let_in(request, OFFICE_SCOPES, is_write=False)
    except (Unauthenticated, PermissionDenied):
        return None


async def begin_session(
    tools: HttpTools,
    request: Request,
    *,
    account_id: str,
    key_id: str | None,
    scopes: frozenset[Scope],
) -> str:
    """Store a session that begins now, and return the text of its cookie.

    It is always a new one: what somebody else put into the browser before is worth nothing.
    """
    token = new_token()
    begun = sessions.NewSession(
        account_id=account_id,
        session_sha256=sha256(token),
        key_id=key_id,
        scopes=scopes_to_text(scopes),
        address=address_of(request),
        agent=request.headers.get("user-agent", "")[:_AGENT_CHARACTERS_MAX],
    )
    now_ns = tools.clock()
    await tools.store.write(partial(sessions.insert_session, session=begun, now_ns=now_ns))
    return token


async def end_session(tools: HttpTools, account_id: str, session_sha256: bytes) -> bool:
    """End a session of an account; return whether there was one."""
    ending = partial(sessions.end_session, session_sha256=session_sha256, account_id=account_id)
    return await tools.store.write(ending)


def set_cookie(response: Response, name: str, value: str, *, is_secure: bool) -> None:
    """Give the browser a cookie that no script and no other site gets; empty takes it away."""
    response.set_cookie(
        name,
        value,
        max_age=None if value else 0,
        path="/",
        secure=is_secure,
        httponly=True,
        samesite="strict",
    )


def check_own_form(request: Request, visitor: Visitor, token: str) -> None:
    """Refuse a form that does not come from a page of ours that this visitor got.

    Raises:
        PermissionDenied: It does not.
    """
    if not hmac.compare_digest(visitor.csrf.encode(), token.encode()):
        raise PermissionDenied("expected a form of this page, was another; load the page again")
    check_own_site(request)


def check_own_site(request: Request) -> None:
    """Refuse what another site sends, as far as the browser says so.

    Raises:
        PermissionDenied: It says so.
    """
    if not is_own_site(request.headers):
        raise PermissionDenied("expected a form of this site, was one of another")
