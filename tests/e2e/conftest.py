"""Name the marker of the tests here."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register `soak`: `-m "not soak"` leaves the hundreds of kills out."""
    config.addinivalue_line("markers", "soak: kills servers hundreds of times while tills sell")
