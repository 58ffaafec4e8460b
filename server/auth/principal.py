"""Who a call comes from: one account, and what its key is good for."""

from contextvars import ContextVar

from engine.errors import PermissionDenied
from engine.model.value import Value
from engine.strict_json import shown_text
from server.auth.scopes import Scope


class Principal(Value, frozen=True):
    """An integration or a device of one account.

    Attributes:
        account_id: Whose rows it sees; nobody else's.
        scopes: What it may do.
        key_id: Its key; empty for everybody under `--demo`.
        register_id: The only register that a device acts for; None for an integration, which acts
            for all.
    """

    account_id: str
    scopes: frozenset[Scope]
    key_id: str = ""
    register_id: str | None = None

    def may(self, scopes: frozenset[Scope]) -> bool:
        """Return whether one of the scopes is its own; an owner has them all."""
        return Scope.OWNER in self.scopes or not self.scopes.isdisjoint(scopes)

    def check_register(self, register_id: str) -> None:
        """Refuse a device that acts for a register other than its own.

        Raises:
            PermissionDenied: It does.
        """
        if self.register_id is not None and self.register_id != register_id:
            was = shown_text(register_id)
            raise PermissionDenied(f"expected the register of this device, was {was}")


_current: ContextVar[Principal] = ContextVar("principal")


def current_principal() -> Principal:
    """Return the principal of this call, which the gate has let through."""
    return _current.get()


def principal_or_none() -> Principal | None:
    """Return the principal of this call, None when no gate has let it through."""
    return _current.get(None)


def set_principal(principal: Principal) -> None:
    """Make a principal that of this call."""
    _current.set(principal)
