"""Deliver by FTP, or FTPS: a file under a temporary name, which gets its own when it is whole."""

import contextlib
import ftplib
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from server.exports.deliveries.checks import own_problems
from server.exports.deliveries.file_names import file_name_of, temporary_name_of
from server.exports.deliveries.ftp_session import Session, Stop
from server.exports.deliveries.undeliverable import (
    Undeliverable,
    attempt,
    in_own_thread,
    refuse,
    secret_of,
    verified_tls,
)
from server.exports.network import Rules, open_connection
from server.exports.outcome import Failure, Outcome, Parcel
from server.exports.queue import Ftp, Secrets, Security

SECONDS_MAX: Final = 50.0
"""How long one attempt may take in all."""

_PORTS = {Security.NONE: 21, Security.STARTTLS: 21, Security.TLS: 990}
_NOT_SIGNED_IN = 530
_STATUS = re.compile(r"[0-9]{3}")
_ANONYMOUS = ("anonymous", "anonymous@")


class FtpDeliverer:
    """Puts parcels on the FTP server of a queue, each as a file of its own.

    A file that is there already under the name of the parcel can only be the parcel's own: an
    attempt got through whose reply was lost. It is replaced.
    """

    def __init__(
        self,
        ftp: Ftp,
        rules: Rules,
        *,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = SECONDS_MAX,
    ) -> None:
        """Set up.

        Args:
            ftp: What the queue configures.
            rules: What addresses the server may have.
            tls: What certificates are verified with; the system's roots by default.
            timeout_seconds: How long one attempt may take in all.
        """
        self._ftp = ftp
        self._rules = rules
        self._tls = tls
        self._timeout_seconds = timeout_seconds

    async def deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        """Put one file; it is not seen under its name before all of it is there."""
        return await attempt(
            self._deliver(parcel, secrets),
            timeout_seconds=self._timeout_seconds,
            secrets=secrets,
        )

    async def _deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        ftp = self._ftp
        refuse(own_problems(ftp))
        password = secret_of(secrets, "password") if ftp.username else ""
        if any(each in password for each in "\r\n\0"):
            raise Undeliverable(Failure.CONFIGURATION, "expected a password on one line")
        port = ftp.port or _PORTS[ftp.security]
        connection = await open_connection(ftp.host, port, self._rules, self._timeout_seconds)
        stop = Stop()
        work = partial(self._put, connection, stop, parcel, password)
        return await in_own_thread(work, stop.stop)

    def _put(self, connection: socket.socket, stop: Stop, parcel: Parcel, password: str) -> Outcome:
        """Do all that blocks, in a thread."""
        name = file_name_of(self._ftp.file_name, parcel)
        try:
            with self._session(connection, stop) as session:
                self._sign_in(session, password)
                _enter(session, self._ftp.directory, name)
                reply = _store(session, name, parcel.body)
                with contextlib.suppress(ftplib.Error, OSError, EOFError):
                    session.quit()
        except ftplib.Error as error:
            raise _undeliverable(error) from error
        except EOFError as error:
            raise ConnectionError("the server closed the connection") from error
        return Outcome(status=_status_of(reply), response=reply)

    @contextmanager
    def _session(self, connection: socket.socket, stop: Stop) -> Iterator[Session]:
        """Yield a session that is welcome, and protected as configured; never less than that."""
        security = self._ftp.security
        with contextlib.ExitStack() as closing:
            closing.callback(stop.close)
            # TLS takes a connection over; until then it is ours to close.
            closing.callback(connection.close)
            session = Session(
                connection,
                host=self._ftp.host,
                tls=self._tls or verified_tls(),
                stop=stop,
                timeout_seconds=self._timeout_seconds,
            )
            closing.callback(session.close)
            if security is Security.TLS:
                session.wrap()
            session.greet()
            if security is Security.STARTTLS:
                _start_tls(session)
            yield session

    def _sign_in(self, session: Session, password: str) -> None:
        username, password = (self._ftp.username, password) if self._ftp.username else _ANONYMOUS
        session.login(username, password)
        if self._ftp.security is not Security.NONE:
            try:
                session.protect_data()
            except ftplib.error_perm as error:
                words = "expected TLS on data connections, the server refused it"
                raise _replied(Failure.TLS, words, error) from error


def _start_tls(session: Session) -> None:
    try:
        session.voidcmd("AUTH TLS")
    except ftplib.error_perm as error:
        words = "expected TLS (AUTH TLS), the server refused it"
        raise _replied(Failure.TLS, words, error) from error
    session.wrap()


def _enter(session: Session, directory: str, name: str) -> None:
    """Change to the directory; some servers have to be told that names are in UTF-8."""
    if not (directory + name).isascii():
        with contextlib.suppress(ftplib.Error):
            session.sendcmd("OPTS UTF8 ON")
    if directory:
        session.cwd(directory)


def _store(session: Session, name: str, body: bytes) -> str:
    """Put a file under a temporary name, rename it, and return the last reply."""
    temporary = temporary_name_of(name)
    try:
        session.upload(temporary, body)
        return _rename(session, temporary, name)
    except (ftplib.Error, TimeoutError):
        # A session that is still alive can tidy up; otherwise the next attempt overwrites it.
        with contextlib.suppress(ftplib.Error, OSError, EOFError):
            session.delete(temporary)
        raise


def _rename(session: Session, temporary: str, name: str) -> str:
    """Rename a file, over one of that name if there is one.

    Most servers replace it by themselves; where one does not, it is deleted first.
    """
    try:
        return session.rename(temporary, name)
    except ftplib.error_perm as refused:
        try:
            session.delete(name)
        except ftplib.error_perm:
            # It was not in the way, so the first reply says what is.
            raise refused from None
        return session.rename(temporary, name)


def _undeliverable(error: ftplib.Error) -> Undeliverable:
    """Return what a reply means that is no success."""
    status = _status_of(str(error))
    if status is None or not isinstance(error, ftplib.error_perm | ftplib.error_temp):
        return Undeliverable(Failure.PROTOCOL, f"expected a reply of FTP, was: {error}")
    if status == _NOT_SIGNED_IN:
        return _replied(Failure.CREDENTIALS, "the server refused the credentials", error)
    return _replied(Failure.STATUS, "the server refused the file", error)


def _replied(failure: Failure, words: str, error: ftplib.Error) -> Undeliverable:
    reply = str(error)
    return Undeliverable(failure, f"{words}: {reply}", status=_status_of(reply), response=reply)


def _status_of(reply: str) -> int | None:
    """Return the three digits that a reply begins with."""
    found = _STATUS.match(reply)
    return int(found[0]) if found else None
