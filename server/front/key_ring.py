"""Tell the front whom it may let in by itself: keys that the gate has let through a moment ago."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from ext.front.front import Front
from server.auth import Principal, Scope

HOT_METHODS: Final = ("EvaluateBasket", "EvaluateBaskets", "StreamBaskets")
"""The methods that a front may answer by itself, in the order of answer.h."""


SPELLINGS_MAX: Final = 4
"""In how many ways a key may be sent, `Bearer` and `bearer` being two, to be known to a front."""


class KnownKeys(Protocol):
    """What `server.auth.Authenticator` knows of keys."""

    def on_forgotten(self, callback: Callable[[str], None]) -> None:
        """Call back with the id of every key that is no longer good."""
        ...

    def remembered_ns(self, key_id: str) -> int:
        """Return for how many nanoseconds a key is good without another look."""
        ...


class Answerer(Protocol):
    """What answers the bytes of an account's requests."""

    @property
    def capsule(self) -> object:
        """A capsule with a `tc_answerer` (ext/answer.h)."""
        ...


class Answerers(Protocol):
    """What `server.plans.Plans` has for the accounts."""

    def on_changed(self, callback: Callable[[str], None]) -> None:
        """Call back with the id of every account whose answerer is another one."""
        ...

    def answerer_of(self, account_id: str) -> Answerer | None:
        """Return the present answerer of an account, None while it has none."""
        ...


class KeyRing:
    """Keeps the keys and the answerers of a front up with the authenticator and the plans."""

    def __init__(
        self,
        front: Front,
        required: Mapping[str, frozenset[Scope]],
        *,
        keys: KnownKeys,
        plans: Answerers,
        anybody: Principal | None,
    ) -> None:
        """Let nobody in yet, but anybody where there is no gate for them.

        Args:
            front: Lets callers in by what it is told here.
            required: The scopes that open each method, by its name.
            keys: Knows how long a key is good without another look.
            plans: Have what answers an account.
            anybody: Who a call without a key comes from; None where there is no such call.
        """
        self._front = front
        self._required = required
        self._keys = keys
        self._plans = plans
        self._account_ids: set[str] = set()
        self._digests: dict[str, set[bytes]] = {}
        keys.on_forgotten(self.forget)
        plans.on_changed(self._plans_changed)
        if anybody is not None:
            self._follow(anybody.account_id)
            front.set_anybody(anybody.account_id, self._methods_of(anybody))

    def learn(self, authorization: bytes, principal: Principal) -> None:
        """Let a key in as long as the gate would let it in without another look."""
        lifetime_ns = self._keys.remembered_ns(principal.key_id)
        if lifetime_ns <= 0:
            return
        digest = hashlib.sha256(authorization).digest()
        known = self._digests.setdefault(principal.key_id, set())
        # Whoever spells his key in ever new ways is answered by the gate, and fills no memory.
        if digest not in known and len(known) >= SPELLINGS_MAX:
            return
        known.add(digest)
        self._follow(principal.account_id)
        self._front.set_key(digest, principal.account_id, self._methods_of(principal), lifetime_ns)

    def forget(self, key_id: str) -> None:
        """Let a key in no more; the next call with it asks the gate."""
        for digest in self._digests.pop(key_id, ()):
            self._front.forget_key(digest)

    def _methods_of(self, principal: Principal) -> int:
        """Return a bit for each hot method that a principal may call."""
        return sum(
            1 << number
            for number, name in enumerate(HOT_METHODS)
            if principal.may(self._required[name])
        )

    def _follow(self, account_id: str) -> None:
        if account_id not in self._account_ids:
            self._account_ids.add(account_id)
            self._plans_changed(account_id)

    def _plans_changed(self, account_id: str) -> None:
        if account_id in self._account_ids:
            answerer = self._plans.answerer_of(account_id)
            self._front.set_answerer(account_id, None if answerer is None else answerer.capsule)
