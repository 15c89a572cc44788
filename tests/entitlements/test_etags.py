"""GET /users/{user_id}/entitlements: who has the answer already gets 304, until anything of it changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db.models import F
from rest_framework.response import Response

from entitlements import grants
from entitlements.models import Entitlement, Override, UsageCounter
from events import clock
from pricing.models import Feature, Plan
from tests.entitlements.conftest import DAY, PURCHASE, SUBSCRIPTION, Clients, a_version
from tests.entitlements.conftest import LATER as T0

URL = "/api/v1/users/ann/entitlements"


@pytest.fixture(autouse=True)
def granted(db: None) -> None:
    rows = grants.grant("ann", a_version(), source=SUBSCRIPTION, starts_at=T0, ends_at=T0 + 30 * DAY, at=T0)
    calls = next(row for row in rows if row.feature_id == "calls")
    UsageCounter.objects.create(subject="user:ann", feature_id="calls", pool=calls.pk, period_start=T0, used=1)


def asked(
    client_of: Clients, tag: str = "", role: str = "service", at: datetime | None = None, **query: Any
) -> Response:
    headers = {"If-None-Match": tag} if tag else {}
    moment = {"at": at.isoformat()} if at else {}
    return client_of(role).get(URL, {**moment, **query}, headers=headers)


def test_nothing_changed_is_304_without_a_body(client_of: Clients) -> None:
    first = asked(client_of)
    again = asked(client_of, first["ETag"])

    assert (first.status_code, again.status_code) == (200, 304)
    assert (again.content, again["ETag"]) == (b"", first["ETag"])
    assert first["ETag"].startswith('W/"')


@pytest.mark.parametrize("tag", ["*", '"other", {}', "{}"])
def test_a_tag_may_be_one_of_several(client_of: Clients, tag: str) -> None:
    known = asked(client_of)["ETag"]

    assert asked(client_of, tag.format(known)).status_code == 304
    assert asked(client_of, tag.format(known.removeprefix("W/"))).status_code == 304


@pytest.mark.parametrize(
    "tag", ['"other"', "other", 'W/"', '"', "\N{GREEK SMALL LETTER ALPHA}".encode().decode("latin-1")]
)
def test_what_is_no_tag_of_ours_brings_the_whole_answer(client_of: Clients, tag: str) -> None:
    assert asked(client_of, tag).status_code == 200


WRITES: list[Callable[[], object]] = [
    lambda: grants.suspend(SUBSCRIPTION, reason="past_due", at=T0),
    lambda: grants.cancel(SUBSCRIPTION, at=T0),
    lambda: grants.grant("ann", a_version({"pdf": {}}), source=PURCHASE, starts_at=T0, ends_at=None, at=T0),
    lambda: Entitlement.objects.filter(feature="pdf").update(metadata={"note": "x"}),
    lambda: Override.objects.create(
        user_id="ann", feature_id="charts", effect="allow", reason="gift", starts_at=T0 - DAY, created_at=T0 - DAY
    ),
    lambda: Feature.objects.filter(code="pdf").update(archived_at=clock.now()),
    lambda: Plan.objects.filter(id="atlas").update(id="atlas-2"),
    lambda: UsageCounter.objects.update(used=F("used") + 1),
]


@pytest.mark.parametrize("write", WRITES)
def test_any_change_of_the_set_changes_the_tag(client_of: Clients, write: Callable[[], object]) -> None:
    known = asked(client_of, at=T0)["ETag"]

    write()

    assert asked(client_of, known, at=T0).status_code == 200


def test_a_date_that_passes_changes_the_tag_though_nothing_is_written(client_of: Clients) -> None:
    tags = {
        asked(client_of, at=T0 + step)["ETag"] for step in (-DAY, 0 * DAY, DAY, 2 * DAY, 29 * DAY, 30 * DAY, 31 * DAY)
    }

    # Before it, in its first month, in its second, and after it.
    assert len(tags) == 4


def test_another_question_has_another_tag(client_of: Clients) -> None:
    known = asked(client_of)["ETag"]

    for query in ({"limit": 2}, {"status": "active"}, {"offset": 0}):
        assert asked(client_of, known, **query).status_code == 200
    # Support sees some of it masked.
    assert asked(client_of, known, "support").status_code == 200


def test_a_change_of_somebody_else_changes_nothing(client_of: Clients) -> None:
    known = asked(client_of)["ETag"]

    grants.grant("bob", a_version({"pdf": {}}), source=PURCHASE, starts_at=T0, ends_at=None, at=T0)

    assert asked(client_of, known).status_code == 304
