"""Certificates for servers of tests, and what a client needs to trust them."""

import ssl
from pathlib import Path

import trustme

HOST = "localhost"
"""The name that certificates are for."""


class Authority:
    """An authority of its own: what it signs is trusted by nobody else."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    @property
    def root(self) -> str:
        """Its root, as PEM."""
        return self._authority.cert_pem.bytes().decode()

    def server(self, host: str = HOST) -> ssl.SSLContext:
        """Return what a server with a certificate for a host takes connections with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(host).configure_cert(context)
        return context

    def server_file(self, directory: Path, host: str = HOST) -> Path:
        """Write the key and the certificate of a server to a file."""
        path = directory / f"{host}.pem"
        path.write_bytes(self._authority.issue_cert(host).private_key_and_cert_chain_pem.bytes())
        return path

    def client(self) -> ssl.SSLContext:
        """Return what a client connects with that trusts this authority only."""
        return ssl.create_default_context(cadata=self.root)
