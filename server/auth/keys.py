"""The form of keys: `tillcore_<key id>_<secret><checksum>`, and the secrets that are kept of them.

The prefix tells secret scanners what they found. The secret has 256 random bits, so a plain hash of
it is enough to store. The checksum refuses mistyped and cut keys without a look into the store.
"""

import binascii
import hashlib
import re
import secrets
from typing import Final

from engine.model.value import Value

PREFIX: Final = "tillcore"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY_ID_CHARACTERS = 12
_SECRET_BYTES = 32
_SECRET_CHARACTERS = 43
_CHECKSUM_CHARACTERS = 6

assert len(_DIGITS) ** _SECRET_CHARACTERS >= 2 ** (8 * _SECRET_BYTES)
assert len(_DIGITS) ** _CHECKSUM_CHARACTERS >= 2**32

KEY: Final = re.compile(
    rf"{PREFIX}_(?P<key_id>[0-9A-Za-z]{{{_KEY_ID_CHARACTERS}}})"
    rf"_(?P<secret>[0-9A-Za-z]{{{_SECRET_CHARACTERS}}})"
    rf"(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_CHARACTERS}}})",
    re.ASCII,
)

CODE_CHARACTERS: Final = 10
_CODE_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_CONFUSED: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


class Key(Value, frozen=True):
    """A key in its parts.

    Attributes:
        text: The whole key, shown once.
        key_id: What it is looked up by; no secret.
        secret_sha256: What the store keeps.
    """

    text: str
    key_id: str
    secret_sha256: bytes


def new_key() -> Key:
    """Return a key that nobody has."""
    key_id = "".join(secrets.choice(_DIGITS) for _ in range(_KEY_ID_CHARACTERS))
    number = int.from_bytes(secrets.token_bytes(_SECRET_BYTES))
    secret = _base62(number, characters=_SECRET_CHARACTERS)
    return Key(
        text=f"{PREFIX}_{key_id}_{secret}{_checksum(key_id, secret)}",
        key_id=key_id,
        secret_sha256=_sha256(secret),
    )


def parse_key(text: str) -> Key | None:
    """Return a key in its parts, None when a text is none."""
    match = KEY.fullmatch(text)
    if match is None or match["checksum"] != _checksum(match["key_id"], match["secret"]):
        return None
    return Key(text=text, key_id=match["key_id"], secret_sha256=_sha256(match["secret"]))


def new_code() -> str:
    """Return a code of 50 random bits that a person can type, such as `7KQ2M-04VXW`."""
    characters = "".join(secrets.choice(_CODE_DIGITS) for _ in range(CODE_CHARACTERS))
    return f"{characters[: CODE_CHARACTERS // 2]}-{characters[CODE_CHARACTERS // 2 :]}"


def code_sha256(code: str) -> bytes:
    """Return what the store keeps of a code, however it was typed."""
    return _sha256(code.upper().translate(_CODE_CONFUSED))


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _checksum(key_id: str, secret: str) -> str:
    crc = binascii.crc32(f"{PREFIX}_{key_id}_{secret}".encode())
    return _base62(crc, characters=_CHECKSUM_CHARACTERS)


def _base62(number: int, *, characters: int) -> str:
    digits: list[str] = []
    for _ in range(characters):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    assert number == 0, "the number has more digits"
    return "".join(reversed(digits))
