"""Keep the secrets of deliveries: encrypted in the store, by keys that are not in the store.

A sealed text names the queue that it is of, so that a row copied to another queue does not open.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Connection, select, update

from engine.errors import Reason, invalid
from server.exports.queue import Secrets
from server.storage.export_tables import export_queue
from server.storage.exports import QueueName

KEY_FILE: Final = "export-key"
_OWNER_ONLY: Final = 0o600


class SecretsError(ValueError):
    """Sealed secrets cannot be opened; the message says why, and holds nothing of them."""


class _Sealed(msgspec.Struct, frozen=True):
    """What is encrypted: whose secrets they are, and the secrets."""

    account_id: str
    queue_id: str
    secrets: dict[str, str]


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder(_Sealed)


class SecretBox:
    """Seals secrets with the first of some keys, and opens what any of them has sealed."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys, each 32 bytes as URL-safe base64, the newest first.

        Raises:
            InvalidInput: A key is none, or there is no key.
        """
        if not keys:
            raise invalid("exports.keys", Reason.REQUIRED, "expected a key, was none")
        self._box = MultiFernet([_fernet(index, key) for index, key in enumerate(keys)])

    def seal(self, secrets: Secrets, name: QueueName) -> bytes:
        """Return the secrets of a queue as the store keeps them."""
        sealed = _Sealed(name.account_id, name.queue_id, dict(secrets))
        return self._box.encrypt(_ENCODER.encode(sealed))

    def open(self, token: bytes | None, name: QueueName) -> Secrets:
        """Return the secrets of a queue; none of a queue that has none.

        Raises:
            SecretsError: No key fits, or the secrets are of another queue.
        """
        if token is None:
            return {}
        try:
            sealed = _DECODER.decode(self._box.decrypt(bytes(token)))
        except InvalidToken:
            message = "expected secrets sealed with one of the keys for exports, was another key"
            raise SecretsError(f"{message} (queue {name.queue_id})") from None
        if (sealed.account_id, sealed.queue_id) != name:
            message = f"expected the secrets of the queue {name.queue_id}, was those of another"
            raise SecretsError(message)
        return sealed.secrets

    def seal_if_any(self, secrets: Secrets, name: QueueName) -> bytes | None:
        """Return secrets as the store keeps them; None where there are none."""
        return self.seal(secrets, name) if secrets else None


def _fernet(index: int, key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        # The text of a bad key may be most of a good one.
        expected = "expected 32 bytes as URL-safe base64, was something else"
        raise invalid(f"exports.keys[{index}]", Reason.MALFORMED, expected) from None


def new_key() -> str:
    """Return a new key for a `SecretBox`."""
    return Fernet.generate_key().decode()


# --- the file of keys ------------------------------------------------------------------------


def open_secret_box(keys: Sequence[str], path: Path) -> SecretBox:
    """Return a box with the operator's keys; without any, with those of a file.

    Args:
        keys: From the settings, the newest first. Processes that share a database need the same.
        path: Of the file, a key a line, the newest first; it is made when it is not there.

    Raises:
        InvalidInput: A key is none.
        OSError: The file cannot be read or made.
    """
    if keys:
        return SecretBox(keys)
    if not path.exists():
        _make(path)
    return SecretBox(read_keys(path))


def read_keys(path: Path) -> tuple[str, ...]:
    """Return the keys of a file, the newest first.

    Raises:
        OSError: The file cannot be read.
    """
    return tuple(path.read_text(encoding="ascii", errors="replace").split())


def add_key(path: Path) -> SecretBox:
    """Put a new key before those of a file, and return the box with all of them.

    The file is replaced as a whole. A server that runs does not know the new key: `reseal_all` is
    for when none does, or before they are started anew.

    Raises:
        InvalidInput: The file holds something else than keys.
        OSError: The file cannot be read or written.
    """
    keys = (new_key(), *(read_keys(path) if path.exists() else ()))
    box = SecretBox(keys)
    draft = _written(path, keys)
    draft.replace(path)
    return box


def _make(path: Path) -> None:
    """Write a file with a new key; a twin that was faster wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _written(path, (new_key(),))
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _written(path: Path, keys: Sequence[str]) -> Path:
    """Write keys for the owner's eyes alone beside a path, and return where."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    try:
        os.write(handle, "".join(f"{key}\n" for key in keys).encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    return draft


# --- rotation --------------------------------------------------------------------------------


def reseal_all(connection: Connection, box: SecretBox) -> int:
    """Seal the secrets of every queue of every account with the first key; return how many.

    Afterwards the other keys open nothing that is needed.

    Raises:
        SecretsError: The secrets of a queue cannot be opened; nothing is changed.
    """
    columns = export_queue.c
    statement = select(columns.account_id, columns.queue_id, columns.secrets).where(
        columns.secrets.is_not(None)
    )
    rows = connection.execute(statement.with_for_update()).all()
    for account_id, queue_id, token in rows:
        name = QueueName(account_id, queue_id)
        sealed = box.seal(box.open(token, name), name)
        connection.execute(
            update(export_queue)
            .where(columns.account_id == account_id, columns.queue_id == queue_id)
            .values(secrets=sealed)
        )
    return len(rows)


# --- updates ---------------------------------------------------------------------------------


def merged_secrets(known: Secrets, sent: Mapping[str, str], *, is_kept: bool) -> Secrets:
    """Return the secrets after an update.

    Args:
        known: The secrets before.
        sent: Those of the update; an empty one is removed.
        is_kept: Whether those that were not sent stay, see `server.exports.destination`.
    """
    secrets = {**(known if is_kept else {}), **sent}
    return {name: value for name, value in secrets.items() if value}
