"""Verify keys, remember for a while that they are good, and note when they were used."""

import asyncio
import hmac
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Connection, RowMapping

from engine.errors import TillcoreError, Unauthenticated
from engine.model.value import Value
from server.auth.keys import Key, parse_key
from server.auth.principal import Principal
from server.auth.scopes import scopes_from_text
from server.storage import Store
from server.storage import keys as key_rows

REMEMBERED_SECONDS: Final = 20
"""How long a good key is not looked up again: less than the 30 s in which a revocation bites."""

REMEMBERED_MAX: Final = 10_000
USES_WRITTEN_SECONDS: Final = 10.0
"""How often the last uses are written, all of them in one transaction."""

_NS_PER_SECOND = 1_000_000_000
_NOBODY_SHA256 = bytes(32)


class _Known(Value, frozen=True):
    """A key as the store had it a moment ago."""

    principal: Principal
    secret_sha256: bytes
    expires_ns: int | None
    is_revoked: bool
    known_ns: int


class Authenticator:
    """Tells whose a key is."""

    def __init__(
        self, store: Store, *, clock: Callable[[], int], monotonic_ns: Callable[[], int]
    ) -> None:
        """Know no key yet.

        Args:
            store: Has the keys.
            clock: The moment, in nanoseconds since 1970-01-01 UTC, at which keys expire.
            monotonic_ns: Measures how long a key is remembered, from any beginning.
        """
        self._store = store
        self._clock = clock
        self._monotonic_ns = monotonic_ns
        self._known: dict[str, _Known] = {}
        self._looking: dict[str, asyncio.Task[_Known | None]] = {}
        self._uses: dict[tuple[str, str], tuple[int, str]] = {}
        self._forgotten: list[Callable[[str], None]] = []
        self._log = structlog.get_logger().bind()

    async def principal(self, text: str, *, address: str) -> Principal:
        """Return the principal of a key.

        Args:
            text: The key as it was sent.
            address: Where the call came from.

        Raises:
            Unauthenticated: It is no key, or an unknown, an expired or a revoked one: which of
                these, the caller does not learn.
            StoreUnavailable: It could not be looked up.
        """
        key = parse_key(text)
        known = None if key is None else await self._find(key)
        # Compared in any case, so that an unknown key takes as long as a wrong one.
        expected = _NOBODY_SHA256 if known is None else known.secret_sha256
        is_equal = hmac.compare_digest(
            expected, _NOBODY_SHA256 if key is None else key.secret_sha256
        )
        if known is None or not is_equal or not self._is_good(known):
            raise Unauthenticated("expected a key that is valid, was none")
        principal = known.principal
        self._uses[principal.account_id, principal.key_id] = (self._clock(), address)
        return principal

    def forget(self, key_id: str) -> None:
        """Look a key up anew the next time, because it was revoked here."""
        self._known.pop(key_id, None)
        # A look-up under way may have read the row of before: nobody else is told what it found.
        self._looking.pop(key_id, None)
        for callback in self._forgotten:
            callback(key_id)

    def on_forgotten(self, callback: Callable[[str], None]) -> None:
        """Call back with the id of every key that `forget` is told of."""
        self._forgotten.append(callback)

    def remembered_ns(self, key_id: str) -> int:
        """Return for how many nanoseconds from now a key is good without another look; 0 for none.

        Whoever lets a key in for so long by himself lets nobody in whom `principal` would refuse.
        """
        known = self._known.get(key_id)
        if known is None or not self._is_good(known):
            return 0
        left_ns = REMEMBERED_SECONDS * _NS_PER_SECOND - (self._monotonic_ns() - known.known_ns)
        if known.expires_ns is not None:
            left_ns = min(left_ns, known.expires_ns - self._clock())
        return max(left_ns, 0)

    async def run(self) -> None:
        """Write the last uses from time to time, until cancelled."""
        while True:
            await asyncio.sleep(USES_WRITTEN_SECONDS)
            try:
                await self.write_uses()
            except TillcoreError as error:
                self._log.warning("last_uses", trouble=error.message)

    async def write_uses(self) -> None:
        """Write when and from where each key was used last since the last time.

        Raises:
            StoreUnavailable: They could not be written; the next time tries again.
        """
        uses, self._uses = self._uses, {}
        if not uses:
            return

        def work(connection: Connection) -> None:
            # In one order everywhere, so that two servers do not wait for each other.
            for (account_id, key_id), (used_ns, address) in sorted(uses.items()):
                key_rows.record_use(
                    connection,
                    account_id=account_id,
                    key_id=key_id,
                    used_ns=used_ns,
                    address=address,
                )

        try:
            await self._store.write(work)
        except TillcoreError:
            self._uses = {**uses, **self._uses}
            raise

    def _is_good(self, known: _Known) -> bool:
        is_expired = known.expires_ns is not None and known.expires_ns <= self._clock()
        return not (known.is_revoked or is_expired)

    async def _find(self, key: Key) -> _Known | None:
        """Return what is known of a key id, looked up if that is not recent."""
        known = self._known.get(key.key_id)
        age_ns = 0 if known is None else self._monotonic_ns() - known.known_ns
        if known is not None and age_ns < REMEMBERED_SECONDS * _NS_PER_SECOND:
            return known
        # One look-up, however many calls wait for it, and though one of them is cancelled.
        task = self._looking.get(key.key_id)
        if task is None:
            task = asyncio.create_task(self._look_up(key.key_id))
            self._looking[key.key_id] = task
            task.add_done_callback(lambda done: self._looked_up(key.key_id, done))
        return await asyncio.shield(task)

    def _looked_up(self, key_id: str, task: "asyncio.Task[_Known | None]") -> None:
        if self._looking.get(key_id) is task:
            del self._looking[key_id]
        if not task.cancelled():
            task.exception()  # It is the callers', who may all have left.

    async def _look_up(self, key_id: str) -> _Known | None:
        now_ns = self._monotonic_ns()
        row = await self._store.read(lambda c: key_rows.find_by_key_id(c, key_id))
        known = None if row is None else _known(row, known_ns=now_ns)
        if self._looking.get(key_id) is not asyncio.current_task():
            return known  # It was forgotten meanwhile.
        self._known.pop(key_id, None)
        if known is None:
            return None
        if len(self._known) >= REMEMBERED_MAX:
            self._known.pop(next(iter(self._known)))
        self._known[key_id] = known
        return known


def _known(row: RowMapping, *, known_ns: int) -> _Known:
    return _Known(
        principal=Principal(
            account_id=row["account_id"],
            scopes=scopes_from_text(row["scopes"]),
            key_id=row["key_id"],
            register_id=row["register_id"],
        ),
        secret_sha256=row["secret_sha256"],
        expires_ns=row["expires_ns"],
        is_revoked=row["revoked_ns"] is not None,
        known_ns=known_ns,
    )
