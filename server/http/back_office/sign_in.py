"""Sign in with a key or a one-time link, sign out, and end other sessions."""

import re
from collections import OrderedDict
from functools import partial
from typing import Final

from starlette.responses import RedirectResponse, Response

from engine.errors import (
    NotFound,
    Overloaded,
    PermissionDenied,
    Unauthenticated,
)
from server.auth import Scope
from server.auth.scopes import scopes_from_text
from server.http.back_office import words
from server.http.back_office.office import LANGUAGE_COOKIE, Desk
from server.http.back_office.visitors import (
    OFFICE_SCOPES,
    PATH,
    SESSION_COOKIE,
    begin_session,
    end_session,
    set_cookie,
    sha256,
)
from server.http.errors import status_of
from server.http.gate import address_of
from server.storage import sessions

FAILURES_MAX: Final = 10
"""How many wrong keys an address may send in a quarter of an hour."""

_WINDOW_NS: Final = 900 * 10**9
_ADDRESSES_MAX: Final = 10_000
_NEXT: Final = re.compile(rf"{PATH}/[A-Za-z0-9/_.-]*(?:\?[A-Za-z0-9%&=+_.~-]*)?")
_SHA256: Final = re.compile("[0-9a-f]{64}")


class Failures:
    """Counts the wrong keys of each address, in memory."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def check(self, address: str, *, now_ns: int) -> None:
        """Refuse an address that has sent too many.

        Raises:
            Overloaded: It has.
        """
        count, since_ns = self._counts.get(address, (0, now_ns))
        if count >= FAILURES_MAX and now_ns - since_ns < _WINDOW_NS:
            raise Overloaded(f"expected at most {FAILURES_MAX} wrong keys in 15 minutes, was more")

    def add(self, address: str, *, now_ns: int) -> None:
        """Count a wrong key."""
        count, since_ns = self._counts.pop(address, (0, now_ns))
        if now_ns - since_ns >= _WINDOW_NS:
            count, since_ns = 0, now_ns
        self._counts[address] = (count + 1, since_ns)
        if len(self._counts) > _ADDRESSES_MAX:
            self._counts.popitem(last=False)


async def show_sign_in(desk: Desk) -> Response:
    """Show the form that asks for a key."""
    if desk.visitor.is_session:
        return desk.see("")
    return desk.page("sign_in.html.jinja", next=_next(desk.query("next")), wrong="")


async def sign_in(desk: Desk, failures: Failures) -> Response:
    """Begin a session with a key of the account, which then may do what the key may."""
    address, now_ns = address_of(desk.request), desk.tools.clock()
    next_path = _next(desk.form.text("next"))
    try:
        failures.check(address, now_ns=now_ns)
        key = desk.form.text("key")
        if not key or "authorization" in desk.request.headers:
            raise Unauthenticated("expected a key, was absent")
        principal = await desk.tools.gate.let_in(desk.request, OFFICE_SCOPES, query_key=key)
        if principal.register_id is not None:
            raise PermissionDenied("expected the key of an integration or an owner, was a till's")
    except (Unauthenticated, PermissionDenied, Overloaded) as error:
        if not isinstance(error, Overloaded):
            failures.add(address, now_ns=now_ns)
        word = "too_many_keys" if isinstance(error, Overloaded) else "wrong_key"
        return desk.page(
            "sign_in.html.jinja", status=status_of(error), next=next_path, wrong=desk.word(word)
        )
    return await _begin(
        desk,
        next_path,
        account_id=principal.account_id,
        key_id=principal.key_id,
        scopes=principal.scopes,
    )


async def _begin(
    desk: Desk, next_path: str, *, account_id: str, key_id: str | None, scopes: frozenset[Scope]
) -> Response:
    if desk.visitor.is_session:
        await end_session(desk.tools, desk.account_id, sha256(desk.visitor.token))
    token = await begin_session(
        desk.tools, desk.request, account_id=account_id, key_id=key_id, scopes=scopes
    )
    answer = RedirectResponse(next_path, 303, {"cache-control": "no-store"})
    set_cookie(answer, SESSION_COOKIE, token, is_secure=desk.is_secure)
    return answer


async def show_link(desk: Desk) -> Response:
    """Ask whoever opened a one-time link to go on: looking at it does not use it up."""
    return desk.page("link.html.jinja", token=desk.query("token"))


async def use_link(desk: Desk, failures: Failures) -> Response:
    """Begin the session of an owner with a one-time link."""
    address, now_ns = address_of(desk.request), desk.tools.clock()
    failures.check(address, now_ns=now_ns)
    digest = sha256(desk.form.text("token"))
    try:
        account_id = await desk.tools.store.write(
            partial(sessions.use_link, link_sha256=digest, now_ns=now_ns)
        )
    except Unauthenticated:
        failures.add(address, now_ns=now_ns)
        raise
    return await _begin(
        desk, f"{PATH}/", account_id=account_id, key_id=None, scopes=frozenset({Scope.OWNER})
    )


async def sign_out(desk: Desk) -> Response:
    """End the session of this browser."""
    if desk.visitor.is_session:
        await end_session(desk.tools, desk.account_id, sha256(desk.visitor.token))
    answer = desk.see("sign-in", done="signed_out")
    set_cookie(answer, SESSION_COOKIE, "", is_secure=desk.is_secure)
    return answer


async def list_sessions(desk: Desk) -> Response:
    """Show who is signed in: an owner sees all, others their own."""
    listing = partial(sessions.list_sessions, account_id=desk.account_id, now_ns=desk.tools.clock())
    own = sha256(desk.visitor.token)
    is_owner = Scope.OWNER in desk.principal.scopes
    rows = [
        {
            "row": row,
            "id": row["session_sha256"].hex(),
            "is_own": row["session_sha256"] == own,
            "scopes": sorted(scope.value for scope in scopes_from_text(row["scopes"])),
        }
        for row in await desk.tools.store.read(listing)
        if is_owner or row["session_sha256"] == own
    ]
    return desk.page("sessions.html.jinja", rows=rows)


async def revoke_session(desk: Desk) -> Response:
    """End a session of the account.

    Raises:
        NotFound: There is none that this visitor may end.
    """
    wanted = desk.query("id")
    digest = bytes.fromhex(wanted) if _SHA256.fullmatch(wanted) else b""
    may = Scope.OWNER in desk.principal.scopes or digest == sha256(desk.visitor.token)
    if not may or not await end_session(desk.tools, desk.account_id, digest):
        raise NotFound("expected a session of the account, was none")
    return desk.see("sessions", done="revoked")


async def choose_language(desk: Desk) -> Response:
    """Keep the language that a visitor wants."""
    language = desk.form.text("language")
    answer = RedirectResponse(_next(desk.form.text("next")), 303, {"cache-control": "no-store"})
    if language in words.LANGUAGES:
        set_cookie(answer, LANGUAGE_COOKIE, language, is_secure=desk.is_secure)
    return answer


def _next(path: str) -> str:
    """Return where to go after signing in: a page of the back office, whatever was asked for."""
    is_loop = path.startswith((f"{PATH}/sign-in", f"{PATH}/link"))
    is_ours = _NEXT.fullmatch(path) and ".." not in path and "//" not in path
    return path if is_ours and not is_loop else f"{PATH}/"
