"""Edit one basket in a session: the actions, and what a session does when its stream breaks.

Nothing here sends: `edit_session` and `async_edit_session` do.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask

from tillcore_client import v1
from tillcore_client.errors import (
    CallError,
    Details,
    NotFound,
    SessionLost,
    details_of_status,
    error_of,
)
from tillcore_client.numbers import Number, micros

AnswerT = TypeVar("AnswerT")

Steps = Generator[v1.EditBasketRequest, v1.EditBasketResponse, v1.EvaluatedBasket]
"""Yields the requests that are to be sent, takes their answers, and returns the basket."""

REOPENED: Final = frozenset({v1.SESSION_END_REASON_DRAINING, v1.SESSION_END_REASON_IDLE})
"""Ends of a session after which another one takes its basket over."""


class Broken(Exception):
    """A stream is of no use any more; another one may be."""

    def __init__(self, details: Details) -> None:
        """Break for these details."""
        super().__init__(details.message)
        self.details = details


class SessionState:
    """What a client knows of its session, and the actions with which it could build it anew."""

    def __init__(self, opening: v1.OpenSession) -> None:
        """Begin with what opens the session."""
        self._opening = opening
        self._done: list[v1.EditBasketRequest] = []
        self._unanswered: v1.EditBasketRequest | None = None
        self._is_unanswered_done = False
        self._is_attached = False
        self._is_built = False
        self._sequence = 0
        self._session_id = ""
        self.basket = v1.EvaluatedBasket()

    def detach(self) -> None:
        """Forget the stream; the next step resumes the session on another one."""
        self._is_attached = False

    def steps(self, action: v1.EditBasketRequest | None) -> Steps:
        """Return the exchange that does an action, None for none but the opening.

        Raises:
            Broken: The session has left the stream.
            SessionLost: Another stream has taken the session over, or it cannot be built anew.
            CallError: The action was rejected; the basket is as before.
        """
        if not self._is_attached:
            yield from self._attach()
            self._is_attached = True
        if self._unanswered is not None and self._unanswered is not action:
            yield from self._clear_up(self._unanswered)
        if action is None:
            return self.basket
        self._unanswered = action
        answer = yield self._numbered(action)
        return self._settled(action, answer)

    def _clear_up(
        self, action: v1.EditBasketRequest
    ) -> Generator[v1.EditBasketRequest, v1.EditBasketResponse, None]:
        """Learn what came of an action that the caller has given up, if it was done."""
        if self._is_unanswered_done:
            answer = yield self._numbered(action)
            # A rejection left the basket as it was, and nobody waits for it any more.
            with suppress(CallError):
                self._settled(action, answer)
        self._unanswered = None

    def _settled(
        self, action: v1.EditBasketRequest, answer: v1.EditBasketResponse
    ) -> v1.EvaluatedBasket:
        """Take the answer to an action over and return its basket."""
        self._raise_if_ended(answer)
        self._unanswered = None
        basket = self._accepted(answer)
        self._done.append(action)
        return basket

    def closing(self) -> v1.EditBasketRequest | None:
        """Return the request that closes the session; None when no stream has it."""
        if not self._is_attached:
            return None
        return self._numbered(v1.EditBasketRequest(close=v1.CloseSession()))

    def _attach(self) -> Generator[v1.EditBasketRequest, v1.EditBasketResponse, None]:
        """Resume the session, or open one and do again what was done."""
        if self._session_id and self._is_built:
            resume = v1.ResumeSession(session_id=self._session_id, last_sequence=self._sequence)
            answer = yield v1.EditBasketRequest(resume=resume)
            error = _rejection(answer)
            if error is None:
                self._raise_if_ended(answer)
                self._is_unanswered_done = answer.sequence > self._sequence
                return
            if not isinstance(error, NotFound):
                raise error
        # One that was opened and has not got all of its actions again is left to its idle time.
        self._forget()
        answer = yield self._numbered(v1.EditBasketRequest(open=self._opening))
        self._accepted(answer)
        for action in self._done:
            answer = yield self._numbered(action)
            error = _rejection(answer)
            if error is not None and error.details.retry_seconds is None:
                raise SessionLost(error.details) from error
            self._accepted(answer)
        self._is_built = True

    def _numbered(self, action: v1.EditBasketRequest) -> v1.EditBasketRequest:
        request = v1.EditBasketRequest(sequence=self._sequence + 1)
        request.MergeFrom(action)
        return request

    def _accepted(self, answer: v1.EditBasketResponse) -> v1.EvaluatedBasket:
        """Take an answer over and return its basket."""
        self._raise_if_ended(answer)
        error = _rejection(answer)
        if answer.session_id:
            self._session_id, self._sequence = answer.session_id, answer.sequence
        if error is not None and error.details.retry_seconds is not None:
            raise Broken(error.details) from error
        if error is not None:
            raise error
        self.basket = answer.evaluated_basket
        return self.basket

    def _raise_if_ended(self, answer: v1.EditBasketResponse) -> None:
        if answer.WhichOneof("result") != "ended":
            return
        reason = v1.SessionEndReason.Name(answer.ended.reason)
        if answer.ended.reason not in REOPENED:
            raise SessionLost(Details("ABORTED", f"the session has ended: {reason}"))
        self._forget()
        raise Broken(Details("UNAVAILABLE", f"the session has ended: {reason}"))

    def _forget(self) -> None:
        self._is_built, self._is_unanswered_done = False, False
        self._session_id, self._sequence, self._is_attached = "", 0, False


def _rejection(answer: v1.EditBasketResponse) -> CallError | None:
    if answer.WhichOneof("result") != "rejection":
        return None
    return error_of(details_of_status(answer.rejection))


class EditActions(ABC, Generic[AnswerT]):
    """The actions of a session; each is answered with the whole evaluated basket.

    An action that is rejected raises a `CallError` and leaves the basket as it was. A broken stream
    is resumed, and a session that its server has lost is built anew on another one.
    """

    @abstractmethod
    def _do(self, action: v1.EditBasketRequest) -> AnswerT:
        """Do an action."""

    def add_line(self, line: v1.BasketLine, *, position: int | None = None) -> AnswerT:
        """Add a line, at a position from 0 or at the end; without an id it gets the next number."""
        return self._act(add_line=v1.AddLine(line=line, position=position))

    def change_line(self, line: v1.BasketLine) -> AnswerT:
        """Replace the line that has the id of this one."""
        return self._act(change_line=v1.ChangeLine(line=line))

    def set_quantity(self, line_item_id: str, quantity: Number) -> AnswerT:
        """Set the quantity of a line, in pieces."""
        action = v1.SetQuantity(line_item_id=line_item_id, quantity_micros=micros(quantity))
        return self._act(set_quantity=action)

    def remove_line(self, line_item_id: str) -> AnswerT:
        """Remove a line."""
        return self._act(remove_line=v1.RemoveLine(line_item_id=line_item_id))

    def add_coupon(self, coupon: str) -> AnswerT:
        """Add the code of a coupon."""
        return self._act(add_coupon=v1.AddCoupon(coupon=coupon))

    def remove_coupon(self, coupon: str) -> AnswerT:
        """Remove the code of a coupon."""
        return self._act(remove_coupon=v1.RemoveCoupon(coupon=coupon))

    def add_discount(self, discount: v1.ManualDiscount) -> AnswerT:
        """Add a manual discount of the basket; without an id it gets the next number."""
        return self._act(add_discount=v1.AddDiscount(discount=discount))

    def remove_discount(self, discount_id: str) -> AnswerT:
        """Remove a manual discount of the basket."""
        return self._act(remove_discount=v1.RemoveDiscount(discount_id=discount_id))

    def change_basket(self, basket: v1.Basket, *fields: str) -> AnswerT:
        """Set fields of the basket, such as `customer` or `payments`, to what they are in another.

        Args:
            basket: Has the new values; a field that it lacks becomes absent.
            fields: The names of the fields, `line_items` not among them.
        """
        mask = FieldMask(paths=fields)
        return self._act(change_basket=v1.ChangeBasket(basket=basket, update_mask=mask))

    def replace_basket(self, basket: v1.Basket) -> AnswerT:
        """Put another basket in the place of this one."""
        return self._act(replace_basket=v1.ReplaceBasket(basket=basket))

    def reevaluate(self) -> AnswerT:
        """Evaluate the basket at the present moment, under the catalogue that is loaded now."""
        return self._act(reevaluate=v1.Reevaluate())

    def _act(self, **action: Any) -> AnswerT:
        # A copy: the caller may go on with its message while a broken session needs this one.
        request = v1.EditBasketRequest()
        request.CopyFrom(v1.EditBasketRequest(**action))
        return self._do(request)
