"""What queues and entries are called in the broker, and what a message says."""

import hashlib
from typing import Final

import msgspec

from server.storage.exports import QueueName

_TOKEN_LENGTH: Final = 32


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """An entry is due; whether it still is, and what is in it, the database knows.

    Attributes:
        account: Whose queue it is.
        queue: The queue.
        entry_number: Of the entry.
    """

    account: str
    queue: str
    entry_number: int


_DECODER: Final = msgspec.json.Decoder(Due)


def token_of(name: QueueName) -> str:
    """Return what a queue is called in subjects and consumers, whatever its ids hold."""
    digest = hashlib.sha256()
    for part in name:
        content = part.encode()
        # Each part after its length, so that no two queues give one text.
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()[:_TOKEN_LENGTH]


def subjects_of(prefix: str, token: str = "*") -> str:
    """Return the subjects of the entries of a queue, or of all queues."""
    return f"{prefix}.{token}.*"


def subject_of(prefix: str, token: str, entry_number: int) -> str:
    """Return the subject of an entry."""
    return f"{prefix}.{token}.{entry_number}"


def message_of(name: QueueName, entry_number: int) -> bytes:
    """Return the message about an entry."""
    due = Due(account=name.account_id, queue=name.queue_id, entry_number=entry_number)
    return msgspec.json.encode(due)


def entry_of(message: bytes, name: QueueName) -> int | None:
    """Return the number of the entry that a message is about; None when it is none of the queue."""
    try:
        due = _DECODER.decode(message)
    except msgspec.DecodeError:
        return None
    return due.entry_number if name == (due.account, due.queue) else None
