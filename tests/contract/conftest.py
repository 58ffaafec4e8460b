"""What the tests of CheckoutService share."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.storage import Store, StoreSettings, open_store
from tests.support.checkouts import Desk, running_desk


@pytest.fixture
async def sqlite_desk(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Desk]:
    """Yield a running service on the embedded database, for what no database has a part in."""
    (tmp_path / "data").mkdir()
    shutil.copy(sqlite_template, tmp_path / "data")
    async with (
        open_store(StoreSettings(directory=tmp_path / "data")) as opened,
        running_desk(opened, tmp_path) as running,
    ):
        yield running


@pytest.fixture
async def desk(store: Store, tmp_path: Path) -> AsyncIterator[Desk]:
    """Yield a running service on a fresh database, once for each kind."""
    async with running_desk(store, tmp_path) as running:
        yield running
