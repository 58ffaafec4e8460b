"""The settings: one frozen value from a TOML file, with the environment laid over it.

A setting `[database] url` is `TILLCORE_DATABASE__URL` in the environment. Only this module,
`server.app` and `server.process` read either. docs/operations.md lists every setting.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_origin, get_type_hints

import msgspec

from engine.errors import FieldProblem, InvalidInput, Reason
from engine.readers import Problems, closest
from engine.rpc.server import GRACE_SECONDS_DEFAULT, LISTEN_DEFAULT

PREFIX: Final = "TILLCORE_"
_NESTING: Final = "__"
HTTP_DEFAULT: Final = "127.0.0.1:8080"
LogLevel = Literal["debug", "info", "warning", "error"]


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how calls are answered.

    Attributes:
        listen: Host and port; port 0 takes a free one.
        http: Host and port of HTTP; empty for none.
        front: Address and port of the fast front, or `unix:` and a path; `auto` for
            127.0.0.1:50052 where that is possible, empty for none.
        metrics: Host and port of the status pages alone, which HTTP then has without the numbers;
            empty for none.
        public_url: Where HTTP is reached from outside, such as https://shop.example, for links.
        log_level: What is logged: every call at debug, failed ones at info.
        drain_seconds: How long calls are still taken after SIGTERM, so that a balancer notices.
        grace_seconds: How long calls under way may take after that.
        workers: How many processes share the addresses.
        connection_age_seconds: After so long clients are asked to connect anew, 0 for never; None
            for what suits the number of workers.
    """

    listen: str = LISTEN_DEFAULT
    http: str = HTTP_DEFAULT
    front: str = "auto"
    metrics: str = ""
    public_url: str = ""
    log_level: LogLevel = "info"
    drain_seconds: float = 0.0
    grace_seconds: float = GRACE_SECONDS_DEFAULT
    workers: int = 1
    connection_age_seconds: float | None = None


class FrontSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the fast front allows; see docs/front.md.

    Attributes:
        public: Whether other machines may reach it, though it has no TLS.
        connections: How many there may be at a time.
        idle_seconds: How long a connection may be without calls.
        log_one_of: One of so many calls that went well has a line in the log, 0 for none.
    """

    public: bool = False
    connections: int = 10_000
    idle_seconds: float = 600.0
    log_one_of: int = 10_000


class DataSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the embedded database and other files are.

    Attributes:
        directory: The data directory.
        free_bytes_min: Less room than this on its disk, and the server is not ready.
    """

    directory: Path = Path("tillcore-data")
    free_bytes_min: int = 100_000_000


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL database in place of the embedded one.

    Attributes:
        url: Such as `postgresql://user@host/name`; empty for the embedded database.
        connections: How many transactions run at once.
    """

    url: str = ""
    connections: int = 8


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Transport security; the files are read anew when they change.

    Attributes:
        certificate: PEM file with the server's certificate and those between it and the root.
        key: PEM file with its private key.
        client_ca: PEM file with the roots of client certificates, which are then required.
    """

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None


class CatalogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Catalogues from files, and the past of all.

    Attributes:
        paths: Directories or files, as `engine.rpc.catalog_files` reads them.
        account: The account that they are imported into, which is made if need be.
        history_days: How long past revisions of every catalogue are kept, to evaluate as of then.
    """

    paths: tuple[Path, ...] = ()
    account: str = "demo"
    history_days: int = 365


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What signs the journals; processes that share a database share the key.

    Attributes:
        key: PEM file with the private key, Ed25519 or P-256, which is made when it is not there;
            journal-key.pem in the data directory unless told otherwise.
        password: What the file is encrypted with; empty when it is not.
    """

    key: Path | None = None
    password: str = ""


class ExportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How exports leave the server.

    Attributes:
        dispatcher: `embedded`, or `nats` to share the work over a broker.
        allowed_networks: Networks that are not public and may be reached all the same, such as
            `10.0.0.0/8 fd00::/8`, with spaces between.
        http_allowed: Whether web hooks may go unencrypted.
        folder: Where deliveries to a folder write; exports in the data directory unless told
            otherwise.
        keys: What the secrets of queues are encrypted with, with spaces between: the first
            encrypts, all decrypt. Empty for a key file in the data directory, which is made.
        keep_days: How long what was exported, and its log, is kept.
        transform_processes: How many child processes transform.
    """

    dispatcher: Literal["embedded", "nats"] = "embedded"
    allowed_networks: str = ""
    http_allowed: bool = False
    folder: Path | None = None
    keys: str = ""
    keep_days: int = 30
    transform_processes: int = 2


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The mail server for queues that name none.

    Attributes:
        host: Empty for none.
        port: 0 for the usual one.
        security: How the connection is protected.
        username: Empty for none.
        password: Of the username.
        sender: The address that mails come from.
    """

    host: str = ""
    port: int = 0
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str = ""
    password: str = ""
    sender: str = ""


class NatsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The broker of the dispatcher `nats`.

    Attributes:
        servers: URLs with spaces between.
        prefix: The name of its stream, and what its subjects begin with.
        credentials: File with a user's credentials.
        replicas: How many servers of a cluster keep the stream.
    """

    servers: str = "nats://127.0.0.1:4222"
    prefix: str = "tillcore_exports"
    credentials: Path | None = None
    replicas: int = 1


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may call over HTTP from elsewhere.

    Attributes:
        origins: The other sites whose pages may call RPCs, such as `https://till.example`, with
            spaces between.
        hosts: The names under which HTTP is asked beside those of `server.public_url` and
            `server.http`, such as `till.example`, with spaces between. Addresses and `localhost`
            need not be named.
        pictures: The other sites whose pictures of products the till shows, such as
            `https://images.example`, with spaces between.
    """

    origins: str = ""
    hosts: str = ""
    pictures: str = ""


class ImportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of imports.

    Attributes:
        keep_days: How long requests, and what became of their items, are kept in the log.
    """

    keep_days: int = 30


class IntegrationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of integrations.

    Attributes:
        keep_days: How long payments and other actions are kept once they are settled. Whoever
            repeats one later has it done again.
    """

    keep_days: int = 400


class ReportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How reports look.

    Attributes:
        templates: Directory with a `document.html.jinja`, a `document.typ`, or both, in place of
            ours; docs/reports.md says what they get.
    """

    templates: Path | None = None


class CompatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Habits of older systems, for those who cannot change what calls them.

    Attributes:
        query_writes: Whether the web services record a sale by GET.
    """

    query_writes: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, by the sections of the file."""

    server: ServerSettings = ServerSettings()
    front: FrontSettings = FrontSettings()
    data: DataSettings = DataSettings()
    database: DatabaseSettings = DatabaseSettings()
    tls: TlsSettings = TlsSettings()
    catalog: CatalogSettings = CatalogSettings()
    journal: JournalSettings = JournalSettings()
    exports: ExportSettings = ExportSettings()
    mail: MailSettings = MailSettings()
    nats: NatsSettings = NatsSettings()
    imports: ImportSettings = ImportSettings()
    integrations: IntegrationSettings = IntegrationSettings()
    reports: ReportSettings = ReportSettings()
    compat: CompatSettings = CompatSettings()
    http: HttpSettings = HttpSettings()

    @property
    def is_alone(self) -> bool:
        """Whether one process uses the database, which then is the embedded one."""
        return not self.database.url and self.server.workers == 1


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of a file with those of the environment over them.

    Args:
        path: The TOML file; None for the environment alone.
        environment: The variables; those without `__` are none of the settings.

    Raises:
        InvalidInput: The file is no TOML, a setting is unknown, or has a wrong value.
        OSError: The file cannot be read.
    """
    members = {} if path is None else _read(path)
    problems = Problems()
    _check_known(members, problems)
    for name, value in environment.items():
        _overlay(members, name, value, problems)
    problems.finish()
    return _converted(members)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problem = FieldProblem(str(path), Reason.MALFORMED, f"expected TOML, was other: {error}")
        raise InvalidInput([problem]) from error


def _sections() -> dict[str, dict[str, Any]]:
    """Return the types of all settings by section and name."""
    return {name: get_type_hints(kind) for name, kind in get_type_hints(Settings).items()}


def _check_known(members: Mapping[str, Any], problems: Problems) -> None:
    """Add a problem for every section or setting of the file that there is none of."""
    known = _sections()
    for section, values in members.items():
        if section not in known:
            problems.add(section, Reason.UNKNOWN_FIELD, _meant(section, known))
        elif not isinstance(values, dict):
            problems.add(section, Reason.WRONG_TYPE, "expected a section, was a value")
        else:
            for name in values:
                if name not in known[section]:
                    field = f"{section}.{name}"
                    problems.add(field, Reason.UNKNOWN_FIELD, _meant(name, known[section]))


def _overlay(members: dict[str, Any], name: str, value: str, problems: Problems) -> None:
    """Lay one variable of the environment over the members, if it is a setting."""
    if not name.startswith(PREFIX) or _NESTING not in name:
        return
    known = _sections()
    section, _, setting = name.removeprefix(PREFIX).lower().partition(_NESTING)
    if setting not in known.get(section, {}):
        every = [f"{PREFIX}{s}{_NESTING}{n}".upper() for s, names in known.items() for n in names]
        problems.add(name, Reason.UNKNOWN_FIELD, _meant(name, every))
        return
    is_list = get_origin(known[section][setting]) is tuple
    values = members.setdefault(section, {})
    if isinstance(values, dict):
        values[setting] = value.split(os.pathsep) if is_list else value


def _meant(name: str, known: Any) -> str:
    names = sorted(known)
    return f"unknown setting, expected {closest(name, names) or 'one of ' + ', '.join(names)}"


def _converted(members: Mapping[str, Any]) -> Settings:
    """Return the settings of checked names; the first wrong value is named."""
    try:
        # Not strict: variables of the environment are texts.
        return msgspec.convert(members, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$.")
        field = where.removesuffix("`")
        raise InvalidInput([FieldProblem(field, Reason.WRONG_TYPE, message)]) from error


def _path(kind: type[Any], value: Any) -> Path:
    assert kind is Path, kind
    return Path(value)
