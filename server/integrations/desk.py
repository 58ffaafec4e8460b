"""Do what tills ask of integrations: read from them, and have them act once.

An action is stored before the integration is asked, with the body that every attempt sends, and
settled with what became of it. Whoever asks again under its id gets what is stored, or has the same
body sent again with the same idempotency key when nobody knows what became of it: after a lost
answer, a crash, a store that did not answer. So no payment is made twice.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, RowMapping

from engine.errors import (
    FieldProblem,
    InvalidInput,
    Overloaded,
    Reason,
    StoreUnavailable,
    TillcoreError,
    WrongState,
)
from server.exports.secrets import SecretBox
from server.integrations.answers import read_reversal, unreadable
from server.integrations.call_log import CallLog
from server.integrations.caller import ERROR_BYTES_MAX, Caller, Endpoint, Outcome, Reply
from server.integrations.choosing import Wanted, chosen, endpoint_of_action
from server.integrations.errors import IntegrationUnavailable, unknown, unsent
from server.integrations.integration import (
    NS_PER_SECOND,
    Action,
    Integration,
    serving,
)
from server.integrations.requests import amount, body_of, idempotency_key
from server.integrations.site import Site, get_site
from server.storage import Store
from server.storage import integration_actions as actions
from server.storage.integration_actions import ActionName, Attempt, NewAction, Settlement
from server.storage.integration_calls import Call
from server.storage.integrations import (
    all_integrations,
    integration_of,
)

T = TypeVar("T")

BUSY_MARGIN_NS: Final = 5 * NS_PER_SECOND
"""How much longer than a call a twin waits for the outcome to be stored."""

GRACE_SECONDS: Final = 20.0
"""How long calls that are under way may take when the server ends."""

Clock = Callable[[], int]


class Deed(NamedTuple):
    """What a till has done once.

    Attributes:
        action: What is done.
        action_id: Identifies it.
        content_hash: Of the request; a repetition has the same one.
        amount_micros: What it is about; 0 of what has no amount.
        members: What is said about it, for the body.
        read: Makes the response to the till of a decoded answer; raises InvalidInput.
        before: Asked before the action is begun for the first time; raises to refuse it.
    """

    action: Action
    action_id: str
    content_hash: str
    amount_micros: int
    members: Callable[[Site], Mapping[str, object]]
    read: Callable[[object, Site, Integration], bytes]
    before: Callable[[Site], Awaitable[None]] | None = None


class Done(NamedTuple):
    """The response to a till, and whether an earlier request has done it."""

    answer: bytes
    replayed: bool


class Desk:
    """Asks integrations for tills."""

    def __init__(
        self,
        store: Store,
        box: SecretBox,
        caller: Caller,
        log: CallLog,
        *,
        clock: Clock,
    ) -> None:
        """Serve a store.

        Args:
            store: Keeps integrations and actions.
            box: Opens secrets.
            caller: Calls endpoints.
            log: Takes what became of calls.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        """
        self.log = log
        self._store = store
        self._box = box
        self._caller = caller
        self._clock = clock
        self._running: set[asyncio.Task[Any]] = set()

    # --- reading -----------------------------------------------------------------------------

    async def ask(
        self,
        wanted: Wanted,
        action: Action,
        members: Mapping[str, object],
        read: Callable[[object, Site], T],
    ) -> tuple[T, Site, Integration]:
        """Ask an integration for something that changes nothing, and return what it answers.

        Args:
            wanted: Whom.
            action: For what.
            members: What is said about it, for the body.
            read: Makes a value of the decoded answer; raises InvalidInput.

        Raises:
            NotFound: There is no such register or integration.
            WrongState: It is of another kind or for other shops, refuses, or answers wrongly.
            IntegrationUnavailable: It does not answer.
            Overloaded: Too many calls of it are under way.
        """
        site, endpoint = await self._store.read(partial(chosen, box=self._box, wanted=wanted))
        body = body_of(action, endpoint.integration, site, members)
        with self._caller.admitted(endpoint):
            reply = await self._caller.call(endpoint, body, identifier=f"call:{uuid.uuid4().hex}")
        found: T | None = None
        if reply.outcome is Outcome.ANSWERED:
            try:
                found = read(reply.value, site)
            except InvalidInput as error:
                reply = _unread(reply, error)
        self._note(endpoint, action, "", site.register_id, reply)
        if found is not None:
            return found, site, endpoint.integration
        if reply.problem is not None:
            raise WrongState(reply.problem.message, [reply.problem])
        if reply.status in (200, 201):
            raise WrongState(reply.error)
        raise unsent(reply.error) if reply.outcome is Outcome.UNSENT else unknown(reply.error)

    async def usable(self, *, account_id: str, register_id: str) -> list[Integration]:
        """Return the integrations that a register can use, those to be preferred first.

        Raises:
            NotFound: There is no such register.
        """

        def work(connection: Connection) -> list[Integration]:
            site = get_site(connection, account_id=account_id, register_id=register_id)
            every = map(integration_of, all_integrations(connection, account_id=account_id))
            return serving(every, shop_id=site.shop_id, market_id=site.market_id)

        return await self._store.read(work)

    # --- acting ------------------------------------------------------------------------------

    async def act(self, wanted: Wanted, deed: Deed) -> Done:
        """Have an integration do something once.

        Raises:
            NotFound: There is no such register or integration.
            AlreadyExists: The id was used for another content.
            Conflict: The same is under way.
            WrongState: It is of another kind or for other shops, or it refuses.
            IntegrationUnavailable: Nothing was sent, or nobody knows what became of it.
            Overloaded: Too many calls of it are under way.
        """
        name = ActionName(wanted.account_id, deed.action.value, deed.action_id)
        known = await self._store.read(partial(actions.find_action, name=name))
        if known is not None:
            actions.check_same(known, deed.content_hash)
            actions.check_refused(known)
            if known["state"] == actions.SUCCEEDED:
                return Done(known["answer"], replayed=True)
        try:
            return await self._act_now(wanted, deed, name, known)
        except (StoreUnavailable, Overloaded) as error:
            if known is None or known["state"] == actions.UNSENT:
                raise
            # Nothing may have been sent now, but nobody knows what became of it before.
            why = error.why if isinstance(error, IntegrationUnavailable) else error.message
            raise unknown(why) from error

    async def _act_now(
        self, wanted: Wanted, deed: Deed, name: ActionName, known: RowMapping | None
    ) -> Done:
        """Do what is not settled yet; `known` is what is stored of it."""

        def work(connection: Connection) -> tuple[Site, Endpoint | None]:
            if known is None:
                return chosen(connection, self._box, wanted)
            site = get_site(
                connection, account_id=wanted.account_id, register_id=wanted.register_id
            )
            # What was begun is in the currency of then, and at the integration of then.
            site = site._replace(currency_code=known["currency_code"])
            return site, endpoint_of_action(connection, self._box, known)

        site, endpoint = await self._store.read(work)
        if endpoint is None:
            raise _gone(deed.action_id)
        if deed.before is not None and (known is None or known["state"] == actions.UNSENT):
            await deed.before(site)
        return await self._shielded(self._do(name, deed, site, endpoint))

    async def reverse(
        self, *, account_id: str, payment_id: str, register_id: str
    ) -> tuple[int, bool]:
        """Undo a payment; return what was given back in micros, and whether it was undone before.

        Raises:
            NotFound: There is no such register, or another one has asked for the payment.
            Conflict: The payment or its reversal is under way.
            WrongState: The integration is gone, or refuses.
            IntegrationUnavailable: Nothing was sent, or nobody knows what became of it.
            Overloaded: Too many calls of it are under way.
        """
        name = ActionName(account_id, Action.PAY.value, payment_id)

        def work(connection: Connection) -> tuple[RowMapping | None, Site, Endpoint | None]:
            known = actions.find_action(connection, name)
            site = get_site(connection, account_id=account_id, register_id=register_id)
            if known is None or known["state"] in _UNPAID:
                return known, site, None
            return known, site, endpoint_of_action(connection, self._box, known)

        known, site, endpoint = await self._store.read(work)
        return await self._shielded(self._undo(name, known, site, endpoint))

    async def finish(self) -> None:
        """Wait for what is under way, for a while; cut the rest, which a repetition settles."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _do(self, name: ActionName, deed: Deed, site: Site, endpoint: Endpoint) -> Done:
        key = idempotency_key(deed.action, deed.action_id)
        integration = endpoint.integration
        members = deed.members(site)
        new = NewAction(
            name=name,
            integration_id=integration.identifier,
            kind=integration.kind.value,
            register_id=site.register_id,
            currency_code=site.currency_code,
            amount_micros=deed.amount_micros,
            content_hash=deed.content_hash,
            request=body_of(deed.action, integration, site, members, key=key),
        )
        with self._caller.admitted(endpoint):
            attempt = self._attempt(integration)
            row, before = await self._store.write(
                lambda connection: actions.begin_action(connection, new, attempt),
                settled=lambda _: None,
            )
            if before == actions.SUCCEEDED:
                return Done(row["answer"], replayed=True)
            reply = await self._caller.call(endpoint, row["request"], identifier=key)
            answer: bytes | None = None
            if reply.outcome is Outcome.ANSWERED:
                try:
                    answer = deed.read(reply.value, site, integration)
                except InvalidInput as error:
                    reply = _unread(reply, error)
            self._note(endpoint, deed.action, key, site.register_id, reply)
            if reply.outcome is Outcome.UNSENT and before != actions.UNSENT:
                reply = reply._replace(outcome=Outcome.UNKNOWN)
            problem = _problem_of(reply)
            found = Settlement(_STATES[reply.outcome], problem, answer)
            await self._settle(partial(actions.settle_action, name=name), attempt, found)
        if answer is not None:
            return Done(answer, replayed=False)
        raise _error_of(reply)

    async def _undo(
        self, name: ActionName, known: RowMapping | None, site: Site, endpoint: Endpoint | None
    ) -> tuple[int, bool]:
        if known is not None and known["state"] not in _UNPAID and endpoint is None:
            raise _gone(name.action_id)
        attempt = self._attempt(None if endpoint is None else endpoint.integration)
        row, before = await self._store.write(
            lambda connection: actions.begin_reversal(
                connection, name, attempt, register_id=site.register_id
            ),
            settled=lambda _: None,
        )
        if row["state"] == actions.REVERSED:
            return row["reversed_micros"], before == actions.REVERSED
        if endpoint is None:
            # It was begun between the look and the transaction; the next request sees it.
            raise unsent("expected a payment that stands still, was one that began just now")
        is_paid = before == actions.SUCCEEDED
        return await self._reverse_at(endpoint, site, row, attempt, is_paid=is_paid), False

    async def _reverse_at(
        self, endpoint: Endpoint, site: Site, row: RowMapping, attempt: Attempt, *, is_paid: bool
    ) -> int:
        payment_id, paid_micros = row["action_id"], row["amount_micros"]
        name = ActionName(row["account_id"], row["action"], payment_id)
        key = idempotency_key(Action.REVERSE, payment_id)
        site = site._replace(currency_code=row["currency_code"])
        members = {
            "payment_id": payment_id,
            "payment_idempotency_key": idempotency_key(Action.PAY, payment_id),
            "amount": amount(paid_micros, site.currency_code),
        }
        body = body_of(Action.REVERSE, endpoint.integration, site, members, key=key)
        back_micros: int | None = None
        try:
            with self._caller.admitted(endpoint):
                reply = await self._caller.call(endpoint, body, identifier=key)
        except TillcoreError as error:
            found = Settlement(actions.REVERSING, FieldProblem("", Reason.NOT_ALLOWED, str(error)))
            await self._settle(partial(actions.settle_reversal, name=name), attempt, found)
            raise
        if reply.outcome is Outcome.ANSWERED:
            try:
                back_micros = read_reversal(
                    reply.value,
                    currency_code=site.currency_code,
                    paid_micros=paid_micros,
                    is_paid=is_paid,
                )
            except InvalidInput as error:
                reply = _unread(reply, error)
        self._note(endpoint, Action.REVERSE, key, site.register_id, reply)
        if back_micros is None:
            found = Settlement(actions.REVERSING, _problem_of(reply))
        else:
            found = Settlement(actions.REVERSED, reversed_micros=back_micros)
        await self._settle(partial(actions.settle_reversal, name=name), attempt, found)
        if back_micros is not None:
            return back_micros
        if reply.outcome is Outcome.UNSENT:
            reply = reply._replace(outcome=Outcome.UNKNOWN)
        raise _error_of(reply)

    async def _settle(
        self, settle: Callable[..., None], attempt: Attempt, found: Settlement
    ) -> None:
        """Store what became of an attempt.

        Raises:
            IntegrationUnavailable: It could not be stored; a repetition finds it out again.
        """
        now_ns = self._clock()
        try:
            await self._store.write(
                lambda connection: settle(connection, attempt=attempt, found=found, now_ns=now_ns),
                settled=lambda _: None,
            )
        except (StoreUnavailable, Overloaded) as error:
            raise unknown(error.message) from error

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something to its end, even if the till hangs up meanwhile."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            # The till may be gone: then nobody else takes the error.
            task.exception()

    def _attempt(self, integration: Integration | None) -> Attempt:
        now_ns = self._clock()
        timeout_ns = 0 if integration is None else integration.timeout_ns
        return Attempt(uuid.uuid4().hex, now_ns, now_ns + timeout_ns + BUSY_MARGIN_NS)

    def _note(
        self, endpoint: Endpoint, action: Action, key: str, register_id: str, reply: Reply
    ) -> None:
        self.log.note(
            Call(
                account_id=endpoint.account_id,
                integration_id=endpoint.integration.identifier,
                action=action.value,
                idempotency_key=key,
                register_id=register_id,
                outcome=reply.outcome.value,
                status=reply.status,
                error=reply.error,
                elapsed_ns=reply.elapsed_ns,
                ended_ns=self._clock(),
            )
        )


_UNPAID: Final = (actions.REVERSED, actions.REFUSED, actions.UNSENT)
"""The states of payments that can be reversed without anybody being asked."""

_STATES: Final = {
    Outcome.ANSWERED: actions.SUCCEEDED,
    Outcome.REFUSED: actions.REFUSED,
    Outcome.UNSENT: actions.UNSENT,
    Outcome.UNKNOWN: actions.UNKNOWN,
}


def _unread(reply: Reply, error: InvalidInput) -> Reply:
    """Return an answer that cannot be read as what it is: nobody knows what was done."""
    shown = unreadable(error).encode()[:ERROR_BYTES_MAX].decode(errors="ignore")
    return reply._replace(outcome=Outcome.UNKNOWN, error=shown)


def _problem_of(reply: Reply) -> FieldProblem | None:
    if reply.outcome is Outcome.ANSWERED:
        return None
    return reply.problem or FieldProblem("", Reason.NOT_ALLOWED, reply.error)


def _error_of(reply: Reply) -> TillcoreError:
    """Return the error that a till gets for a call that has not succeeded."""
    if reply.problem is not None:
        return WrongState(reply.problem.message, [reply.problem])
    return unsent(reply.error) if reply.outcome is Outcome.UNSENT else unknown(reply.error)


def _gone(action_id: str) -> WrongState:
    return WrongState(
        f"expected an integration that is still there for {action_id}, was one that is removed"
    )
