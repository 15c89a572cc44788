"""The back office: a password and a second factor, a lock after five wrong ones, an end to every session."""

from __future__ import annotations

import base64
import io
import re
from datetime import timedelta

import pytest
import time_machine
from django.conf import LazySettings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from config import second_factor, staff
from events.models import Event
from tests.shown import Shown
from tests.staff import code_of, log_in

PASSWORD = "correct horse battery staple"
PAGE = "/admin/second-factor"
pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


def with_password(password: str = PASSWORD, **extra: str) -> tuple[Client, int]:
    client = Client()
    answer = client.post("/admin/login/", {"username": "anna", "password": password}, **extra)  # type: ignore[arg-type]
    return client, answer.status_code


def enrolled(user: User) -> tuple[Client, list[str]]:
    client, _ = with_password()
    client.get(PAGE)
    answer = client.post(PAGE, {"code": code_of(TOTPDevice.objects.get(user=user))})
    return client, re.findall(r"<li>([a-z2-7-]+)</li>", answer.content.decode())


def test_the_first_login_enrols_an_authenticator(anna: User) -> None:
    client, _ = with_password()

    page = client.get("/admin/", follow=True)
    device = TOTPDevice.objects.get(user=anna)
    secret = base64.b32encode(device.bin_key).decode()
    confirmed = client.post(f"{PAGE}?next=/admin/pricing/plan/", {"code": code_of(device)})

    assert page.redirect_chain == [(f"{PAGE}?next=/admin/", 302)]
    assert b"<svg" in page.content
    assert secret.encode() in page.content
    assert len(re.findall(rb"<li>[a-z2-7-]{19}</li>", confirmed.content)) == 10
    assert b'href="/admin/pricing/plan/"' in confirmed.content
    assert client.get("/admin/pricing/plan/").status_code == 200
    assert Event.objects.get(type="staff.second_factor_enrolled").actor == "staff:anna"


def test_a_password_alone_opens_no_page(anna: User, shown: Shown) -> None:
    """ASVS 6.3.3: every page of the back office, as its own table of URLs lists them."""
    client, _ = with_password()
    paths = sorted(set(pages(admin.site.urls[0], "/admin/")) - {"/admin/login/", "/admin/logout/"})

    let_in = [path for path in paths if not client.get(path).headers.get("Location", "").startswith(PAGE)]

    assert let_in == []
    assert len(paths) > 50
    shown(f"{len(paths)} pages of the back office with a password alone: {len(paths)} turned away")


def pages(patterns: list[URLPattern | URLResolver], prefix: str) -> list[str]:
    found = []
    for pattern in patterns:
        path = prefix + re.sub(r"<[^>]+>|\(\?P<[^)]+\)", "1", str(pattern.pattern)).strip("^$").replace("\\Z", "")
        if isinstance(pattern, URLResolver):
            found += pages(pattern.url_patterns, path)
        else:
            found.append(path)
    return found


def test_a_wrong_code_enrols_nothing(anna: User) -> None:
    client, _ = with_password()
    client.get(PAGE)

    for code in ("000000", "", "abc", "١٢٣٤٥٦", "x" * 41):
        assert client.post(PAGE, {"code": code}).status_code == 200

    assert not TOTPDevice.objects.filter(confirmed=True).exists()
    assert client.get("/admin/").status_code == 302


def test_the_next_login_asks_for_a_code_and_shows_no_secret(anna: User) -> None:
    enrolled(anna)
    device = TOTPDevice.objects.get(user=anna)
    client, _ = with_password()

    page = client.get(PAGE)
    before = client.session.session_key
    answer = client.post(f"{PAGE}?next=/admin/pricing/plan/", {"code": code_of(device, steps=1)})

    assert b"<svg viewBox" not in page.content
    assert base64.b32encode(device.bin_key) not in page.content
    assert answer.headers["Location"] == "/admin/pricing/plan/"
    assert client.session.session_key != before


def test_a_code_is_good_once(anna: User) -> None:
    """ASVS 6.5.1."""
    enrolled(anna)
    client, _ = with_password()

    client.post(PAGE, {"code": code_of(TOTPDevice.objects.get(user=anna))})

    assert client.get("/admin/").status_code == 302


def test_wrong_codes_make_the_next_try_wait(anna: User) -> None:
    enrolled(anna)
    client, _ = with_password()
    client.post(PAGE, {"code": "000000"})

    client.post(PAGE, {"code": code_of(TOTPDevice.objects.get(user=anna), steps=1)})

    assert client.get("/admin/").status_code == 302
    assert TOTPDevice.objects.get(user=anna).throttling_failure_count == 1


def test_a_recovery_code_opens_once_and_only_its_hash_is_kept(anna: User) -> None:
    """ASVS 6.5.2."""
    _, codes = enrolled(anna)
    first, second, third = (with_password()[0] for _ in range(3))
    kept = set(StaticToken.objects.values_list("token", flat=True))

    first.post(PAGE, {"code": codes[0].upper()})
    second.post(PAGE, {"code": codes[0]})
    third.post(PAGE, {"code": next(iter(kept))})

    assert first.get("/admin/").status_code == 200
    assert second.get("/admin/").status_code == 302
    assert third.get("/admin/").status_code == 302
    assert len(kept) == 10
    assert not kept & {code.replace("-", "").upper()[:16] for code in codes}


def test_a_second_authenticator_cannot_be_slipped_in(anna: User) -> None:
    """Who has the password and not the code must not enrol his own."""
    enrolled(anna)
    smuggled = second_factor.enrolling(anna)
    client, _ = with_password()

    client.post(PAGE, {"code": code_of(smuggled)})

    assert client.get("/admin/").status_code == 302
    assert TOTPDevice.objects.filter(confirmed=True).count() == 1


def test_five_wrong_passwords_lock_the_name(anna: User) -> None:
    """ASVS 6.3.1: also from many addresses, and also for the right password."""
    addresses = [{"REMOTE_ADDR": f"192.0.2.{number}"} for number in range(6)]

    statuses = [with_password("wrong", **address)[1] for address in addresses[:5]]
    locked, status = with_password(PASSWORD, **addresses[5])

    assert statuses[:4] == [200] * 4
    assert statuses[4] == status == 429
    assert locked.get("/admin/").headers["Location"].startswith("/admin/login/")


def test_the_lock_opens_after_a_quarter_of_an_hour(anna: User) -> None:
    for _ in range(5):
        with_password("wrong")

    with time_machine.travel(timedelta(minutes=15, seconds=1)):
        assert with_password()[1] == 302


def test_a_session_ends_after_fifteen_idle_minutes(anna: User) -> None:
    client = log_in(Client(), anna)
    assert client.get("/admin/").status_code == 200

    with time_machine.travel(timedelta(minutes=14)):
        assert client.get("/admin/").status_code == 200
    with time_machine.travel(timedelta(minutes=28)):
        assert client.get("/admin/").status_code == 200
    with time_machine.travel(timedelta(minutes=44)):
        assert client.get("/admin/").headers["Location"].startswith("/admin/login/")


def test_a_session_ends_after_eight_hours_also_in_use(anna: User) -> None:
    client = log_in(Client(), anna)
    client.get("/admin/")
    session = client.session
    session[staff.BEGAN] -= staff.LONGEST_SECONDS
    session.save()

    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")


def test_another_host_knows_no_back_office(anna: User, settings: LazySettings) -> None:
    settings.ADMIN_HOST, settings.ALLOWED_HOSTS = "office.example", ["office.example", "api.example"]

    asked = {
        host: [Client(headers={"Host": host}).get(path).status_code for path in ("/admin/", "/admin/login/", PAGE)]
        for host in ("office.example", "office.example:443", "api.example")
    }

    assert asked == {
        "office.example": [302, 200, 302],
        "office.example:443": [302, 200, 302],
        "api.example": [404, 404, 404],
    }


def test_the_page_leads_nowhere_else(anna: User) -> None:
    """ASVS 3.7.2: no open redirect."""
    enrolled(anna)
    client, _ = with_password()

    code = code_of(TOTPDevice.objects.get(user=anna), steps=1)
    answer = client.post(f"{PAGE}?next=https://evil.example/", {"code": code})

    assert answer.headers["Location"] == "/admin/"


def test_who_lost_the_authenticator_enrols_anew(anna: User) -> None:
    enrolled(anna)

    call_command("forget_second_factor", user="anna", why="a lost phone", stdout=io.StringIO())
    client, _ = with_password()

    assert b"<svg" in client.get(PAGE).content
    assert Event.objects.get(type="staff.second_factor_forgotten").data == {"why": "a lost phone"}
