"""Versions rise in one order: of two statements that touch the same users none waits for whom it holds up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from entitlements import grants
from entitlements.models import Entitlement, Epoch, Family, FamilyMember
from entitlements.renewals import Span
from tests.entitlements.conftest import SUBSCRIPTION, T0
from tests.entitlements.test_races import END, PATIENCE_SECONDS, wait_until_blocked

pytestmark = [pytest.mark.usefixtures("books"), pytest.mark.broken_books]


def versions_that_a_waiting_statement_holds() -> list[str]:
    """Let a statement touch ben, then ann, whose version somebody holds; return whose others it holds as it waits."""
    with transaction.atomic():
        for user_id in ("ben", "ann"):
            grants.give(user_id, {"export": {}}, source=SUBSCRIPTION, span=Span(T0, END), at=T0)
    backend: list[int] = []
    over = threading.Event()

    def touch() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backend.append(cursor.fetchone()[0])
        Entitlement.objects.update(metadata={"a": 1})
        over.set()
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Epoch.objects.select_for_update().get(user_id="ann")
            touching = pool.submit(touch)
            wait_until_blocked(backend, over)
            free = Epoch.objects.exclude(user_id="").select_for_update(skip_locked=True)
            held = {"ann", "ben"} - set(free.values_list("user_id", flat=True))
        touching.result(PATIENCE_SECONDS)
    return sorted(held)


def test_versions_rise_in_one_order_so_that_nobody_waits_in_a_circle() -> None:
    assert versions_that_a_waiting_statement_holds() == []


def test_row_by_row_one_is_held_while_another_is_waited_for() -> None:
    table = "entitlements_entitlement"
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_update_rises")
        cursor.execute(f"CREATE TRIGGER by_row AFTER UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_rises()")
        try:
            held = versions_that_a_waiting_statement_holds()
        finally:
            cursor.execute(f"DROP TRIGGER by_row ON {table}")
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {table}_update_rises")

    assert held == ["ben"]


def shared(family_id: str | None) -> None:
    Entitlement.objects.filter(user_id="ann").update(family_id=family_id)


@pytest.mark.parametrize("way", ["is shared", "is changed", "is taken back", "goes to another family", "is deleted"])
def test_who_shares_a_grant_has_a_new_version_when_it(way: str) -> None:
    mine, other = (Family.objects.create(owner_id=f"owner-{n}", created_at=T0, principal=f"p{n}") for n in range(2))
    for family, user_id in ((mine, "ann"), (mine, "ben"), (other, "cleo")):
        FamilyMember.objects.create(
            family=family, user_id=user_id, status="active", status_at=T0, invited_at=T0, principal=user_id
        )
    with transaction.atomic():
        grants.give("ann", {"export": {}}, source=SUBSCRIPTION, span=Span(T0, END), at=T0)
    shared(None if way == "is shared" else str(mine.pk))
    before = dict(Epoch.objects.values_list("user_id", "version"))

    if way == "is deleted":
        Entitlement.objects.all().delete()
    elif way == "is changed":
        Entitlement.objects.update(metadata={"a": 1})
    else:
        shared({"is taken back": None, "goes to another family": str(other.pk)}.get(way, str(mine.pk)))

    after = dict(Epoch.objects.values_list("user_id", "version"))
    risen = {user_id for user_id, version in after.items() if version != before.get(user_id)}
    assert risen == {"ann", "ben"} | ({"cleo"} if way == "goes to another family" else set())
    Entitlement.objects.all().delete()
