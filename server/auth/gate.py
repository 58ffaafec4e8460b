"""Let calls in: the one place that asks for a key and compares its scopes with the method's."""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote

import structlog

from engine.errors import PermissionDenied, Unauthenticated
from engine.rpc.calls import Context, caller_id
from server.auth.authenticator import Authenticator
from server.auth.principal import Principal, set_principal
from server.auth.scopes import Scope

AUTHORIZATION: Final = "authorization"
_SCHEME: Final = "bearer "


class Gatekeeper:
    """The gate of `engine.rpc.calls`: what no scope opens stays shut."""

    def __init__(
        self,
        authenticator: Authenticator,
        required: Mapping[str, frozenset[Scope]],
        *,
        anybody: Principal | None = None,
    ) -> None:
        """Guard the methods.

        Args:
            authenticator: Knows the keys.
            required: The scopes that open each method, by its name.
            anybody: Who a call without a key comes from; without it there is no such call.
        """
        self._authenticator = authenticator
        self._required = required
        self._anybody = anybody

    async def __call__(self, method: str, context: Context) -> None:
        """Let a call through with its principal set, or refuse it.

        Raises:
            Unauthenticated: There is no key, or no good one.
            PermissionDenied: The key has none of the method's scopes.
            StoreUnavailable: The key could not be looked up.
        """
        scopes = self._required[method]
        if Scope.PUBLIC in scopes:
            return
        principal = await self._principal(context)
        structlog.contextvars.bind_contextvars(account=principal.account_id, key=principal.key_id)
        if not principal.may(scopes):
            names = " or ".join(sorted(scope.value for scope in scopes))
            raise PermissionDenied(f"expected a key with the scope {names} for {method}")
        set_principal(principal)
        caller_id.set(principal.account_id)

    async def _principal(self, context: Context) -> Principal:
        sent = [
            value for name, value in context.invocation_metadata() or () if name == AUTHORIZATION
        ]
        if not sent and self._anybody is not None:
            return self._anybody
        return await self._authenticator.principal(
            _bearer(sent), address=address_of(context.peer())
        )


def _bearer(sent: Iterable[str | bytes]) -> str:
    """Return the one key that was sent.

    Raises:
        Unauthenticated: There is none, or another number of them.
    """
    every = [value for value in sent if isinstance(value, str)]
    if len(every) != 1 or not every[0].lower().startswith(_SCHEME):
        expected = "expected the metadata authorization: Bearer <key>"
        raise Unauthenticated(f"{expected}, was {'another' if every else 'absent'}")
    return every[0][len(_SCHEME) :].strip()


def address_of(peer: str) -> str:
    """Return the address of a peer without its port, as `context.peer()` names it.

    `ipv4:10.0.0.7:54321` is `10.0.0.7`, `ipv6:%5B::1%5D:54321` is `::1`.
    """
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return kind
    return rest.rpartition(":")[0].strip("[]")
