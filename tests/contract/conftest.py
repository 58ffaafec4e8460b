"""What the tests of CheckoutService share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.storage import Store
from tests.support.checkouts import Desk, running_desk


@pytest.fixture
async def desk(store: Store, tmp_path: Path) -> AsyncIterator[Desk]:
    """Yield a running service on a fresh database, once for each kind."""
    async with running_desk(store, tmp_path) as running:
        yield running
