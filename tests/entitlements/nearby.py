"""What the tests of the cache share: a line that stands, gifts that come and go, and Valkeys that fail."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import transaction

from entitlements import access, grants, snapshot
from entitlements.facts import Facts
from entitlements.grants import Source
from entitlements.models import SourceType
from events import clock
from pricing.models import Plan, PlanVersion
from tests.entitlements.conftest import DAY
from tests.patience import no_patience

PATIENCE_SECONDS = 20
GIFT = Source(SourceType.MANUAL, "gift-1")
NOWHERE = "redis://127.0.0.1:1/0"


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def a_line() -> Iterator[None]:
    """Hear changes as a web process does."""
    snapshot.line.open()
    wait_until(snapshot.line.is_up)
    yield
    snapshot.line.close()


@contextmanager
def silence() -> Iterator[str]:
    """A Valkey that takes connections and never answers; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server, no_patience():
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def pro(plan_id: str = "pro-monthly") -> PlanVersion:
    current = Plan.objects.get(id=plan_id).current
    assert current
    return current


def give(user_id: str = "ann", source: Source = GIFT, *, days: int = 30, plan_id: str = "pro-monthly") -> None:
    now = clock.now()
    with transaction.atomic():
        grants.grant(user_id, pro(plan_id), source=source, starts_at=now, ends_at=now + days * DAY, at=now)


def revoke(source: Source = GIFT) -> None:
    with transaction.atomic():
        grants.revoke(source, reason="refund", at=clock.now())


def may(user_id: str = "ann") -> bool:
    return access.check(user_id, "export", at=clock.now(), known=snapshot.current(user_id)).allowed


def same(one: Facts, other: Facts) -> bool:
    return plain(one) == plain(other)


def plain(known: Facts) -> object:
    grants = {code: sorted(map(repr, each)) for code, each in known.grants.items()}
    return known.version, known.catalog, known.family_id, known.rules, grants


def at_valkey(url: str) -> None:
    """Let the process use another Valkey from now on."""
    snapshot.line.close()
    settings.REDIS_URL = url
