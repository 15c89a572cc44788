"""The verbs of service keys. Each writes history, and none of it holds the key."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet

from config.api.authentication import Scope
from events import history
from keys import secrets
from keys.errors import KeyNotFound, LifeNotGood, NameNotGood, ScopeUnknown, TooManyLive
from keys.models import ServiceKey

LIVE_AT_ONCE = 2
LONGEST_DAYS = 366
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def live(*, at: datetime) -> QuerySet[ServiceKey]:
    """Return the keys that open the door at a moment."""
    return ServiceKey.objects.filter(revoked_at=None, expires_at__gt=at)


@transaction.atomic
def create(name: str, scopes: Collection[str], *, days: int, at: datetime) -> tuple[ServiceKey, secrets.Secret]:
    """Make a key; the second value is the only sight of it.

    A service may have two live keys, so that it changes from one to the other without a gap. Raises NameNotGood,
    ScopeUnknown, LifeNotGood and TooManyLive.
    """
    if not NAME.fullmatch(name):
        raise NameNotGood(name)
    if (unknown := set(scopes) - set(Scope)) or not scopes:
        raise ScopeUnknown(unknown)
    if not 1 <= days <= LONGEST_DAYS:
        raise LifeNotGood(days, LONGEST_DAYS)
    _lock(name)
    prefixes = list(live(at=at).filter(name=name).values_list("prefix", flat=True))
    if len(prefixes) >= LIVE_AT_ONCE:
        raise TooManyLive(name, prefixes)
    secret = secrets.new()
    key = ServiceKey.objects.create(
        name=name,
        prefix=secret.prefix,
        digest=secret.digest,
        scopes=sorted(set(scopes)),
        created_at=at,
        expires_at=at + timedelta(days=days),
    )
    _record("service_key.created", key, at=at, scopes=key.scopes, expires_at=key.expires_at.isoformat())
    return key, secret


@transaction.atomic
def revoke(prefix: str, *, why: str, at: datetime) -> ServiceKey:
    """End a key: every process refuses it within 60 s. Raises KeyNotFound when it is not live."""
    key = live(at=at).filter(prefix=prefix).select_for_update().first()
    if key is None:
        raise KeyNotFound(prefix)
    key.revoked_at = at
    key.save(update_fields=["revoked_at"])
    _record("service_key.revoked", key, at=at, why=why)
    return key


def _lock(name: str) -> None:
    """Let one at a time count the live keys of a service and add to them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"service key {name}"])


def _record(type: str, key: ServiceKey, *, at: datetime, **data: object) -> None:
    history.record(
        type, subject=f"service:{key.name}", object=f"service_key:{key.id}", at=at, data={"prefix": key.prefix, **data}
    )
