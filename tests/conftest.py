"""Set what all tests share: how hypothesis searches, and the databases."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.databases"]

# A shared machine stalls now and then; a deadline per example would blame the code for it.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("default", _patient, max_examples=200)
settings.register_profile("thorough", _patient, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
