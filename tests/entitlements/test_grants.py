"""The only writers of entitlements: what each does, once, twice and where it must not."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from entitlements import access, grants
from entitlements.errors import GraceWithoutEnd, SpanReversed, UnknownReason
from entitlements.grants import Source
from entitlements.models import Entitlement, SourceType
from events.models import Event
from pricing.models import PlanVersion
from tests.entitlements.conftest import DAY, PURCHASE, SUBSCRIPTION, T0, TERMS, TICK, a_version, history_of

END = T0 + 30 * DAY
ALL = sorted(TERMS)


def give(version: PlanVersion, *, ends_at: datetime | None = END, **said: Any) -> list[Entitlement]:
    given = {"source": SUBSCRIPTION, "starts_at": T0, "at": T0, **said}
    return grants.grant("ann", version, ends_at=ends_at, **given)


def state() -> list[dict[str, Any]]:
    return list(Entitlement.objects.order_by("id").values())


def statuses() -> dict[str, str]:
    return dict(Entitlement.objects.values_list("feature_id", "status"))


def reason(feature: str, at: datetime) -> str:
    return str(access.check("ann", feature, at=at).reason_code)


@pytest.mark.django_db
def test_a_grant_gives_every_feature_of_the_version_with_its_terms() -> None:
    """EN-01, EN-05, US-03."""
    version = a_version()

    made = give(version, subscription_id="sub_123")

    rows = {row.feature_id: row for row in made}
    assert sorted(rows) == ALL
    assert (rows["calls"].limit, rows["calls"].period, rows["help"].value) == (100, "month", "mail")
    assert {(row.plan_id, row.version_id, row.subscription_id, row.status) for row in made} == {
        ("atlas", version.pk, "sub_123", "active")
    }
    assert sorted(history_of("ann")) == [("created", code) for code in ALL]


@pytest.mark.django_db
def test_history_tells_who_got_what_until_when() -> None:
    """EV-03."""
    give(a_version({"pdf": {}}))

    event = Event.objects.get(subject="user:ann")

    row = Entitlement.objects.get()
    assert (event.type, event.object, event.at) == ("entitlement.created", f"entitlement:{row.pk}", T0)
    assert event.data == {
        "user_id": "ann",
        "feature_code": "pdf",
        "plan_id": "atlas",
        "source": {"type": "subscription", "id": "sub-1"},
        "status": "active",
        "reason": "",
        "granted_at": T0.isoformat(),
        "starts_at": T0.isoformat(),
        "ends_at": END.isoformat(),
        "grace_until": None,
        "limit": None,
        "period": "",
        "soft": False,
        "value": None,
        "version": 1,
        "family_id": None,
        "anchor": "billing",
        "time_zone": "UTC",
        "warn_at": [80, 100],
        "rollover_max": None,
        "member_cap": None,
        "priority": 0,
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    "verb",
    [
        lambda version: give(version),
        lambda version: grants.suspend(SUBSCRIPTION, reason="past_due", at=T0 + DAY),
        lambda version: grants.resume(SUBSCRIPTION, at=T0 + DAY),
        lambda version: grants.revoke(SUBSCRIPTION, reason="refund", at=T0 + DAY),
        lambda version: grants.cancel(SUBSCRIPTION, at=T0 + DAY),
        lambda version: grants.shorten(SUBSCRIPTION, ends_at=T0 + DAY, grace_until=T0 + 2 * DAY, at=T0 + DAY),
        lambda version: grants.expire_due(at=END),
    ],
    ids=["grant", "suspend", "resume", "revoke", "cancel", "shorten", "expire_due"],
)
def test_a_repeated_verb_changes_and_announces_nothing(verb: Any) -> None:
    version = a_version()
    give(version)
    verb(version)
    before, told = state(), history_of("ann")

    verb(version)

    assert (state(), history_of("ann")) == (before, told)


@pytest.mark.django_db
def test_a_renewal_moves_the_end_and_keeps_the_start_that_periods_count_from() -> None:
    version = a_version({"calls": {"limit": 5, "period": "month"}})
    give(version, grace_until=END + DAY)

    give(version, starts_at=END, ends_at=END + 30 * DAY, at=END + DAY / 2)

    row = Entitlement.objects.get()
    assert (row.starts_at, row.ends_at, row.grace_until) == (T0, END + 30 * DAY, None)
    assert Event.objects.get(type="entitlement.updated").data["before"] == {
        "ends_at": END.isoformat(),
        "grace_until": (END + DAY).isoformat(),
    }


@pytest.mark.django_db
def test_a_renewal_after_a_gap_leaves_the_gap_without_access() -> None:
    version = a_version({"pdf": {}})
    give(version)
    again = END + 10 * DAY

    give(version, starts_at=again, ends_at=again + 30 * DAY, at=again)

    assert [reason("pdf", again - TICK), reason("pdf", again)] == ["not_started", "granted"]


@pytest.mark.django_db
def test_a_renewal_that_starts_at_the_very_end_leaves_no_gap() -> None:
    version = a_version({"pdf": {}})
    give(version)

    give(version, starts_at=END, ends_at=END + 30 * DAY, at=END)

    assert Entitlement.objects.get().starts_at == T0


@pytest.mark.django_db
def test_a_start_that_has_not_come_may_be_put_off() -> None:
    version = a_version({"pdf": {}})
    give(version, starts_at=T0 + DAY)

    give(version, starts_at=T0 + 2 * DAY)

    assert [reason("pdf", T0 + 2 * DAY - TICK), reason("pdf", T0 + 2 * DAY)] == ["not_started", "granted"]


@pytest.mark.django_db
def test_a_replay_at_the_very_end_does_not_wake_what_expired() -> None:
    version = a_version({"pdf": {}})
    give(version)
    grants.expire_due(at=END)

    give(version, at=END)

    assert (statuses(), history_of("ann")) == ({"pdf": "expired"}, [("created", "pdf"), ("expired", "pdf")])


@pytest.mark.django_db
def test_one_source_may_serve_several_users_and_each_keeps_his_own() -> None:
    give(a_version({"pdf": {}, "charts": {}}))
    small = a_version({"pdf": {}})

    grants.grant("bob", small, source=SUBSCRIPTION, starts_at=T0, ends_at=None, at=T0)

    assert sorted(Entitlement.objects.values_list("user_id", "feature_id", "status", "ends_at")) == [
        ("ann", "charts", "active", END),
        ("ann", "pdf", "active", END),
        ("bob", "pdf", "active", None),
    ]


@pytest.mark.django_db
def test_a_change_says_when_it_was_made() -> None:
    give(a_version({"pdf": {}}))
    before = Entitlement.objects.get().updated_at

    grants.suspend(SUBSCRIPTION, reason="staff", at=T0)

    assert Entitlement.objects.get().updated_at > before


@pytest.mark.django_db
def test_an_expired_grant_runs_again_when_it_is_renewed() -> None:
    version = a_version({"pdf": {}})
    give(version)
    grants.expire_due(at=END)

    give(version, ends_at=END + 30 * DAY, at=END + DAY)

    assert (statuses(), reason("pdf", END + DAY)) == ({"pdf": "active"}, "granted")
    assert history_of("ann") == [("created", "pdf"), ("expired", "pdf"), ("updated", "pdf")]


@pytest.mark.django_db
def test_another_version_brings_its_terms_and_takes_what_it_lacks() -> None:
    give(a_version())
    larger = a_version({"calls": {"limit": 500, "period": "month"}, "charts": {}})

    now = give(larger, at=T0 + DAY)

    assert sorted(row.feature_id for row in now) == ["calls", "charts"]
    assert statuses() == {
        "calls": "active",
        "charts": "active",
        "disk": "canceled",
        "pdf": "canceled",
        "help": "canceled",
    }
    assert access.check("ann", "calls", at=T0 + DAY).limit == 500
    assert [reason("pdf", T0 + DAY - TICK), reason("pdf", T0 + DAY)] == ["granted", "canceled"]


@pytest.mark.django_db
def test_a_feature_that_a_plan_took_comes_back_with_the_plan() -> None:
    large, small = a_version({"pdf": {}, "charts": {}}), a_version({"pdf": {}})
    give(large)
    give(small, at=T0 + DAY)

    give(large, at=T0 + 2 * DAY)

    assert statuses() == {"pdf": "active", "charts": "active"}
    assert reason("charts", T0 + 2 * DAY) == "granted"


@pytest.mark.django_db
def test_what_was_canceled_stays_so_when_its_grant_is_replayed() -> None:
    version = a_version({"pdf": {}})
    give(version)
    grants.cancel(SUBSCRIPTION, at=T0 + DAY)
    before = state()

    give(version, at=T0 + 2 * DAY)

    assert state() == before


@pytest.mark.django_db
def test_cancel_ends_access_at_its_moment_and_leaves_no_grace() -> None:
    give(a_version({"pdf": {}}), grace_until=END + DAY)

    grants.cancel(SUBSCRIPTION, at=T0 + DAY)

    assert [reason("pdf", T0 + DAY - TICK), reason("pdf", T0 + DAY)] == ["granted", "canceled"]


@pytest.mark.django_db
def test_cancel_never_lengthens_and_cuts_what_has_not_begun_at_its_start() -> None:
    give(a_version({"pdf": {}}))
    later = Source(SourceType.TRIAL, "later")
    give(a_version({"charts": {}}, plan_id="next"), source=later, starts_at=END, ends_at=END + DAY)

    grants.cancel(SUBSCRIPTION, at=END + DAY)
    grants.cancel(later, at=T0)

    ends = dict(Entitlement.objects.values_list("feature_id", "ends_at"))
    assert ends == {"pdf": END, "charts": END}
    assert reason("charts", END) == "canceled"


@pytest.mark.django_db
def test_suspend_holds_back_and_resume_gives_again() -> None:
    give(a_version({"pdf": {}}))

    grants.suspend(SUBSCRIPTION, reason="paused", at=T0 + DAY)
    held = reason("pdf", T0 + DAY)
    grants.resume(SUBSCRIPTION, at=T0 + 2 * DAY)

    assert (held, reason("pdf", T0 + 2 * DAY)) == ("suspended_paused", "granted")
    assert history_of("ann") == [("created", "pdf"), ("suspended", "pdf"), ("resumed", "pdf")]


@pytest.mark.django_db
def test_another_reason_to_suspend_is_told_but_does_not_move_the_suspension() -> None:
    give(a_version({"pdf": {}}))
    grants.suspend(SUBSCRIPTION, reason="past_due", at=T0 + DAY)

    grants.suspend(SUBSCRIPTION, reason="unpaid", at=T0 + 2 * DAY)

    assert [reason("pdf", T0 + DAY), Entitlement.objects.get().status_at] == ["suspended_unpaid", T0 + DAY]
    assert history_of("ann")[-1] == ("updated", "pdf")


@pytest.mark.django_db
def test_a_paid_renewal_resumes_unless_it_is_told_to_keep_the_suspension() -> None:
    version = a_version({"pdf": {}})
    give(version)
    grants.suspend(SUBSCRIPTION, reason="dispute", at=T0 + DAY)

    give(version, ends_at=END + DAY, at=T0 + DAY, keep_suspended=True)
    kept = reason("pdf", T0 + DAY)
    give(version, ends_at=END + DAY, at=T0 + DAY)

    row = Entitlement.objects.get()
    assert (kept, reason("pdf", T0 + DAY)) == ("suspended_dispute", "granted")
    assert (row.ends_at, row.reason) == (END + DAY, "")


@pytest.mark.django_db
@pytest.mark.parametrize("keep", [True, False])
def test_what_staff_hold_back_only_staff_give_again(keep: bool) -> None:
    """A renewal, another reason, a new feature: all stay held, for the same reason; `resume` gives all of it."""
    give(a_version({"pdf": {}}))
    grants.suspend(SUBSCRIPTION, reason="staff", at=T0 + DAY)
    grants.suspend(SUBSCRIPTION, reason="past_due", at=T0 + DAY)

    give(a_version({"pdf": {}, "charts": {}}), ends_at=END + DAY, at=T0 + 2 * DAY, keep_suspended=keep)

    assert [reason(code, T0 + 2 * DAY) for code in ("pdf", "charts")] == ["suspended_staff"] * 2
    grants.resume(SUBSCRIPTION, at=T0 + 3 * DAY)
    assert [reason(code, T0 + 3 * DAY) for code in ("pdf", "charts")] == ["granted"] * 2


@pytest.mark.django_db
def test_a_feature_that_is_added_to_what_is_suspended_is_suspended_too() -> None:
    """Also when the plan drops another at once, and when it is said again: rows stand in no order."""
    for number in range(8):
        source = Source(SourceType.SUBSCRIPTION, f"held-{number}")
        give(a_version({"pdf": {}, "calls": {"limit": 5, "period": "month"}}), source=source)
        grants.suspend(source, reason="dispute", at=T0 + DAY)
        other = a_version({"pdf": {}, "charts": {}})

        for _ in range(2):
            give(other, source=source, at=T0 + DAY, keep_suspended=True)

            rows = Entitlement.objects.filter(source_id=source.id).values_list("feature_id", "status", "reason")
            assert sorted(rows) == [
                ("calls", "canceled", "plan_changed"),
                ("charts", "suspended", "dispute"),
                ("pdf", "suspended", "dispute"),
            ]


@pytest.mark.django_db
def test_a_feature_that_comes_back_to_what_is_suspended_is_suspended_too() -> None:
    large, small = a_version({"pdf": {}, "charts": {}}), a_version({"pdf": {}})
    give(large)
    give(small, at=T0 + DAY)
    grants.suspend(SUBSCRIPTION, reason="dispute", at=T0 + DAY)

    give(large, at=T0 + 2 * DAY, keep_suspended=True)

    assert [reason(code, T0 + 2 * DAY) for code in ("pdf", "charts")] == ["suspended_dispute", "suspended_dispute"]


@pytest.mark.django_db
def test_late_grace_does_not_pass_a_suspension_by() -> None:
    give(a_version({"pdf": {}}))
    grants.expire_due(at=END)
    give(a_version({"pdf": {}, "charts": {}}), at=END)
    grants.suspend(SUBSCRIPTION, reason="dispute", at=END)

    grants.shorten(SUBSCRIPTION, ends_at=END, grace_until=END + 7 * DAY, at=END)

    assert [reason(code, END) for code in ("pdf", "charts")] == ["suspended_dispute", "suspended_dispute"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "end",
    [
        lambda: grants.revoke(SUBSCRIPTION, reason="refund", at=T0 + 2 * DAY),
        lambda: grants.cancel(SUBSCRIPTION, at=T0 + 2 * DAY),
    ],
    ids=["revoke", "cancel"],
)
def test_a_source_that_is_over_gives_nothing_new_and_nothing_back(end: Any) -> None:
    give(a_version({"pdf": {}, "charts": {}}))
    give(a_version({"pdf": {}}), at=T0 + DAY)
    end()
    before, told = state(), history_of("ann")

    give(a_version({"pdf": {}, "charts": {}, "calls": {"limit": 5, "period": "month"}}), at=T0 + 3 * DAY)

    assert (state(), history_of("ann")) == (before, told)


@pytest.mark.django_db
def test_what_was_revoked_stays_so_whatever_follows() -> None:
    version = a_version({"pdf": {}})
    give(version, ends_at=None, source=PURCHASE)
    grants.revoke(PURCHASE, reason="refund", at=T0 + DAY)
    before = state()

    give(version, ends_at=None, source=PURCHASE, at=T0 + 2 * DAY)
    grants.suspend(PURCHASE, reason="staff", at=T0 + 2 * DAY)
    grants.resume(PURCHASE, at=T0 + 2 * DAY)
    grants.cancel(PURCHASE, at=T0 + 2 * DAY)
    grants.shorten(PURCHASE, ends_at=T0 + 2 * DAY, grace_until=None, at=T0 + 2 * DAY)

    assert (state(), reason("pdf", T0 + 2 * DAY)) == (before, "revoked")


@pytest.mark.django_db
def test_a_verb_touches_its_own_source_only() -> None:
    version = a_version({"pdf": {}})
    give(version)
    give(version, source=PURCHASE, ends_at=None)

    grants.revoke(PURCHASE, reason="refund", at=T0)

    assert sorted(Entitlement.objects.values_list("source_type", "status")) == [
        ("one_time", "revoked"),
        ("subscription", "active"),
    ]


@pytest.mark.django_db
def test_past_due_gives_access_in_grace_and_then_takes_it() -> None:
    give(a_version({"pdf": {}}), ends_at=END + 30 * DAY)

    grants.shorten(SUBSCRIPTION, ends_at=END, grace_until=END + 7 * DAY, at=END + DAY)

    found = [reason("pdf", moment) for moment in (END - TICK, END, END + 7 * DAY - TICK, END + 7 * DAY)]
    assert found == ["granted", "in_grace", "in_grace", "expired"]


@pytest.mark.django_db
def test_shorten_never_lengthens_what_was_paid_for() -> None:
    give(a_version({"pdf": {}}))

    grants.shorten(SUBSCRIPTION, ends_at=END + DAY, grace_until=END + 2 * DAY, at=T0)

    row = Entitlement.objects.get()
    assert (row.ends_at, row.grace_until) == (END, END + 2 * DAY)


@pytest.mark.django_db
def test_what_has_not_begun_is_shortened_to_nothing() -> None:
    give(a_version({"pdf": {}}), starts_at=T0 + 2 * DAY)

    grants.shorten(SUBSCRIPTION, ends_at=T0, grace_until=T0 + DAY, at=T0)

    row = Entitlement.objects.get()
    assert (row.starts_at, row.ends_at, row.grace_until) == (T0 + 2 * DAY,) * 3
    assert reason("pdf", T0 + 2 * DAY) == "expired"


@pytest.mark.django_db
def test_grace_that_comes_after_the_job_wrote_the_end_down_still_counts() -> None:
    give(a_version({"pdf": {}}))
    grants.expire_due(at=END)

    grants.shorten(SUBSCRIPTION, ends_at=END, grace_until=END + 7 * DAY, at=END + DAY)

    assert (statuses(), reason("pdf", END + DAY)) == ({"pdf": "active"}, "in_grace")


@pytest.mark.django_db
def test_a_span_that_ends_before_it_starts_is_refused() -> None:
    version = a_version()

    with pytest.raises(SpanReversed) as refused:
        give(version, ends_at=T0 - TICK)

    assert (refused.value.code, refused.value.field, state()) == ("span_reversed", "ends_at", [])


@pytest.mark.django_db
@pytest.mark.parametrize(("ends_at", "grace_until"), [(None, END), (END, END - TICK)])
def test_grace_needs_an_end_before_it(ends_at: datetime | None, grace_until: datetime) -> None:
    version = a_version()

    with pytest.raises(GraceWithoutEnd):
        give(version, ends_at=ends_at, grace_until=grace_until)
    with pytest.raises(GraceWithoutEnd):
        grants.shorten(SUBSCRIPTION, ends_at=END, grace_until=END - TICK, at=T0)

    assert state() == []


@pytest.mark.django_db
@pytest.mark.parametrize("verb", [grants.suspend, grants.revoke])
@pytest.mark.parametrize("said", ["", "because", "plan_changed"])
def test_a_reason_outside_the_list_is_refused(verb: Any, said: str) -> None:
    give(a_version())

    with pytest.raises(UnknownReason):
        verb(SUBSCRIPTION, reason=said, at=T0)

    assert set(statuses().values()) == {"active"}


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("verb", ["grant", "suspend", "expire_due"])
def test_nothing_is_written_outside_a_transaction(verb: str) -> None:
    version = PlanVersion.objects.filter(published_at__isnull=False).first()
    calls = {
        "grant": lambda: give(version),  # type: ignore[arg-type]
        "suspend": lambda: grants.suspend(SUBSCRIPTION, reason="staff", at=T0),
        "expire_due": lambda: grants.expire_due(at=T0),
    }

    with pytest.raises((RuntimeError, transaction.TransactionManagementError)):
        calls[verb]()

    assert state() == []
