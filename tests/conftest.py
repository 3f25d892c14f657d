"""What holds for all tests: no setting of this machine reaches them, and Hypothesis takes its time."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

for name in [name for name in os.environ if name.startswith("FAIRBOARD_")]:
    del os.environ[name]

# Real servers take as long as they take, and fixtures that last for many examples are cleaned by the tests themselves.
settings.register_profile(
    "fairboard",
    deadline=None,
    max_examples=60,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fairboard")
