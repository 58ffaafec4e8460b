"""Keep what integrations are asked to do once: begun before they are asked, settled afterwards.

Whoever begins an action has it to himself until its outcome is stored or its time is up, after a
crash. A payment and its reversal are one row: whichever comes first, the other one sees it.

Design: reliability.md section 2: an id with its content is done once, a twin in flight is ABORTED.
"""

from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, select, update

from engine.errors import AlreadyExists, Conflict, FieldProblem, NotFound, Reason, WrongState
from engine.strict_json import shown_text
from server.integrations.integration import Action
from server.storage.integration_tables import integration_action
from server.storage.resources import Page

PENDING: Final = "pending"
SUCCEEDED: Final = "succeeded"
REFUSED: Final = "refused"
UNKNOWN: Final = "unknown"
UNSENT: Final = "unsent"
REVERSING: Final = "reversing"
REVERSED: Final = "reversed"

PURGED_ROWS_MAX: Final = 500
"""How many rows one transaction removes: others wait meanwhile."""

UNSETTLED: Final = (PENDING, UNKNOWN, REVERSING)
"""The states in which nobody knows what the integration has done."""

_COLUMNS = integration_action.c
_PROBLEM: Final = msgspec.json.Decoder(FieldProblem)


class ActionName(NamedTuple):
    """An action of an account; for a reversal, that of the payment."""

    account_id: str
    action: str
    action_id: str


class NewAction(NamedTuple):
    """What is stored of an action before the integration is asked.

    Attributes:
        name: Which it is.
        integration_id: Who is asked.
        kind: What the integration does.
        register_id: Who asks.
        currency_code: Of the amount.
        amount_micros: What it is about; 0 of what has no amount.
        content_hash: Of what the till has asked for.
        request: The body that every attempt sends.
    """

    name: ActionName
    integration_id: str
    kind: str
    register_id: str
    currency_code: str
    amount_micros: int
    content_hash: str
    request: bytes


class Attempt(NamedTuple):
    """A call that is about to be made.

    Attributes:
        token: Nobody else's.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.
        busy_until_ns: Until when a twin waits for its outcome.
    """

    token: str
    now_ns: int
    busy_until_ns: int


class Settlement(NamedTuple):
    """What became of an attempt.

    Attributes:
        state: The state that the action gets.
        problem: Why it was refused or is not known; None of one that succeeded.
        answer: The response to the till; None without one.
        reversed_micros: What a reversal gave back.
    """

    state: str
    problem: FieldProblem | None = None
    answer: bytes | None = None
    reversed_micros: int = 0


# --- looking up ------------------------------------------------------------------------------


def find_action(
    connection: Connection, name: ActionName, *, is_locked: bool = False
) -> RowMapping | None:
    """Return the row of an action, None when there is none."""
    statement = select(integration_action).where(_is(name))
    if is_locked:
        statement = statement.with_for_update()
    return connection.execute(statement).mappings().first()


def list_payments(
    connection: Connection, *, account_id: str, state: str | None, after_id: str, count: int
) -> Page:
    """Return payments of an account after an id, in the order of their ids."""
    statement = select(integration_action).where(
        _COLUMNS.account_id == account_id, _COLUMNS.action == Action.PAY.value
    )
    if state is not None:
        statement = statement.where(_COLUMNS.state == state)
    if after_id:
        statement = statement.where(_COLUMNS.action_id > after_id)
    ordered = statement.order_by(_COLUMNS.action_id).limit(count + 1)
    rows = list(connection.execute(ordered).mappings())
    return Page(rows=rows[:count], has_more=len(rows) > count)


def problem_of(row: RowMapping) -> FieldProblem | None:
    """Return why an action was refused or is not known; None where nothing is said."""
    return _PROBLEM.decode(row["error"]) if row["error"] else None


def check_same(row: RowMapping, content_hash: str) -> None:
    """Refuse another content under the id of an action.

    Raises:
        AlreadyExists: It is another one.
        WrongState: It is a payment whose reversal was asked for.
    """
    was = shown_text(row["action_id"])
    if row["state"] in (REVERSING, REVERSED):
        message = f"expected a payment that is not reversed, was {was}, which is {row['state']}"
        raise WrongState(message, [FieldProblem("payment_id", Reason.VOIDED, message)])
    if row["content_hash"] != content_hash:
        raise AlreadyExists(f"expected the content that was sent as {was} before, was another")


def check_refused(row: RowMapping) -> None:
    """Raise again what an action was refused for.

    Raises:
        WrongState: It was refused.
    """
    if row["state"] == REFUSED:
        problem = problem_of(row)
        assert problem is not None, "a refusal says why"
        raise WrongState(problem.message, [problem])


# --- beginning and settling ------------------------------------------------------------------


def begin_action(
    connection: Connection, new: NewAction, attempt: Attempt
) -> tuple[RowMapping, str]:
    """Make an action that of an attempt; return its row, and its state before.

    The row of one that has succeeded is returned as it is. The state before is UNSENT of an action
    that the integration has not heard of for sure.

    Args:
        connection: The transaction; it may run several times with the same attempt.
        new: What is stored when there is no such action yet.
        attempt: The attempt.

    Raises:
        AlreadyExists: The id was used for another content.
        Conflict: Another attempt is under way.
        WrongState: It was refused, or reversed.
    """
    row = find_action(connection, new.name, is_locked=True)
    if row is None:
        connection.execute(
            integration_action.insert().values(
                **new.name._asdict(),
                integration_id=new.integration_id,
                kind=new.kind,
                register_id=new.register_id,
                currency_code=new.currency_code,
                amount_micros=new.amount_micros,
                content_hash=new.content_hash,
                request=new.request,
                created_ns=attempt.now_ns,
                reversed_micros=0,
                error="",
                **_busy(PENDING, attempt, attempt_count=1),
            )
        )
        return _get(connection, new.name), UNSENT
    check_same(row, new.content_hash)
    check_refused(row)
    if row["state"] == SUCCEEDED:
        return row, SUCCEEDED
    if row["attempt"] == attempt.token:
        # The reply to COMMIT was lost.
        return row, UNSENT if row["attempt_count"] == 1 else UNKNOWN
    _check_free(row, attempt)
    busy = _busy(PENDING, attempt, attempt_count=row["attempt_count"] + 1)
    connection.execute(update(integration_action).where(_is(new.name)).values(busy))
    before = UNSENT if row["state"] == UNSENT else UNKNOWN
    return _get(connection, new.name), before


def take_payment(connection: Connection, name: ActionName, *, checkout_id: str) -> None:
    """Note what a payment has paid; its row is locked."""
    connection.execute(update(integration_action).where(_is(name)).values(checkout_id=checkout_id))


def settle_action(
    connection: Connection, name: ActionName, attempt: Attempt, found: Settlement, *, now_ns: int
) -> None:
    """Store what became of an attempt.

    What the integration has said for sure is stored even if the time of the attempt was up and
    another one has begun; the rest is of use only if nobody else has begun.
    """
    is_own = and_(_COLUMNS.state == PENDING, _COLUMNS.attempt == attempt.token)
    if found.state in (SUCCEEDED, REFUSED):
        is_own = _COLUMNS.state.in_((PENDING, UNKNOWN, UNSENT))
    connection.execute(
        update(integration_action)
        .where(_is(name), is_own)
        .values(**_settled(found), answer=found.answer, updated_ns=now_ns)
    )


# --- reversing -------------------------------------------------------------------------------


def begin_reversal(
    connection: Connection, name: ActionName, attempt: Attempt, *, register_id: str
) -> tuple[RowMapping, str]:
    """Make the reversal of a payment that of an attempt; return its row, and its state before.

    A payment that has not been asked for, or was not made for sure, is REVERSED at once: its row
    says so, and nobody has to be called.

    Raises:
        NotFound: Another register has asked for the payment.
        WrongState: A checkout is recorded that it has paid.
        Conflict: The payment or another reversal is under way.
    """
    row = find_action(connection, name, is_locked=True)
    if row is None:
        _insert_tombstone(connection, name, attempt, register_id=register_id)
        return _get(connection, name), UNSENT
    if row["register_id"] != register_id:
        raise NotFound(f"expected the id of a payment, was {shown_text(name.action_id)}")
    _check_unused(row)
    before = row["state"]
    if before == REVERSED or row["attempt"] == attempt.token:
        return row, before
    _check_free(row, attempt)
    if before in (REFUSED, UNSENT):
        changed = {"state": REVERSED, "error": "", "updated_ns": attempt.now_ns}
    else:
        changed = _busy(REVERSING, attempt, attempt_count=row["attempt_count"] + 1)
        changed["answer"] = row["answer"]
    connection.execute(update(integration_action).where(_is(name)).values(changed))
    return _get(connection, name), before


def settle_reversal(
    connection: Connection, name: ActionName, attempt: Attempt, found: Settlement, *, now_ns: int
) -> None:
    """Store what became of the attempt to reverse a payment."""
    is_own = _COLUMNS.state == REVERSING
    if found.state != REVERSED:
        is_own = and_(is_own, _COLUMNS.attempt == attempt.token)
    values = {**_settled(found), "reversed_micros": found.reversed_micros, "updated_ns": now_ns}
    connection.execute(update(integration_action).where(_is(name), is_own).values(values))


# --- forgetting ------------------------------------------------------------------------------


def purge(connection: Connection, *, before_ns: int) -> bool:
    """Remove some of what was settled before a moment; return whether there may be more.

    What nobody knows the outcome of stays, however old it is: money may hang on it.

    Args:
        connection: A transaction that writes.
        before_ns: The moment, in nanoseconds since 1970-01-01 UTC.
    """
    is_old = and_(_COLUMNS.updated_ns < before_ns, _COLUMNS.state.not_in(UNSETTLED))
    names = select(_COLUMNS.account_id, _COLUMNS.action, _COLUMNS.action_id).where(is_old)
    rows = connection.execute(names.order_by(_COLUMNS.updated_ns).limit(PURGED_ROWS_MAX)).all()
    for row in sorted(rows):
        # Looked at again: somebody may have asked for it meanwhile.
        connection.execute(delete(integration_action).where(_is(ActionName(*row)), is_old))
    return len(rows) == PURGED_ROWS_MAX


# --- parts -----------------------------------------------------------------------------------


def _insert_tombstone(
    connection: Connection, name: ActionName, attempt: Attempt, *, register_id: str
) -> None:
    """Store that nothing may be paid under an id that nothing was paid under."""
    connection.execute(
        integration_action.insert().values(
            **name._asdict(),
            integration_id="",
            kind="",
            register_id=register_id,
            currency_code="",
            amount_micros=0,
            content_hash="",
            state=REVERSED,
            attempt=attempt.token,
            attempt_count=0,
            busy_until_ns=0,
            error="",
            reversed_micros=0,
            request=b"",
            answer=None,
            created_ns=attempt.now_ns,
            updated_ns=attempt.now_ns,
        )
    )


def _check_unused(row: RowMapping) -> None:
    """Refuse to give back what a recorded checkout was paid with.

    Raises:
        WrongState: It was.
    """
    if row["checkout_id"] is not None:
        message = (
            "expected a payment whose checkout does not happen, "
            f"was {shown_text(row['action_id'])}, which has paid {shown_text(row['checkout_id'])}"
        )
        raise WrongState(message, [FieldProblem("payment_id", Reason.COMPLETED, message)])


def _check_free(row: RowMapping, attempt: Attempt) -> None:
    """Refuse to begin while another attempt is under way.

    Raises:
        Conflict: It is.
    """
    if row["state"] in (PENDING, REVERSING) and attempt.now_ns < row["busy_until_ns"]:
        was = shown_text(row["action_id"])
        raise Conflict(f"expected an action that is not under way, was {was}; send it again soon")


def _busy(state: str, attempt: Attempt, *, attempt_count: int) -> dict[str, Any]:
    return {
        "state": state,
        "attempt": attempt.token,
        "attempt_count": attempt_count,
        "busy_until_ns": attempt.busy_until_ns,
        "answer": None,
        "updated_ns": attempt.now_ns,
    }


def _settled(found: Settlement) -> dict[str, Any]:
    error = "" if found.problem is None else msgspec.json.encode(found.problem).decode()
    return {"state": found.state, "busy_until_ns": 0, "error": error}


def _get(connection: Connection, name: ActionName) -> RowMapping:
    row = find_action(connection, name)
    assert row is not None, "it was just stored"
    return row


def _is(name: ActionName) -> ColumnElement[bool]:
    return and_(*(_COLUMNS[column] == value for column, value in name._asdict().items()))
