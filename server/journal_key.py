"""Keep the private key that signs the journals of this server, in a file beside the data."""

import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from engine.journal.keys import PrivateKeySigner, load_signer

KEY_FILE: Final = "journal-key.pem"
_OWNER_ONLY: Final = 0o600


class JournalKey:
    """The private key of a server; each account's journal counts its versions by itself."""

    def __init__(self, pem: bytes, *, password: bytes | None = None) -> None:
        """Take a private key in PEM.

        Raises:
            BadKeyError: The bytes are no such key, or the password is wrong.
        """
        self._first = load_signer(pem, key_version=1, password=password)
        self._pem = pem
        self._password = password
        self._signers = {1: self._first}
        self.public_der = self._first.public_key.der
        """The public part, DER (SubjectPublicKeyInfo)."""

    def signer(self, version: int) -> PrivateKeySigner:
        """Return what signs as this version of an account's keys."""
        found = self._signers.get(version)
        if found is None:
            found = load_signer(self._pem, key_version=version, password=self._password)
            self._signers[version] = found
        return found


def open_journal_key(path: Path, *, password: bytes | None = None) -> JournalKey:
    """Return the key in a file, which is made with a new Ed25519 key when it is not there.

    Raises:
        BadKeyError: The file holds no key, or the password is wrong.
        OSError: The file cannot be read or made.
    """
    if not path.exists():
        _make(path, password)
    return JournalKey(path.read_bytes(), password=password)


def _make(path: Path, password: bytes | None) -> None:
    """Write a new key for the owner's eyes alone; a twin that was faster wins."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM,
        PrivateFormat.PKCS8,
        NoEncryption() if password is None else BestAvailableEncryption(password),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    try:
        os.write(handle, pem)
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
