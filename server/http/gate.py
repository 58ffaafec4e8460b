"""Let HTTP requests in: ask for a key and compare its scopes, as the gate of gRPC does."""

from typing import Final

from starlette.requests import Request

from engine.errors import PermissionDenied, Unauthenticated
from engine.rpc.calls import caller_id
from server.auth import Authenticator, Principal, Scope
from server.auth.principal import set_principal
from server.http.own_site import is_own_site

_SCHEME: Final = "bearer "
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class HttpGate:
    """Tells whom a request comes from."""

    def __init__(self, authenticator: Authenticator, *, anybody: Principal | None = None) -> None:
        """Let in whom the authenticator knows.

        Args:
            authenticator: Knows the keys.
            anybody: Who a request without a key comes from; without it there is no such request.
        """
        self._authenticator = authenticator
        self._anybody = anybody

    async def let_in(
        self,
        request: Request,
        scopes: frozenset[Scope],
        *,
        query_key: str = "",
        is_write: bool | None = None,
    ) -> Principal:
        """Return whom a request comes from, and make it the principal of what it does.

        Args:
            request: The request; its key is in the header `Authorization: Bearer`.
            scopes: One of them opens the door.
            query_key: A key that came in the query or the body, where the door takes it there;
                the header wins.
            is_write: Whether it stores something; None where the method says so. Then a request
                without a key is one of this site or of no page: no other site knows the key of a
                visitor, but where there is none every page could send what a form can.

        Raises:
            Unauthenticated: There is no key, or no good one.
            PermissionDenied: The key has none of the scopes, or another site sends what has none.
            StoreUnavailable: The key could not be looked up.
        """
        header = request.headers.get("authorization", "")
        key = query_key
        if header:
            if not header.lower().startswith(_SCHEME):
                raise Unauthenticated("expected the header Authorization: Bearer <key>, was other")
            key = header[len(_SCHEME) :].strip()
        if not key and self._anybody is not None:
            is_write = request.method not in _SAFE if is_write is None else is_write
            if is_write and not is_own_site(request.headers):
                raise PermissionDenied("expected a request of this site or with a key, was neither")
            principal = self._anybody
        elif not key:
            raise Unauthenticated("expected the header Authorization: Bearer <key>, was absent")
        else:
            principal = await self._authenticator.principal(key, address=address_of(request))
        if not principal.may(scopes):
            names = " or ".join(sorted(scope.value for scope in scopes))
            raise PermissionDenied(f"expected a key with the scope {names}")
        set_principal(principal)
        caller_id.set(principal.account_id)
        return principal


def address_of(request: Request) -> str:
    """Return the address that a request comes from, empty when it is not known."""
    return "" if request.client is None else request.client.host
