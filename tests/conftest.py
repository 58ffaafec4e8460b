"""Set what all tests share: how hypothesis searches, and the databases."""

import os

from hypothesis import HealthCheck, settings

from server.front.opening import ABSENT, is_built

collect_ignore_glob = [] if is_built() else ["*/test_front_*.py"]
"""The tests of the fast front are left out where it was not built, and the header says so."""

pytest_plugins = ["tests.support.databases"]

# A shared machine stalls now and then; a deadline per example would blame the code for it.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("default", _patient, max_examples=200)
settings.register_profile("thorough", _patient, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_report_header() -> str | None:
    """Say what is left out."""
    return None if is_built() else f"no tests of the fast front: {ABSENT}"
