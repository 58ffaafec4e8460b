"""TLS and mutual TLS: credentials from files, read anew when the files change."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from engine.errors import Reason, invalid
from server.config import TlsSettings

T = TypeVar("T")

_MISSING: Final = "expected certificate and key together, was one of them"


def server_credentials(settings: TlsSettings) -> grpc.ServerCredentials | None:
    """Return the credentials of a server, None when the settings name no certificate.

    Each new connection looks whether the files have changed. What cannot be used is logged, and
    the certificate before it goes on.

    Raises:
        InvalidInput: The settings, or what is in the files, do not go together.
        OSError: A file cannot be read.
    """
    if settings.certificate is None and settings.key is None:
        if settings.client_ca is not None:
            raise invalid("tls.client_ca", Reason.NOT_ALLOWED, "expected a certificate beside it")
        return None
    if settings.certificate is None or settings.key is None:
        raise invalid("tls", Reason.REQUIRED, _MISSING)
    certificates = Certificates(settings.certificate, settings.key, settings.client_ca)
    return grpc.dynamic_ssl_server_credentials(
        certificates.configuration,
        certificates.changed,  # type: ignore[arg-type]  # grpc takes None for no change
        require_client_authentication=settings.client_ca is not None,
    )


class Certificates:
    """The files of a server's identity, and what they held when they were read last."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        """Read the files.

        Raises:
            InvalidInput: They do not go together.
            OSError: One cannot be read.
        """
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._stamps = self._stamped()
        self._log = structlog.get_logger().bind()
        self.configuration = self._read()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what the files hold now, None while it is not new or cannot be used."""
        try:
            stamps = self._stamped()
            if stamps == self._stamps:
                return None
            configuration = self._read()
        except Exception as error:
            # A connection must not fail because somebody is replacing the files just now.
            self._log.error("certificate", trouble=str(error))
            return None
        self._stamps = stamps
        self._log.info("certificate", path=str(self._certificate))
        return configuration

    def _files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self._certificate, self._key, self._client_ca) if path)

    def _stamped(self) -> tuple[tuple[int, int, int], ...]:
        """Return what changes when a file is written or replaced."""
        found = (path.stat() for path in self._files())
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        chain, key = self._certificate.read_bytes(), self._key.read_bytes()
        roots = None if self._client_ca is None else self._client_ca.read_bytes()
        certificates = _checked(self._certificate, lambda: x509.load_pem_x509_certificates(chain))
        private = _checked(self._key, lambda: load_pem_private_key(key, password=None))
        if roots is not None and self._client_ca is not None:
            _checked(self._client_ca, lambda: x509.load_pem_x509_certificates(roots))
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        own = certificates[0].public_key().public_bytes(*form)
        if private.public_key().public_bytes(*form) != own:
            message = f"expected the key of {self._certificate}, was another"
            raise invalid(str(self._key), Reason.NOT_ALLOWED, message)
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=roots)


def _checked(path: Path, load: Callable[[], T]) -> T:
    """Return what is loaded from a file, with the file's name in the error."""
    try:
        return load()
    except (ValueError, TypeError) as error:
        raise invalid(str(path), Reason.MALFORMED, f"expected PEM, was other: {error}") from error
