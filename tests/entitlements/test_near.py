"""What a process remembers: no more than its budget, and of what it forgets nothing answers."""

from __future__ import annotations

import tracemalloc
from uuid import UUID

import redis
from django.conf import settings

from entitlements import packing, shelf
from entitlements.facts import Facts
from entitlements.near import BEGAN, Memory
from entitlements.shapes import table
from entitlements.shelf import Change
from events.ids import uuid7
from tests.entitlements.conftest import DAY, T0, a_grant
from tests.shown import Shown

BUYERS = 20_000
NOW, LATER = BEGAN + 1000.0, BEGAN + 1_000_000.0
# What the plan "pro-monthly" gives.
GIVEN = {
    "export": {},
    "reports": {},
    "api_calls": {"limit": 10_000, "period": "month"},
    "storage_gb": {"limit": 100, "period": "never"},
    "support_level": {"value": "priority"},
}


def buyer(number: int) -> Facts:
    """What is known of one of many who bought the same."""
    user_id, source = f"user-{number:06}", uuid7()
    starts_at = T0 + number * DAY / 10_000
    grants = {
        code: (
            a_grant(
                **{"id": uuid7(), "user_id": user_id, "source_id": str(source), "plan_id": "pro-monthly", "version": 3},
                **{"status_at": starts_at, "granted_at": starts_at, "starts_at": starts_at},
                **{"ends_at": starts_at + 30 * DAY, **terms},
            ),
        )
        for code, terms in GIVEN.items()
    }
    return Facts(user_id, 1_000_000 + number, 12, None, grants, {})


def unlimited() -> Memory:
    return Memory(lambda: 10**9)


def test_a_buyer_takes_few_bytes_in_a_process(shown: Shown) -> None:
    """At most 250 bytes a user, his name and his place in the table included."""
    packets = [(f"user-{number:06}", packing.pack(buyer(number))[0]) for number in range(BUYERS)]
    memory = unlimited()

    tracemalloc.start()
    before, _peak = tracemalloc.get_traced_memory()
    for user_id, packet in packets:
        # As it comes from outside, nothing of it is there already.
        memory.put("".join(list(user_id)), packet, LATER)
    after, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    each = (after - before) / BUYERS
    shown(f"a user of five features takes {each:.0f} bytes in a process, {len(packets[0][1])} of them his packet")
    assert each <= 250


def test_a_buyer_takes_few_bytes_in_valkey(shown: Shown) -> None:
    """At most 250 bytes a user, his key included."""
    known = buyer(1)
    packet, shapes = packing.pack(known)
    shelf.here().keep(Change(known.user_id, packet, 30, shapes))
    key = f"{settings.APP_NAME}:facts:{known.user_id}"

    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        each = valkey.memory_usage(key)
        valkey.delete(key)

    shown(f"the same user takes {each} bytes in Valkey")
    assert each is not None
    assert each <= 250


def test_the_budget_is_kept_and_the_last_asked_for_stays() -> None:
    budget = 200_000
    memory = Memory(lambda: budget)
    for number in range(2_000):
        known = buyer(number)
        memory.put(known.user_id, packing.pack(known)[0], LATER)
        assert memory.get("user-000000", NOW) is not None

    held = [number for number in range(2_000) if f"user-{number:06}" in memory]
    assert held[-1] == 1_999
    assert len(held) > 100
    assert len(held) * 250 < budget
    assert memory.get("user-000001", NOW) is None
    # Its packet went long ago, and what it said is still there: a change must find that too.
    assert held[0] > 0
    memory.replace("user-000000", 10**9, None, LATER)
    assert memory.get("user-000000", NOW) is None


def test_what_is_over_does_not_answer() -> None:
    memory, known = unlimited(), buyer(1)
    memory.put(known.user_id, packing.pack(known)[0], NOW)

    assert memory.get(known.user_id, NOW - 0.02) == known
    assert memory.get(known.user_id, NOW) is None


def test_a_newer_version_takes_the_place_of_what_is_remembered_alone() -> None:
    memory, old = unlimited(), buyer(1)
    new = Facts(old.user_id, old.version + 1, old.catalog, None, {}, {})
    memory.put(old.user_id, packing.pack(old)[0], LATER)
    assert memory.get(old.user_id, NOW) == old

    memory.replace(old.user_id, old.version, packing.pack(new)[0], LATER)
    same = memory.get(old.user_id, NOW)
    memory.replace(old.user_id, new.version, packing.pack(new)[0], LATER)
    newer = memory.get(old.user_id, NOW)
    memory.replace(old.user_id, new.version + 1, None, LATER)
    gone = memory.get(old.user_id, NOW)
    memory.replace("stranger", 1, packing.pack(new)[0], LATER)

    assert (same, newer, gone, memory.get("stranger", NOW)) == (old, new, None, None)


def test_a_newer_catalog_counts_for_what_is_remembered() -> None:
    memory, known = unlimited(), buyer(1)
    memory.put(known.user_id, packing.pack(known)[0], LATER)
    assert memory.get(known.user_id, NOW) == known

    memory.learn_catalog(known.catalog + 1)
    memory.learn_catalog(known.catalog)

    found = memory.get(known.user_id, NOW)
    assert found is not None
    assert found.catalog == known.catalog + 1


def test_a_shape_that_is_gone_is_as_if_nothing_were_remembered() -> None:
    memory = unlimited()
    known = Facts("ann", 1, 1, None, {"pdf": (a_grant(user_id="ann", plan_id="gone", id=UUID(int=1)),)}, {})
    packet, shapes = packing.pack(known)
    memory.put("ann", packet, LATER)
    for ref in shapes:
        del table._known[ref]

    assert memory.get("ann", NOW) is None


def test_everything_can_be_forgotten() -> None:
    memory, known = unlimited(), buyer(1)
    memory.put(known.user_id, packing.pack(known)[0], LATER)
    memory.clear()

    assert memory.get(known.user_id, NOW) is None
