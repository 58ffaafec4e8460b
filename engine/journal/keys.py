"""Sign the hashes of journal entries and check signatures: Ed25519, or ECDSA with P-256.

A signature has 64 bytes in one form only. With P-256 it is r and s, 32 bytes each, s not above half
the order of the curve; the hash of the entry is the digest that ECDSA signs. With Ed25519 the hash
of the entry is the message.
"""

from hashlib import sha256
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

P256: Final = "P-256"
ED25519: Final = "Ed25519"
SIGNATURE_BYTES: Final = 64

_HALF = SIGNATURE_BYTES // 2
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_CHECK = ECDSA(Prehashed(SHA256()))
_P256_SIGN = ECDSA(Prehashed(SHA256()), deterministic_signing=True)
_EXPECTED = f"a key of {ED25519} or ECDSA {P256}"


class BadKeyError(ValueError):
    """The bytes are no key that journals are signed with; the message says what would be right."""


class PublicKey:
    """Checks the signatures of one key.

    Attributes:
        der: The key as SubjectPublicKeyInfo.
        key_id: SHA-256 of `der`.
        algorithm: `P-256` or `Ed25519`.
    """

    __slots__ = ("_key", "algorithm", "der", "key_id")

    def __init__(self, key: EllipticCurvePublicKey | Ed25519PublicKey) -> None:
        self._key = key
        self.algorithm = ED25519 if isinstance(key, Ed25519PublicKey) else P256
        self.der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key_id = sha256(self.der).digest()

    def is_signed(self, entry_hash: bytes, signature: bytes) -> bool:
        """Tell whether a signature is this key's for the hash of an entry, in its one form."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        key = self._key
        try:
            if isinstance(key, Ed25519PublicKey):
                key.verify(signature, entry_hash)
                return True
            r = int.from_bytes(signature[:_HALF], "big")
            s = int.from_bytes(signature[_HALF:], "big")
            if s > _P256_ORDER // 2:
                return False
            key.verify(encode_dss_signature(r, s), entry_hash, _P256_CHECK)
        except InvalidSignature:
            return False
        return True

    def pem(self) -> bytes:
        """Return the key as PEM, as `tillcore verify --key` takes it."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Signer(Protocol):
    """Signs for one account; a plug-in may keep the private key in a device.

    Attributes:
        public_key: What checks the signatures.
        key_version: The running number of the account's signing keys, from 1.
    """

    @property
    def public_key(self) -> PublicKey:
        """Return what checks the signatures."""
        ...

    @property
    def key_version(self) -> int:
        """Return the running number of the key."""
        ...

    def sign(self, entry_hash: bytes) -> bytes:
        """Return the signature of the hash of an entry, in its one form."""
        ...


class PrivateKeySigner:
    """Signs with a private key in memory; the same hash always has the same signature."""

    def __init__(
        self, key: EllipticCurvePrivateKey | Ed25519PrivateKey, *, key_version: int
    ) -> None:
        self._key = key
        self._public_key = _public(key.public_key())
        self._key_version = key_version

    @property
    def public_key(self) -> PublicKey:
        """Return what checks the signatures."""
        return self._public_key

    @property
    def key_version(self) -> int:
        """Return the running number of the key."""
        return self._key_version

    def sign(self, entry_hash: bytes) -> bytes:
        """Return the signature of the hash of an entry, in its one form."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(entry_hash)
        r, s = decode_dss_signature(self._key.sign(entry_hash, _P256_SIGN))
        s = min(s, _P256_ORDER - s)
        return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")


def load_signer(pem: bytes, *, key_version: int, password: bytes | None = None) -> PrivateKeySigner:
    """Return the signer of a private key in PEM (PKCS #8).

    Raises:
        BadKeyError: The bytes are no such key, or of another kind, or the password is wrong.
    """
    try:
        key = load_pem_private_key(pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKeyError(f"expected {_EXPECTED} as PEM, and its password if it has one") from None
    if not isinstance(key, EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise BadKeyError(f"expected {_EXPECTED}, was another kind of key")
    return PrivateKeySigner(key, key_version=key_version)


def load_public_key(data: bytes) -> PublicKey:
    """Return a public key in PEM or DER (SubjectPublicKeyInfo).

    Raises:
        BadKeyError: The bytes are no such key, or of another kind.
    """
    is_pem = data.lstrip().startswith(b"-----BEGIN")
    try:
        key = load_pem_public_key(data) if is_pem else load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise BadKeyError(f"expected {_EXPECTED}, public part, as PEM or DER") from None
    return _public(key)


def _public(key: object) -> PublicKey:
    """Return a public key of the two kinds, refusing any other."""
    if isinstance(key, Ed25519PublicKey):
        return PublicKey(key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return PublicKey(key)
    raise BadKeyError(f"expected {_EXPECTED}, was another kind of key")
