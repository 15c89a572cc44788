"""When one grant gives access: every boundary, one microsecond before it, on it and after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from entitlements.models import Reason
from entitlements.spans import barred
from tests.entitlements.conftest import DAY, T0, TICK, a_grant

END = T0 + 30 * DAY
GRACE = END + 7 * DAY
WITH_GRACE = a_grant(ends_at=END, grace_until=GRACE)


@pytest.mark.parametrize(
    ("after_start", "reason"),
    [(-TICK, "not_started"), (timedelta(0), None), (TICK, None)],
)
def test_access_begins_at_its_very_start(after_start: timedelta, reason: str | None) -> None:
    grant = a_grant()

    found = barred(grant, T0 + after_start)

    assert found == reason


@pytest.mark.parametrize(("after_end", "reason"), [(-TICK, None), (timedelta(0), "expired"), (TICK, "expired")])
def test_access_ends_at_its_very_end(after_end: timedelta, reason: str | None) -> None:
    grant = a_grant(ends_at=END)

    found = barred(grant, END + after_end)

    assert found == reason


@pytest.mark.parametrize(("after_grace", "reason"), [(-TICK, None), (timedelta(0), "expired"), (TICK, "expired")])
def test_grace_ends_at_its_very_end(after_grace: timedelta, reason: str | None) -> None:
    found = barred(WITH_GRACE, GRACE + after_grace)

    assert found == reason


def test_a_lifetime_purchase_never_ends() -> None:
    """PL-07."""
    grant = a_grant(ends_at=None)

    found = barred(grant, T0.replace(year=9000))

    assert found is None


@pytest.mark.parametrize(("status", "reason"), [("expired", "expired"), ("canceled", "canceled")])
def test_a_status_written_down_later_changes_no_answer_for_a_moment_inside_the_span(status: str, reason: str) -> None:
    grant = a_grant(status=status, status_at=END + DAY)

    found = [barred(grant, moment) for moment in (T0 - TICK, T0, END - TICK, END)]

    assert found == ["not_started", None, None, reason]


@pytest.mark.parametrize("reason", [reason.value for reason in Reason if reason != Reason.PLAN_CHANGED])
def test_a_suspension_counts_from_its_moment_and_says_why(reason: str) -> None:
    grant = a_grant(status="suspended", reason=reason, status_at=T0 + DAY)

    found = [barred(grant, T0 + DAY + step) for step in (-TICK, timedelta(0), TICK)]

    assert found == [None, f"suspended_{reason}", f"suspended_{reason}"]


def test_a_suspension_without_a_reason_was_made_by_staff() -> None:
    grant = a_grant(status="suspended", reason="")

    found = barred(grant, T0)

    assert found == "suspended_staff"


def test_a_revocation_counts_from_its_moment_even_for_a_lifetime() -> None:
    grant = a_grant(status="revoked", reason="refund", status_at=T0 + DAY, ends_at=None)

    found = [barred(grant, T0 + DAY + step) for step in (-TICK, timedelta(0), TICK)]

    assert found == [None, "revoked", "revoked"]


def test_what_is_suspended_says_so_rather_than_that_it_ended() -> None:
    """Who has not paid can still pay; `expired` would hide that."""
    grant = a_grant(status="suspended", reason="unpaid", status_at=T0, ends_at=T0)

    found = barred(grant, END)

    assert found == "suspended_unpaid"


@pytest.mark.parametrize("step", [-TICK, timedelta(0), TICK])
def test_a_grant_cut_at_its_start_never_gave_access(step: timedelta) -> None:
    grant = a_grant(status="canceled", ends_at=T0)

    found = barred(grant, T0 + step)

    assert found == "canceled"


def test_a_span_that_is_empty_but_has_grace_gives_access_in_grace() -> None:
    """A first renewal that failed: nothing was paid, and access goes on while it is tried again."""
    grant = replace(WITH_GRACE, ends_at=T0, grace_until=GRACE)

    found = [barred(grant, moment) for moment in (T0 - TICK, T0, GRACE - TICK, GRACE)]

    assert found == ["not_started", None, None, "expired"]
