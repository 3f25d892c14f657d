"""The code below is imported here, and some of it wants settings when it is."""

from __future__ import annotations

import os

from tests.support.nowhere import ENVIRONMENT

for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)
