"""Know who calls: keys and their form, scopes by method, the principal of a call, its gate.

A handler behind the gate asks `current_principal()`; every query that it makes has the
`account_id` of that principal in its condition, so that another account's id is not found. What a
device does is checked with `principal.check_register(register_id)` against the request.
"""

from server.auth.authenticator import Authenticator
from server.auth.gate import Gatekeeper
from server.auth.principal import Principal, current_principal
from server.auth.scopes import Scope, required_scopes

__all__ = [
    "Authenticator",
    "Gatekeeper",
    "Principal",
    "Scope",
    "current_principal",
    "required_scopes",
]
