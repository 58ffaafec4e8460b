"""Hold the OpenAPI document to its promises: valid, served to everybody, and true of the server.

TILLCORE_SCHEMATHESIS_EXAMPLES is how many requests schemathesis makes up for each operation.
"""

import asyncio
import json
import os
import shutil
import sqlite3
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from server.http import doors, openapi
from server.storage import StoreSettings, open_store
from server.storage.sqlite import DATABASE_FILE
from tests.support.core_server import danish_shop
from tests.support.http_server import Site, door_settings, open_doors
from tests.support.server import running_server

EXAMPLES = os.environ.get("TILLCORE_SCHEMATHESIS_EXAMPLES", "1")
SECONDS_MAX = 60 + 60 * int(EXAMPLES)
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)

REFUSED = "getAuthToken"
"""It is answered with 501 and nothing else, by design: there is no sign-in with a password."""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Yield a server with everything that the document describes."""
    async with (
        open_store(StoreSettings(directory=tmp_path, is_migrating=True)) as store,
        running_server(store, contexts=[danish_shop()]) as served,
        open_doors(
            served,
            lambda tools: doors.new_doors(tools, served.calls, door_settings()),
        ) as opened,
    ):
        yield opened


async def test_document_when_asked_for_then_a_valid_one(site: Site) -> None:
    async with site.session.get(openapi.PATH) as answer:
        assert (200, "application/json") == (answer.status, answer.headers["content-type"])
        document = json.loads(await answer.read())
    async with site.session.get(openapi.PATH) as again:
        assert document == await again.json()

    validate(document, cls=OpenAPIV31SpecValidator)


async def test_server_when_schemathesis_calls_everything_then_as_the_document_says(
    site: Site, tmp_path: Path
) -> None:
    path = shutil.which("schemathesis", path=sysconfig.get_path("scripts"))
    assert path is not None, "expected schemathesis beside this Python, was absent"
    process = await asyncio.create_subprocess_exec(
        path,
        *("run", f"{site.url}{openapi.PATH}", "--header"),
        f"Authorization: Bearer {site.served.owner.key}",
        *("--checks", ",".join(CHECKS), "--phases", "fuzzing", "--max-examples", EXAMPLES),
        *("--seed", "1", "--generation-database", "none", "--no-shrink", "--no-color"),
        *("--continue-on-failure", "--warnings", "off", "--exclude-operation-id", REFUSED),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS_MAX)

    assert 0 == process.returncode, output.decode()
    async with site.session.get(openapi.PATH) as answer:
        assert 200 == answer.status
    database = sqlite3.connect(tmp_path / DATABASE_FILE)
    try:
        assert [("ok",)] == database.execute("PRAGMA integrity_check").fetchall()
        assert [] == database.execute("PRAGMA foreign_key_check").fetchall()
    finally:
        database.close()
