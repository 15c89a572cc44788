"""Then: the same question for the same moment always gets the same answer, whatever is written later."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entitlements import access, grants, standpoints
from entitlements.access import Question
from entitlements.changes import change
from entitlements.decisions import Decision
from entitlements.grants import Source
from entitlements.models import (
    Entitlement,
    Family,
    FamilyMember,
    Override,
    Reservation,
    SourceType,
    UsageCounter,
    UsageEvent,
)
from events import clock, history
from pricing import features
from pricing.errors import FeatureInUse
from pricing.models import Feature, PlanVersion
from tests.entitlements.conftest import DAY, PURCHASE, SUBSCRIPTION, Clients, a_version

SECOND = timedelta(seconds=1)
CODES = ["pdf", "calls", "disk", "help", "charts", "gone"]
USERS = ["ann", "eve"]
SOURCES = [SUBSCRIPTION, PURCHASE]
Write = Callable[[Any], object]


class World:
    """Eve pays for a family; ann is in it now and then."""

    def __init__(self) -> None:
        terms = {"calls": {"limit": 4, "period": "day", "rollover_max": 2}, "disk": {"limit": 2, "period": "never"}}
        self.versions = [
            a_version({"pdf": {}, "help": {"value": "mail"}, **terms}),
            a_version(
                {"charts": {}, "help": {"value": "phone"}, "calls": {"limit": 9, "period": "day", "member_cap": 2}}
            ),
        ]
        self.family = Family.objects.create(owner_id="eve", principal="", created_at=clock.now())
        self.join("eve", role="owner")
        self.join("ann")
        for user, version in (("ann", 0), ("eve", 1)):
            giving(user, SUBSCRIPTION, version, -DAY, 40 * DAY, False)(self)
        self.share(True)

    def join(self, user_id: str, **said: Any) -> None:
        if not FamilyMember.objects.filter(user_id=user_id, status="active").exists():
            at = clock.now()
            FamilyMember.objects.create(
                family=self.family, user_id=user_id, status="active", status_at=at, invited_at=at, joined_at=at, **said
            )

    def leave(self) -> None:
        at = clock.now()
        found = FamilyMember.objects.filter(user_id="ann", status="active")
        found.update(status="removed", status_at=at, left_at=at)

    def share(self, on: bool) -> None:
        for row in Entitlement.objects.filter(user_id="eve"):
            change(row, at=clock.now(), status=row.status, family_id=str(self.family.pk) if on else None)

    def use(self, user_id: str, code: str, units: int, held: bool) -> None:
        """Let the pool that pays next pay for all of it."""
        at = clock.now()
        standpoint = standpoints.of([user_id], at=None)
        found = [key for key in access.keys(Question(standpoint.known[user_id], code), at) if not key.member]
        if not found:
            return
        key = found[0]
        counter, _ = UsageCounter.objects.get_or_create(
            subject=key.subject, feature_id=code, pool=key.pool, period_start=key.start, member=""
        )
        shares = {"counters": [counter.pk], "shares": [units], "feature_id": code, "user_id": user_id, "units": units}
        counters = [counter]
        if user_id != key.subject.removeprefix("user:"):
            share, _ = UsageCounter.objects.get_or_create(
                subject=key.subject, feature_id=code, pool=key.pool, period_start=key.start, member=user_id
            )
            counters.append(share)
        if held:
            Reservation.objects.create(
                **shares, status="held", status_at=at, created_at=at, expires_at=at + DAY, principal=""
            )
        else:
            UsageEvent.objects.create(
                **shares, principal="", event_id=str(uuid4()), request_hash="", at=at, recorded_at=clock.now()
            )
        for each in counters:
            each.refresh_from_db()
            UsageCounter.objects.filter(pk=each.pk).update(
                used=each.used + (0 if held else units), reserved=each.reserved + (units if held else 0)
            )

    def release(self) -> None:
        for row in Reservation.objects.filter(status="held")[:1]:
            row.move_to("released", at=clock.now())
            (whole,) = UsageCounter.objects.filter(pk__in=row.counters)
            found = UsageCounter.objects.filter(
                subject=whole.subject, feature=whole.feature_id, pool=whole.pool, member__in=["", row.user_id]
            )
            for each in found.filter(period_start=whole.period_start):
                UsageCounter.objects.filter(pk=each.pk).update(reserved=each.reserved - row.units)

    def rule(self, user_id: str, code: str, effect: str, ends: timedelta | None) -> None:
        at = clock.now()
        said: dict[str, Any] = {"limit": 3} if effect == "value" else {}
        row = Override.objects.create(
            user_id=user_id,
            feature_id=code,
            effect=effect,
            reason="because",
            starts_at=at,
            ends_at=ends and at + ends,
            created_at=at,
            operation="add",
            principal="",
            **said,
        )
        history.record("override.created", subject=history.user(user_id), object=f"override:{row.pk}", at=at)

    def unrule(self) -> None:
        for row in Override.objects.filter(removed_at=None)[:1]:
            at = clock.now()
            Override.objects.filter(pk=row.pk).update(removed_at=at)
            history.record("override.removed", subject=history.user(row.user_id), object=f"override:{row.pk}", at=at)


def giving(user: str, source: Source, version: int, start: timedelta, length: timedelta | None, keep: bool) -> Write:
    def write(world: World) -> object:
        at = clock.now()
        ends_at = None if length is None else at + start + length
        mine = Source(source.type, f"{source.id}-{user}")
        said = {"starts_at": at + start, "ends_at": ends_at, "at": at, "keep_suspended": keep}
        return grants.grant(user, world.versions[version], source=mine, **said)

    return write


def moving(verb: str, user: str, source: Source, **said: Any) -> Write:
    mine = Source(source.type, f"{source.id}-{user}")
    return lambda _: getattr(grants, verb)(mine, at=clock.now(), **said)


def shortening(user: str, source: Source) -> Write:
    mine = Source(source.type, f"{source.id}-{user}")
    return lambda _: grants.shorten(mine, ends_at=clock.now() + SECOND, grace_until=None, at=clock.now())


def reshaping(code: str, merge: str) -> Write:
    def write(_: World) -> object:
        row = Feature.objects.get(pk=code)
        said = {**features.values_of(row), "merge": merge}
        # What was granted stays what it is.
        with contextlib.suppress(FeatureInUse):
            features.upsert(features.FeatureRow(code=code, **said), at=clock.now())
        return None

    return write


USER, SOURCE = st.sampled_from(USERS), st.sampled_from(SOURCES)
STEPS = st.sampled_from([-2 * DAY, -DAY, timedelta(0), timedelta(microseconds=400), DAY])
LENGTHS = st.none() | st.sampled_from([3 * DAY, timedelta(milliseconds=3), 40 * DAY])
GIVING = st.builds(giving, USER, SOURCE, st.integers(0, 1), STEPS, LENGTHS, st.booleans())
METERED = st.sampled_from(["calls", "disk"])
WRITES = st.one_of(
    GIVING,
    GIVING,
    st.builds(moving, st.just("suspend"), USER, SOURCE, reason=st.sampled_from(["past_due", "staff"])),
    st.builds(moving, st.just("resume"), USER, SOURCE),
    st.builds(moving, st.just("cancel"), USER, SOURCE),
    st.builds(moving, st.just("revoke"), USER, SOURCE, reason=st.just("refund")),
    st.builds(shortening, USER, SOURCE),
    st.just(lambda _: grants.expire_due(at=clock.now())),
    st.just(lambda world: world.join("ann")),
    st.just(lambda world: world.leave()),
    st.booleans().map(lambda on: lambda world: world.share(on)),
    st.tuples(USER, METERED, st.integers(1, 3), st.booleans()).map(lambda said: lambda world: world.use(*said)),
    st.tuples(USER, METERED, st.integers(1, 3), st.booleans()).map(lambda said: lambda world: world.use(*said)),
    st.tuples(USER, METERED, st.integers(1, 3), st.just(True)).map(lambda said: lambda world: world.use(*said)),
    st.just(lambda world: world.release()),
    st.tuples(USER, st.sampled_from(["pdf", "charts", "help"]), st.sampled_from(["allow", "deny"]), LENGTHS).map(
        lambda said: lambda world: world.rule(*said)
    ),
    st.tuples(USER, METERED, st.just("value"), LENGTHS).map(lambda said: lambda world: world.rule(*said)),
    st.just(lambda world: world.unrule()),
    st.sampled_from(CODES[:5]).map(
        lambda code: lambda _: features.archive(Feature.objects.get(pk=code), at=clock.now())
    ),
    st.sampled_from(["min", "max"]).map(lambda merge: reshaping("help", merge)),
    st.just(lambda _: features.upsert(features.FeatureRow("gone", "Gone", "boolean"), at=clock.now())),
)


def asked(at: datetime | None) -> list[Decision]:
    standpoint = standpoints.of(USERS, at=at)
    questions = [
        Question(known, code, units) for known in standpoint.known.values() for code in CODES for units in (0, 3)
    ]
    return sorted(standpoint.answers(questions), key=lambda each: (each.user_id, each.feature_code))


def plain(decisions: list[Decision]) -> list[Decision]:
    return [replace(each, asked_at=None, changes_at=None) for each in decisions]


@pytest.mark.django_db
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(writes=st.lists(WRITES, min_size=1, max_size=12))
def test_every_moment_keeps_the_answer_that_was_given_in_it(writes: list[Write]) -> None:
    """What was answered in the moment itself is what is answered of it ever after."""
    with transaction.atomic():
        world = World()
        given_then: list[list[Decision]] = []
        remembered: list[list[Decision]] = []
        for write in writes:
            write(world)
            given_then.append(asked(None))
            remembered.append(asked(given_then[-1][0].as_of))

        again = [asked(answers[0].as_of) for answers in given_then]

        assert [plain(each) for each in again] == [plain(each) for each in given_then]
        assert [[str(replace(one, asked_at=None)) for one in each] for each in again] == [
            [str(replace(one, asked_at=None)) for one in each] for each in remembered
        ]
        transaction.set_rollback(True)


@pytest.fixture
def version(db: None) -> PlanVersion:
    return a_version()


def test_what_is_written_later_about_a_moment_was_not_known_in_it(version: PlanVersion) -> None:
    before = clock.now()

    grants.grant("ann", version, source=SUBSCRIPTION, starts_at=before - DAY, ends_at=before + DAY, at=before - DAY)
    after = clock.now()

    def reason(at: datetime | None) -> str:
        standpoint = standpoints.of(["ann"], at=at)
        return standpoint.answers([Question(standpoint.known["ann"], "pdf")])[0].reason_code

    assert [reason(before), reason(after), reason(None)] == ["no_entitlement", "granted", "granted"]


def test_a_suspension_that_was_lifted_is_still_there_for_its_moments(version: PlanVersion) -> None:
    at = clock.now()
    grants.grant("ann", version, source=SUBSCRIPTION, starts_at=at - DAY, ends_at=None, at=at)
    moments = [clock.now()]
    for verb, said in (("suspend", {"reason": "dispute"}), ("resume", {}), ("revoke", {"reason": "refund"})):
        getattr(grants, verb)(SUBSCRIPTION, at=clock.now(), **said)
        moments.append(clock.now())

    found = []
    for moment in moments:
        standpoint = standpoints.of(["ann"], at=moment)
        found.append(standpoint.answers([Question(standpoint.known["ann"], "pdf")])[0].reason_code)

    assert found == ["granted", "suspended_dispute", "granted", "revoked"]


def test_a_member_comes_and_goes_when_history_was_told(version: PlanVersion) -> None:
    """The row's own dates may be some moments before the commit; history's are not."""
    at = clock.now()
    family = Family.objects.create(owner_id="eve", principal="", created_at=at)
    row = FamilyMember.objects.create(
        family=family, user_id="ann", status="active", status_at=at, invited_at=at, joined_at=at
    )
    moments = [clock.now()]
    for what in ("member_joined", "member_left"):
        said = {"user_id": "ann", "invitation_id": str(row.pk)}
        subject = history.user("eve")
        history.record(f"family.{what}", subject=subject, object=f"family:{family.pk}", at=at, data=said)
        moments.append(clock.now())
    FamilyMember.objects.filter(pk=row.pk).update(status="removed", left_at=at)

    found = [standpoints.of(["ann"], at=moment).known["ann"].family_id for moment in moments]

    assert found == [None, family.pk, None]


@pytest.mark.parametrize("path", ["check", "bulk", "list"])
def test_the_doors_recall_what_is_past_byte_for_byte(client_of: Clients, version: PlanVersion, path: str) -> None:
    at = clock.now()
    grants.grant("ann", version, source=SUBSCRIPTION, starts_at=at - DAY, ends_at=None, at=at)
    moment = clock.now().isoformat()

    def answer() -> bytes:
        client = client_of("service")
        if path == "check":
            body = {"user_id": "ann", "feature_code": "calls", "at": moment, "explain": True}
            return bytes(client.post("/api/v1/entitlements/check", body, format="json").content)
        if path == "bulk":
            many = {"user_ids": ["ann", "bob"], "feature_codes": CODES, "at": moment}
            return bytes(client.post("/api/v1/entitlements/check-bulk", many, format="json").content)
        found = client.get("/api/v1/users/ann/entitlements", {"at": moment}).json()
        return repr([found["features"], [row["effective"] for row in found["data"]]]).encode()

    first = answer()
    grants.revoke(SUBSCRIPTION, reason="refund", at=clock.now())
    features.archive(Feature.objects.get(pk="calls"), at=clock.now())

    assert answer() == first
    assert b"granted" in first or b"within_limit" in first


def test_many_users_of_the_past_are_as_many_queries_as_one(version: PlanVersion) -> None:
    at = clock.now()
    for number in range(9):
        source = Source(SourceType.MANUAL, f"m-{number}")
        grants.grant(f"user-{number}", version, source=source, starts_at=at, ends_at=None, at=at)
    moment = clock.now()

    def queries(users: list[str]) -> int:
        with connection.execute_wrapper(counter := Counter()):
            standpoint = standpoints.of(users, at=moment)
            standpoint.answers([Question(known, code) for known in standpoint.known.values() for code in CODES])
        return counter.number

    assert queries(["user-0"]) == queries([f"user-{number}" for number in range(9)])


class Counter:
    """Counts queries."""

    number = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.number += 1
        return execute(sql, params, many, context)
