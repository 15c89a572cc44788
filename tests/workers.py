"""The tests on several cores: each worker has a test database (by pytest-django) and a Valkey database of its own."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from django.conf import settings

from config.celery import app
from tests import shown

# Those that take longest come first, the longest at the head, so that no worker is left with one of them at the end.
LONGEST = (
    "tests/fuzz/test_corpora.py",
    "tests/fuzz/test_corpora_in_addresses.py",
    "tests/billing/test_kills.py",
    "tests/fuzz/test_schema_inside.py",
    "tests/fuzz/test_schema.py",
    "tests/billing/test_races.py",
    "tests/test_mirror_tables.py",
    "tests/local/test_stack.py",
    "tests/billing/test_outages.py",
    "tests/billing/test_histories.py",
    "tests/config/test_matrix.py",
    "tests/vault/test_rotation.py",
    "tests/entitlements/test_freshness.py",
    "tests/proof/test_on_farebox.py",
    "tests/test_canaries.py",
)


def pytest_configure() -> None:
    """Move a worker to its own database of Valkey: the first keeps the one that is given. Valkey has sixteen."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    server, _, database = settings.REDIS_URL.rpartition("/")
    # Or every new client of the tests would read all static files first.
    settings.WHITENOISE_AUTOREFRESH = True
    # A million rounds for each login are Django's to show.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.REDIS_URL = app.conf.broker_url = os.environ["REDIS_URL"] = f"{server}/{(int(database) + number) % 16}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the files, each whole, into the order in which workers take them: LONGEST, then those of many tests."""
    counts = Counter(_file(item) for item in items)
    ranks = {file: rank for rank, file in enumerate(LONGEST)}
    items.sort(key=lambda item: (ranks.get(_file(item), len(ranks)), -counts[_file(item)], _file(item)))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send home what the tests of a worker have shown."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["shown"] = list(shown.LINES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a worker has shown."""
    shown.LINES.extend(getattr(node, "workeroutput", {}).get("shown", ()))
