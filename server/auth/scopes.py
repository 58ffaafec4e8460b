"""Scopes, and the table from method to scopes that the .proto files state."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Final

from google.protobuf.descriptor import MethodDescriptor

import tillcore.v1
from tillcore.v1 import options_pb2


class Scope(Enum):
    """What a key may be used for; the value is its name on the command line and in the store."""

    PUBLIC = "public"
    IMPORT = "import"
    REGISTER = "register"
    READ = "read"
    EXPORT_ADMIN = "export-admin"
    OWNER = "owner"


KEY_SCOPES: Final = tuple(scope for scope in Scope if scope is not Scope.PUBLIC)
"""The scopes that a key can have."""

NUMBERS: Final = {scope: options_pb2.Scope.Value(f"SCOPE_{scope.name}") for scope in Scope}
"""The wire number of each scope."""

_SCOPE_OF: Final = {number: scope for scope, number in NUMBERS.items()}


def methods() -> Iterator[MethodDescriptor]:
    """Yield every method of every service of tillcore.v1."""
    for module in pkgutil.iter_modules(tillcore.v1.__path__):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(f"tillcore.v1.{module.name}").DESCRIPTOR
            for service in file.services_by_name.values():
                yield from service.methods


def scopes_of(method: MethodDescriptor) -> frozenset[Scope]:
    """Return the scopes that open a method, as its option states them; none when it has none."""
    stated = method.GetOptions().Extensions[options_pb2.required_scope]
    return frozenset(_SCOPE_OF[number] for number in stated)


def required_scopes() -> Mapping[str, frozenset[Scope]]:
    """Return the scopes that open each method, by its name, which no two services share.

    Raises:
        ValueError: A method states no scope, or shares its name.
    """
    table: dict[str, frozenset[Scope]] = {}
    for method in methods():
        if not scopes_of(method):
            raise ValueError(f"{method.full_name}: expected a required_scope, was none")
        if method.name in table:
            raise ValueError(f"{method.full_name}: expected a name of its own among all methods")
        table[method.name] = scopes_of(method)
    return table


def scopes_to_text(scopes: Iterable[Scope]) -> str:
    """Return scopes as the store keeps them: sorted names with spaces between."""
    return " ".join(sorted(scope.value for scope in scopes))


def scopes_from_text(text: str) -> frozenset[Scope]:
    """Return the scopes of what `scopes_to_text` made."""
    return frozenset(map(Scope, text.split()))
