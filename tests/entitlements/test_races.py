"""Two workers at once. Each race has a twin without the lock that loses it, so that the race is a real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet

from entitlements import amendments, awards, grants
from entitlements.awards import Gift
from entitlements.models import Entitlement
from events import history
from events.asking import Asking
from events.models import Event
from pricing.models import Plan, PlanVersion
from tests.entitlements.conftest import DAY, SUBSCRIPTION, T0

END = T0 + 30 * DAY
PATIENCE_SECONDS = 20
UNIQUE = "one_entitlement_per_source"
Work = Callable[[], object]

pytestmark = pytest.mark.usefixtures("books")


@pytest.fixture
def version() -> PlanVersion:
    current = Plan.objects.get(id="premium-plan").current
    assert current
    return current


@pytest.fixture
def without_row_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Django's SELECT ... FOR UPDATE a plain SELECT."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)


def run_while_the_first_is_open(work: Work) -> None:
    """Do `work` in one transaction, and in a second one that begins and blocks before the first commits."""
    done, second_blocks = threading.Event(), threading.Event()
    backend: list[int] = []

    def first() -> None:
        try:
            with transaction.atomic():
                work()
                done.set()
                assert second_blocks.wait(PATIENCE_SECONDS)
        finally:
            connection.close()

    def second() -> None:
        try:
            assert done.wait(PATIENCE_SECONDS)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                backend.append(cursor.fetchone()[0])
                work()
        finally:
            second_blocks.set()
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(first), pool.submit(second)]
        assert done.wait(PATIENCE_SECONDS)
        wait_until_blocked(backend, second_blocks)
        second_blocks.set()
        for future in futures:
            future.result(PATIENCE_SECONDS)


def wait_until_blocked(backend: list[int], over: threading.Event) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not over.is_set() and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM unnest(%s::int[]) pid WHERE cardinality(pg_blocking_pids(pid)) > 0", [backend]
            )
            if cursor.fetchone():
                return


def told(type: str) -> int:
    return Event.objects.filter(subject="user:ann", type=f"entitlement.{type}").count()


def test_expiry_and_a_change_of_money_never_wait_for_each_other(version: PlanVersion) -> None:
    """Money records history and then changes grants: expiry leaves whose history is held for the next time."""
    with transaction.atomic():
        renewal(version, 0)()
    backend: list[int] = []
    over = threading.Event()

    def expire() -> int:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                backend.append(cursor.fetchone()[0])
            return grants.expire_all_due(at=END + DAY)
        finally:
            over.set()
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            history.record("payment.completed", subject=history.user("ann"), object="payment:1", at=END)
            expiring = pool.submit(expire)
            wait_until_blocked(backend, over)
            past_due()
        expired = expiring.result(PATIENCE_SECONDS)

    assert (expired, told("expired")) == (0, 0)
    assert expire() == told("expired") == version.features.count()


def renewal(version: PlanVersion, days: int) -> Work:
    return lambda: grants.grant("ann", version, source=SUBSCRIPTION, starts_at=T0, ends_at=END + days * DAY, at=T0)


def past_due() -> None:
    grants.shorten(SUBSCRIPTION, ends_at=T0 + DAY, grace_until=T0 + 2 * DAY, at=T0 + DAY)


def test_two_workers_that_grant_the_same_make_one_grant(version: PlanVersion) -> None:
    run_while_the_first_is_open(renewal(version, 0))

    features = version.features.count()
    assert (Entitlement.objects.count(), told("created"), told("updated")) == (features, features, 0)


def test_without_the_unique_constraint_they_make_two(version: PlanVersion) -> None:
    rule = next(rule for rule in Entitlement._meta.constraints if rule.name == UNIQUE)
    with connection.schema_editor() as editor:
        editor.remove_constraint(Entitlement, rule)

    try:
        run_while_the_first_is_open(renewal(version, 0))
        made = Entitlement.objects.count()
    finally:
        Entitlement.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(Entitlement, rule)

    assert made == 2 * version.features.count()


def test_two_workers_that_shorten_the_same_tell_it_once(version: PlanVersion) -> None:
    with transaction.atomic():
        renewal(version, 0)()

    run_while_the_first_is_open(past_due)

    assert told("updated") == version.features.count()


@pytest.mark.usefixtures("without_row_locks")
def test_without_row_locks_they_tell_it_twice(version: PlanVersion) -> None:
    with transaction.atomic():
        renewal(version, 0)()

    run_while_the_first_is_open(past_due)

    assert told("updated") == 2 * version.features.count()


def test_the_job_leaves_what_somebody_else_holds(version: PlanVersion) -> None:
    with transaction.atomic():
        renewal(version, 0)()
    held, looked = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                renewal(version, 30)()
                held.set()
                assert looked.wait(PATIENCE_SECONDS)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert held.wait(PATIENCE_SECONDS)
        with transaction.atomic():
            during = grants.expire_due(at=END)
        looked.set()
        holding.result(PATIENCE_SECONDS)

    with transaction.atomic():
        after = grants.expire_due(at=END)
    assert (during, after, told("expired")) == (0, 0, 0)


def lengthened() -> None:
    """Let the promotion end as two members of staff have agreed, without knowing of each other."""
    grant = Entitlement.objects.get(source_type="promotion")
    amendments.amend(grant, {"expires_at": END + 9000 * DAY}, reason="agreed")


def a_promotion() -> None:
    gift = Gift(feature_code="export", source_type="promotion")
    awards.give("ann", gift, reason="agreed", asking=Asking("admin:root", None, ""))


def test_two_members_of_staff_who_change_the_same_tell_it_once() -> None:
    a_promotion()

    run_while_the_first_is_open(lengthened)

    assert told("updated") == 1


@pytest.mark.usefixtures("without_row_locks")
def test_without_locks_both_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    a_promotion()
    monkeypatch.setattr(history, "hold", lambda subject: None)

    run_while_the_first_is_open(lengthened)

    assert told("updated") == 2


def test_staff_and_money_never_wait_for_each_other_in_a_circle(version: PlanVersion) -> None:
    """Money has the user's history and then wants his grants: staff who want both take history first too."""
    with transaction.atomic():
        renewal(version, 0)()
    backend: list[int] = []
    over = threading.Event()

    def hold_back() -> str:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                backend.append(cursor.fetchone()[0])
            grant = Entitlement.objects.filter(source_id=SUBSCRIPTION.id).earliest("id")
            return amendments.amend(grant, {"status": "suspended"}, reason="agreed").status
        finally:
            over.set()
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            history.record("payment.completed", subject=history.user("ann"), object="payment:1", at=END)
            holding = pool.submit(hold_back)
            wait_until_blocked(backend, over)
            past_due()
        held = holding.result(PATIENCE_SECONDS)

    assert (held, told("suspended"), told("updated")) == ("suspended", 1, version.features.count())
