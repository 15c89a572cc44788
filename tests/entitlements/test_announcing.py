"""Whoever changes what a user has, by whatever way, everybody is told when it has committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from entitlements import announcing, facts, grants, packing, shelf, snapshot
from entitlements.grants import Source
from entitlements.models import Entitlement, Epoch, Family, FamilyMember, Override, SourceType
from events import clock
from pricing.models import Feature
from tests.entitlements.nearby import GIFT, a_line, give, may, revoke, same, wait_until

Change = Callable[[], object]


@pytest.fixture(autouse=True)
def listening(books: None) -> Iterator[None]:
    with a_line():
        yield


def kept(user_id: str) -> int:
    """Return the version that Valkey has of a user."""
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        packet = valkey.get(f"{settings.APP_NAME}:facts:{user_id}")
    assert isinstance(packet, bytes)
    return packing.version_of(packet)


def deny() -> None:
    Override.objects.create(
        user_id="ann", feature_id="export", effect="deny", reason="fraud", actor="t", starts_at=NOW(), created_at=NOW()
    )


def join() -> None:
    family = Family.objects.create(owner_id="bob", created_at=NOW())
    FamilyMember.objects.create(family=family, user_id="ann", status="active", status_at=NOW(), invited_at=NOW())


def by_sql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE entitlements_entitlement SET metadata = '{}' WHERE user_id = 'ann'")


NOW = clock.now
WAYS: dict[str, Change] = {
    "grants.revoke": revoke,
    "grants.cancel": lambda: grants.cancel(GIFT, at=NOW()),
    "grants.suspend": lambda: grants.suspend(GIFT, reason="staff", at=NOW()),
    "an override": deny,
    "a family": join,
    "a query set": lambda: Entitlement.objects.filter(user_id="ann").update(metadata={"a": 1}),
    "a deletion": lambda: Entitlement.objects.filter(user_id="ann").delete(),
    "SQL": by_sql,
}


@pytest.mark.parametrize("atomic", [True, False], ids=["in a transaction", "by itself"])
@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("grants")])
@pytest.mark.broken_books
def test_every_way_is_announced(way: str, atomic: bool) -> None:
    give()
    before = snapshot.current("ann").version

    if atomic:
        with transaction.atomic():
            WAYS[way]()
    else:
        WAYS[way]()

    now = Epoch.objects.get(user_id="ann").version
    assert now > before
    assert kept("ann") == snapshot.current("ann").version == now


@pytest.mark.parametrize("way", [way for way in WAYS if way.startswith("grants")])
def test_every_verb_of_grants_is_announced(way: str) -> None:
    give()
    assert may()

    with transaction.atomic():
        WAYS[way]()

    assert kept("ann") == Epoch.objects.get(user_id="ann").version
    assert not may()


def test_the_catalog_is_announced_to_all() -> None:
    before = snapshot.current("ann").catalog

    Feature.objects.filter(code="export").update(name="Export")

    assert snapshot.memory.catalog > before
    assert kept("") == Epoch.objects.get(user_id="").version == snapshot.current("ann").catalog


def test_each_user_of_one_transaction_is_announced_once() -> None:
    """First that there are newer versions, which needs no question, and then what they say."""
    heard: list[shelf.Change] = []
    with shelf.connected(settings.REDIS_URL, 5) as valkey, valkey.pubsub(ignore_subscribe_messages=True) as ear:
        ear.subscribe(shelf.here().channel)
        with transaction.atomic():
            give("ann")
            give("ben")
        while len(heard) < 4 and (said := ear.get_message(timeout=5)) is not None or not heard:
            if said is not None:
                heard.append(shelf.read_message(said["data"]))
        assert ear.get_message(timeout=0.1) is None

    versions = {each.user_id: each.version for each in Epoch.objects.filter(user_id__in=["ann", "ben"])}
    assert [change.user_id for change in heard] == ["ann", "ben", "ann", "ben"]
    assert [packing.version_of(change.packet) for change in heard] == [versions[change.user_id] for change in heard]
    assert [packing.is_bare(change.packet) for change in heard] == [True, True, False, False]


def test_a_statement_by_itself_is_announced_when_it_has_committed() -> None:
    """Postgres says what it raised before that: who read then would remember what was there before."""
    give()
    before, when_raised = kept("ann"), []
    own = connection.connection
    own.add_notice_handler(hears := lambda _said: when_raised.append(kept("ann")))

    Entitlement.objects.filter(user_id="ann").update(metadata={"a": 1})

    own.remove_notice_handler(hears)
    assert set(when_raised) == {before}
    assert kept("ann") == Epoch.objects.get(user_id="ann").version > before


def test_a_statement_that_fails_announces_nothing() -> None:
    give()
    before = kept("ann")

    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("UPDATE entitlements_entitlement SET metadata = '{}'; SELECT 1 / 0")

    assert kept("ann") == before
    assert announcing.alone.raised is None


def test_it_is_announced_before_all_else_that_waits_for_the_commit() -> None:
    """A broker that is away may keep the others for seconds."""
    give()
    before, then = kept("ann"), []
    with transaction.atomic():
        transaction.on_commit(lambda: then.append(kept("ann")))
        with transaction.atomic():
            revoke()
        assert kept("ann") == before

    assert then == [Epoch.objects.get(user_id="ann").version]


def test_what_a_savepoint_raised_is_announced_only_if_it_stays() -> None:
    with transaction.atomic():
        with transaction.atomic():
            give("ann")
            transaction.set_rollback(True)
        give("ben")

    assert kept("ben") == Epoch.objects.get(user_id="ben").version
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        assert not valkey.exists(f"{settings.APP_NAME}:facts:ann")


@pytest.mark.parametrize("name", ["{}", '"', "\\", "a,b", "ä", "NULL", " "])
def test_whatever_users_are_called_all_are_told_what_they_have(name: str) -> None:
    with transaction.atomic():
        give(name)
        give("ben", Source(SourceType.MANUAL, "gift-2"))

    found = shelf.here().look([name, "ben"])
    assert found.keys() == {name, "ben"}
    for user_id, each in found.items():
        assert same(packing.unpack(user_id, each.packet), facts.read(user_id))


def test_of_many_users_only_versions_are_told() -> None:
    many = {f"user-{number}": number + 1 for number in range(announcing.MOST_READ + 1)}
    announcement = announcing.Announcement()
    announcement.raised = many

    announcement()

    assert kept("user-7") == 8
    assert may("user-7") is False


def test_what_could_not_be_told_is_told_again_soon() -> None:
    """A Valkey that was away for a moment keeps nobody from hearing of a change."""
    give()
    heard: dict[str, int] = {}
    with shelf.connected(settings.REDIS_URL, 5) as valkey, valkey.pubsub(ignore_subscribe_messages=True) as ear:
        ear.subscribe(shelf.here().channel)
        assert ear.get_message(timeout=1) is None
        shelf.here()._away_until = float("inf")

        revoke()
        give("ben")

        while len(heard) < 2 and (said := ear.get_message(timeout=5)) is not None:
            change = shelf.read_message(said["data"])
            heard[change.user_id] = packing.version_of(change.packet)
    assert heard == {each.user_id: each.version for each in Epoch.objects.filter(user_id__in=["ann", "ben"])}
    assert kept("ann") == heard["ann"]
    wait_until(lambda: announcing.repeats.is_over)
    assert shelf.here().look(["ann"]) == {}
