"""The tests on several cores: each worker has a test database (by pytest-django) and a Valkey database of its own."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.conf import settings

from config.celery import app
from tests import shown


def pytest_configure() -> None:
    """Move a worker to its own database of Valkey: the first keeps the one that is given. Valkey has sixteen."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    server, _, database = settings.REDIS_URL.rpartition("/")
    # Or every new client of the tests would read all static files first.
    settings.WHITENOISE_AUTOREFRESH = True
    # A million rounds for each login are Django's to show.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.REDIS_URL = app.conf.broker_url = os.environ["REDIS_URL"] = f"{server}/{(int(database) + number) % 16}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send home what the tests of a worker have shown."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["shown"] = list(shown.LINES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a worker has shown."""
    shown.LINES.extend(getattr(node, "workeroutput", {}).get("shown", ()))
