"""Tasks run in the process of a test, with the test's servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery.result import denied_join_result

from config.settings import get_settings
from services.resources import Resources
from tests.support.nowhere import ENVIRONMENT


@contextmanager
def working_for(resources: Resources) -> Iterator[None]:
    """Tasks that are called work on these servers, and what they send goes to their broker."""
    with pytest.MonkeyPatch.context() as patch, denied_join_result():  # A task that sends one waits for no result.
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)  # Celery's settings are made when workers are imported first.
        from workers import base, maintenance  # noqa: PLC0415 -- see above
        from workers.app import app  # noqa: PLC0415 -- see above

        for module in (base, maintenance):
            patch.setattr(module, "resources", lambda: resources)
        patch.setattr(app.conf, "broker_write_url", resources.settings.celery_url)
        amqp: Any = app.amqp
        amqp._producer_pool = None  # It is made anew for another broker.
        yield
    amqp._producer_pool = None
    get_settings.cache_clear()
