"""Staff see every grant, find it by user, and change nothing."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from entitlements import grants, reservations, usage
from entitlements.models import Entitlement
from entitlements.usage import Use
from events.asking import Asking
from tests.entitlements.conftest import DAY, SUBSCRIPTION, T0, a_version
from tests.entitlements.test_families import a_family, join
from tests.staff import log_in

URL = "/admin/entitlements/entitlement/"


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    log_in(client, get_user_model().objects.create_superuser("staff"))
    for user in ("ann", "bob"):
        grants.grant(user, a_version(), source=SUBSCRIPTION, starts_at=T0, ends_at=T0 + DAY, at=T0)
    return client


def test_staff_find_the_grants_of_one_user(staff: Client) -> None:
    """AD-01."""
    response = staff.get(URL, {"q": "ann", "status": "active", "source_type": "subscription"})

    found = response.context["cl"].queryset
    assert response.status_code == 200
    assert {row.user_id for row in found} == {"ann"}
    assert len(found) == 4


def test_staff_read_a_grant_and_cannot_change_it(staff: Client) -> None:
    row = Entitlement.objects.filter(user_id="ann").first()
    assert row
    page = f"{URL}{row.pk}/change/"

    seen = staff.get(page)
    answers = [staff.post(page, {"user_id": "eve"}), staff.get(f"{URL}add/"), staff.post(f"{URL}{row.pk}/delete/")]

    assert seen.status_code == 200
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert Entitlement.objects.get(pk=row.pk).user_id == "ann"


def test_staff_find_a_family_by_anybody_who_is_in_it(staff: Client) -> None:
    """They see who came and went, no secret, and change nothing."""
    family = a_family()
    join(family, "mia")
    other = a_family("otto")

    found = staff.get("/admin/entitlements/family/", {"q": "mia"}).context["cl"].queryset
    page = staff.get(f"/admin/entitlements/family/{family.pk}/change/")

    assert (list(found), other in found) == ([family], False)
    assert page.status_code == 200
    assert "mia" in page.content.decode()
    assert "secret" not in page.content.decode()
    for path in (f"{family.pk}/change/", "add/", f"{family.pk}/delete/"):
        assert staff.post(f"/admin/entitlements/family/{path}", {"owner_id": "eve"}).status_code == 403


def test_staff_find_what_was_used_counted_and_held_and_change_none_of_it(staff: Client) -> None:
    for number, user in enumerate(("ann", "bob")):
        usage.record(Use(user, "calls", 3, f"e-{number}", T0), principal="service:app", now=T0)
        asking = Asking.of("service:app", None, {})
        reservations.reserve(user, "calls", 2, expires_in=DAY, asking=asking, now=T0)
    asked = {
        "usagecounter": {"q": "user:ann", "feature": "calls"},
        "usageevent": {"q": "e-0", "corrects__isempty": "1"},
        "reservation": {"q": "ann", "status": "held"},
    }

    for name, said in asked.items():
        url = f"/admin/entitlements/{name}/"
        found = list(staff.get(url, said).context["cl"].queryset)
        assert len(found) == 1
        assert "ann" in str(getattr(found[0], "subject", getattr(found[0], "user_id", "")))
        assert list(staff.get(url, {**said, "q": "nobody"}).context["cl"].queryset) == []
        page = f"{url}{found[0].pk}/change/"
        assert staff.get(page).status_code == 200
        for path in (page, f"{url}add/", f"{url}{found[0].pk}/delete/"):
            assert staff.post(path, {"units": 1, "used": 0}).status_code == 403
