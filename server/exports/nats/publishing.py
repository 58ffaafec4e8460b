"""Publish messages to a stream, many at a time, each confirmed by the broker."""

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

SUBJECT_IS_TAKEN: Final = 10077
"""The error by which a stream with one message of a subject at most refuses a second one."""


class _Error(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Confirmation(msgspec.Struct):
    error: _Error | None = None


_DECODER: Final = msgspec.json.Decoder(_Confirmation)


class Published(NamedTuple):
    """What the broker said.

    Attributes:
        confirmed: For each message whether the broker has one with its subject.
        refusal: Why it did not take one; empty when there was no such.
    """

    confirmed: list[bool]
    refusal: str


class _Batch:
    """Messages on their way."""

    def __init__(self, count: int) -> None:
        self.confirmed = [False] * count
        self.refusal = ""
        self.is_over = asyncio.Event()
        self._count_left = count

    def note(self, index: int, *, refusal: str) -> None:
        """Take the answer for one of them."""
        self.confirmed[index] = not refusal
        self.refusal = self.refusal or refusal
        self._count_left -= 1
        if self._count_left == 0:
            self.is_over.set()


class Publisher:
    """Publishes over one connection; nats-py has no call for many messages whose errors arrive."""

    def __init__(self) -> None:
        """Begin without a connection."""
        self._inbox = ""
        self._numbers = itertools.count()
        self._batches: dict[int, _Batch] = {}

    async def subscribe(self, client: Client) -> None:
        """Listen for confirmations over a connection, which replaces the former one."""
        self._inbox = client.new_inbox()
        await client.subscribe(f"{self._inbox}.*.*", cb=self._confirm)

    async def publish(
        self, client: Client, messages: Sequence[tuple[str, bytes]], *, seconds: float
    ) -> Published:
        """Publish messages in their order; return what the broker said within some seconds.

        Raises:
            Error: They cannot be sent.
        """
        number = next(self._numbers)
        batch = self._batches[number] = _Batch(len(messages))
        try:
            for index, (subject, content) in enumerate(messages):
                await client.publish(subject, content, reply=f"{self._inbox}.{number}.{index}")
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await batch.is_over.wait()
        finally:
            del self._batches[number]
        return Published(batch.confirmed, batch.refusal)

    async def _confirm(self, message: Msg) -> None:
        _, number, index = message.subject.rsplit(".", 2)
        batch = self._batches.get(int(number))
        if batch is not None:
            batch.note(int(index), refusal=_refusal(message))


def _refusal(message: Msg) -> str:
    """Return why the broker has no message with a subject; empty when it has one."""
    if not message.data:
        return "nobody takes the messages: the stream is not there"
    error = _DECODER.decode(message.data).error
    if error is None or error.err_code == SUBJECT_IS_TAKEN:
        return ""
    return error.description
