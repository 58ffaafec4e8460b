"""Read settings from files and the environment: what is unknown or wrong is named."""

from pathlib import Path

import msgspec
import pytest

from engine.errors import InvalidInput
from server.config import Settings, load
from tests.support.command_line import ROOT

FILE = """
[server]
listen = "0.0.0.0:50051"
drain_seconds = 5
[database]
url = "postgresql://till@db/tillcore"
[tls]
certificate = "/etc/tillcore/server.pem"
[catalog]
paths = ["catalog/dk", "catalog/se"]
"""


def settings_file(directory: Path, text: str) -> Path:
    """Write a file of settings and return its path."""
    path = directory / "tillcore.toml"
    path.write_text(text)
    return path


def test_load_when_nothing_is_set_then_defaults() -> None:
    assert Settings() == load(None, {})


def test_load_when_file_is_given_then_its_values(tmp_path: Path) -> None:
    settings = load(settings_file(tmp_path, FILE), {})

    assert ("0.0.0.0:50051", 5.0, "info") == (
        settings.server.listen,
        settings.server.drain_seconds,
        settings.server.log_level,
    )
    assert "postgresql://till@db/tillcore" == settings.database.url
    assert (Path("/etc/tillcore/server.pem"), None) == (
        settings.tls.certificate,
        settings.tls.client_ca,
    )
    assert (Path("catalog/dk"), Path("catalog/se")) == settings.catalog.paths


def test_load_when_environment_is_set_then_it_overrides_the_file(tmp_path: Path) -> None:
    environment = {
        "TILLCORE_SERVER__LISTEN": "127.0.0.1:0",
        "TILLCORE_DATABASE__CONNECTIONS": "32",
        "TILLCORE_DATA__DIRECTORY": "/var/lib/tillcore",
        "TILLCORE_CATALOG__PATHS": "a:b",
        "TILLCORE_DEV": "1",
        "PATH": "/bin",
    }
    settings = load(settings_file(tmp_path, FILE), environment)

    assert ("127.0.0.1:0", 5.0) == (settings.server.listen, settings.server.drain_seconds)
    assert ("postgresql://till@db/tillcore", 32) == (
        settings.database.url,
        settings.database.connections,
    )
    assert Path("/var/lib/tillcore") == settings.data.directory
    assert (Path("a"), Path("b")) == settings.catalog.paths


@pytest.mark.parametrize(
    ("text", "environment", "field", "message"),
    [
        ("[sever]\n", {}, "sever", "expected server"),
        ("[server]\nlisten_on = 1\n", {}, "server.listen_on", "expected listen"),
        ("server = 1\n", {}, "server", "expected a section"),
        ("[database]\nconnections = 'many'\n", {}, "database.connections", "Expected `int`"),
        ("[server]\nlog_level = 'loud'\n", {}, "server.log_level", "Invalid enum value"),
        ("[server\n", {}, "tillcore.toml", "expected TOML"),
        (
            "",
            {"TILLCORE_DATABASE__ULR": "x"},
            "TILLCORE_DATABASE__ULR",
            "expected TILLCORE_DATABASE__URL",
        ),
        ("", {"TILLCORE_NOWHERE__AT": "x"}, "TILLCORE_NOWHERE__AT", "unknown setting"),
    ],
)
def test_load_when_a_setting_is_bad_then_named(
    tmp_path: Path, text: str, environment: dict[str, str], field: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(settings_file(tmp_path, text), environment)

    (problem,) = refused.value.problems
    assert problem.field.endswith(field)
    assert message in problem.message


def test_load_when_several_settings_are_unknown_then_all_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(settings_file(tmp_path, "[sever]\n[tls]\nca = 1\n"), {"TILLCORE_X__Y": "1"})

    assert ["sever", "tls.ca", "TILLCORE_X__Y"] == [p.field for p in refused.value.problems]


def test_operations_document_when_read_then_lists_every_setting() -> None:
    document = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    sections = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    missing = [
        f"{section}.{field.name}"
        for section, kind in sections.items()
        for field in msgspec.structs.fields(kind)
        if f"`{section}.{field.name}`" not in document
    ]

    assert [] == missing
