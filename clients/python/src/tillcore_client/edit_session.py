"""Edit one basket in a session of the sync client."""

import queue
import threading
from types import TracebackType
from typing import Any, Self

import grpc

from tillcore_client import v1
from tillcore_client.errors import CallError, Details, details_of
from tillcore_client.retry import Attempts
from tillcore_client.session import Broken, EditActions, SessionState
from tillcore_client.transport import Transport
from tillcore_client.v1 import methods_pb2_grpc as methods


class EditSession(EditActions[v1.EvaluatedBasket]):
    """A session on one basket: `with client.edit_basket() as session`. One thread uses it."""

    def __init__(self, transport: Transport, opening: v1.OpenSession) -> None:
        """Prepare a session; entering it opens it."""
        self._transport = transport
        self._state = SessionState(opening)
        self._stream: _Stream | None = None

    @property
    def basket(self) -> v1.EvaluatedBasket:
        """The basket after the last action that was not rejected."""
        return self._state.basket

    def __enter__(self) -> Self:
        self._do(None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the session; without a stream it is left to its idle time."""
        request = self._state.closing()
        stream, self._stream = self._stream, None
        self._state.detach()
        if stream is not None:
            try:
                if request is not None:
                    stream.exchange(request, self._transport.policy.attempt_seconds)
            except Broken:
                pass  # What is left of the session ends by itself.
            finally:
                stream.end()

    def _do(self, action: v1.EditBasketRequest | None) -> v1.EvaluatedBasket:
        attempts = Attempts(methods.EDIT_BASKET, self._transport.policy, request_id="")
        while True:
            try:
                return self._attempt(action, attempts.begin())
            except Broken as broken:
                self._drop()
                self._transport.wait(attempts.delay_after(broken.details))
            except CallError:
                raise
            except BaseException:
                # Its answer may still come: on another stream it is not mistaken for the next one.
                self._drop()
                raise

    def _attempt(self, action: v1.EditBasketRequest | None, seconds: float) -> v1.EvaluatedBasket:
        if self._stream is None:
            self._stream = _Stream(self._transport)
        steps = self._state.steps(action)
        try:
            request = next(steps)
            while True:
                request = steps.send(self._stream.exchange(request, seconds))
        except StopIteration as done:
            basket: v1.EvaluatedBasket = done.value
            return basket

    def _drop(self) -> None:
        self._state.detach()
        if self._stream is not None:
            self._stream.end()
            self._stream = None


class _Stream:
    """One stream; a thread reads its answers, so that waiting for them can end."""

    def __init__(self, transport: Transport) -> None:
        self._requests: queue.SimpleQueue[v1.EditBasketRequest | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[v1.EditBasketResponse | Details] = queue.SimpleQueue()
        self._call = transport.open(methods.EDIT_BASKET, iter(self._requests.get, None))
        reader = threading.Thread(
            target=_read, args=(self._call, self._answers), name="edit-basket", daemon=True
        )
        reader.start()

    def exchange(self, request: v1.EditBasketRequest, seconds: float) -> v1.EditBasketResponse:
        """Send a request and return its answer.

        Raises:
            Broken: The stream has ended, or there is no answer in time.
        """
        self._requests.put(request)
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise Broken(Details("DEADLINE_EXCEEDED", f"no answer in {seconds} s")) from None
        if isinstance(answer, Details):
            raise Broken(answer)
        return answer

    def end(self) -> None:
        """End the stream."""
        self._call.cancel()
        self._requests.put(None)


def _read(call: Any, answers: "queue.SimpleQueue[v1.EditBasketResponse | Details]") -> None:
    """Hand the answers of a call over, and why there are no more."""
    try:
        for answer in call:
            answers.put(answer)
        answers.put(Details("UNAVAILABLE", "the server has ended the stream"))
    except grpc.RpcError as error:
        answers.put(details_of(error))
