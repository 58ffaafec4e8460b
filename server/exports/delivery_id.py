"""The ids of deliveries: the same at every attempt and every re-send, so receivers can drop twins.

They hold no secret: whoever knows an account, a queue and a number can work them out.
"""

import hashlib


def delivery_id(account_id: str, queue_id: str, entry_number: int) -> str:
    """Return the id under which one entry is delivered, in any generation."""
    return _digest("entry", account_id, queue_id, str(entry_number))


def batch_id(account_id: str, queue_id: str, due_ns: int, part_number: int) -> str:
    """Return the id under which one part of the batch of a firing is delivered.

    Args:
        account_id: Whose queue it is.
        queue_id: The queue.
        due_ns: The firing of its cron trigger, in nanoseconds since 1970-01-01 UTC.
        part_number: Of the batch, from 1.
    """
    return _digest("batch", account_id, queue_id, str(due_ns), str(part_number))


def _digest(*parts: str) -> str:
    """Return an id over parts, each after its length so that no two lists give one text."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode()
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return f"msg_{digest.hexdigest()[:32]}"
