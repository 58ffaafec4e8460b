"""Name the marker of the tests here."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register `bulk`: `-m "not bulk"` leaves the long comparison out."""
    config.addinivalue_line("markers", "bulk: compares hundreds of thousands of random baskets")
