"""The back office: a password and a second factor, a lock after five wrong ones, an end to every session."""

from __future__ import annotations

import base64
import importlib
import io
import re
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.apps import apps
from django.conf import LazySettings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from config import second_factor, staff
from config.models import Authenticator, Enrolment
from events import clock
from events.models import Event
from tests.shown import Shown
from tests.staff import admit, code_of, log_in
from vault import rotation

PASSWORD = "correct horse battery staple"
PAGE = "/admin/second-factor"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_moment() -> Iterator[None]:
    """Let time stand still: no step of 30 seconds, and no second of waiting after a wrong code, ends by itself."""
    with time_machine.travel(time.time(), tick=False):
        yield


@pytest.fixture
def anna() -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


def with_password(password: str = PASSWORD, **extra: str) -> tuple[Client, int]:
    client = Client()
    answer = client.post("/admin/login/", {"username": "anna", "password": password}, **extra)  # type: ignore[arg-type]
    return client, answer.status_code


def enrolled(user: User) -> tuple[Client, list[str]]:
    client = admit(with_password()[0], user)
    client.get(PAGE)
    answer = client.post(PAGE, {"code": code_of(Authenticator.objects.get(user=user))})
    return client, re.findall(r"<li>([a-z2-7-]+)</li>", answer.content.decode())


def test_a_password_alone_enrols_no_authenticator(anna: User) -> None:
    """ASVS 6.4.1, 6.5: who has guessed or found a first password must not bind his own second factor to it."""
    client, _ = with_password()

    page = client.get("/admin/", follow=True)
    for wrong in ("", "aaaa-bbbb-cccc-dddd", "x" * 41, "é" * 16):
        client.post(PAGE, {"enrolment": wrong, "code": "000000"})

    assert page.redirect_chain == [(f"{PAGE}?next=/admin/", 302)]
    assert b"Enrolment code" in page.content
    assert b"<svg viewBox" not in page.content
    assert not Authenticator.objects.exists()


def test_an_enrolment_code_is_good_once_for_its_own_user_and_three_days(anna: User) -> None:
    ben = User.objects.create_superuser("ben", password=PASSWORD)
    client, _ = with_password()

    client.post(PAGE, {"enrolment": second_factor.invite(ben, why="new")})
    assert b"Enrolment code" in client.get(PAGE).content
    code = second_factor.invite(anna, why="new")
    with time_machine.travel(timedelta(days=3, seconds=1)):
        # The database's clock decides: a wrong clock of ours lengthens nothing, and here shortens nothing.
        assert second_factor.admitted(anna, code)
    Enrolment.objects.filter(user=anna).update(expires_at=clock.now())
    assert not second_factor.admitted(anna, code)
    enrolled(anna)

    assert not Enrolment.objects.filter(user=anna).exists()
    with pytest.raises(second_factor.EnrolledAlready):
        second_factor.invite(anna, why="a second one")


def test_a_code_that_was_issued_anew_ends_what_the_first_began(anna: User) -> None:
    client = admit(with_password()[0], anna)
    assert b"<svg" in client.get(PAGE).content

    second_factor.invite(anna, why="the first was seen by another")

    assert b"Enrolment code" in client.get(PAGE).content


def test_the_secret_of_an_authenticator_is_sealed(anna: User) -> None:
    """SE-05: who reads the table makes no codes."""
    enrolled(anna)
    device = Authenticator.objects.get(user=anna)

    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM config_authenticator")
        (kept,) = cursor.fetchone()

    assert kept.startswith("v1|")
    assert device.secret not in kept
    assert device.secret not in str(Event.objects.values_list("data", flat=True))
    assert Authenticator in set(rotation.sealed_models())


def test_an_authenticator_of_the_table_in_plain_is_taken_over(anna: User) -> None:
    secret = "0123456789abcdef0123456789abcdef01234567"
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE otp_totp_totpdevice (user_id int, name text, key text, last_t int, confirmed bool)"
        )
        cursor.execute(
            "INSERT INTO otp_totp_totpdevice VALUES (%s, 'authenticator', %s, 7, true), (%s, 'begun', %s, -1, false)",
            [anna.pk, secret, anna.pk, secret],
        )

    moving = importlib.import_module("config.migrations.0002_move_authenticators")
    with connection.schema_editor() as editor:
        moving.move(apps, editor)
        moving.move(apps, editor)

    taken = Authenticator.objects.get()
    assert (taken.secret, taken.last_t, taken.confirmed) == (secret, 7, True)
    assert "otp_totp_totpdevice" not in connection.introspection.table_names()


def test_the_first_login_enrols_an_authenticator(anna: User) -> None:
    client = admit(with_password()[0], anna)

    page = client.get("/admin/", follow=True)
    device = Authenticator.objects.get(user=anna)
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
    client = admit(with_password()[0], anna)
    client.get(PAGE)

    for code in ("000000", "", "abc", "١٢٣٤٥٦", "x" * 41):
        assert client.post(PAGE, {"code": code}).status_code == 200

    assert not Authenticator.objects.filter(confirmed=True).exists()
    assert client.get("/admin/").status_code == 302


def test_the_next_login_asks_for_a_code_and_shows_no_secret(anna: User) -> None:
    enrolled(anna)
    device = Authenticator.objects.get(user=anna)
    client, _ = with_password()

    page = client.get(PAGE)
    before = client.session.session_key
    answer = client.post(f"{PAGE}?next=/admin/pricing/plan/", {"code": code_of(device, steps=1)})

    assert b"<svg viewBox" not in page.content
    assert base64.b32encode(device.bin_key) not in page.content
    assert answer.headers["Location"] == "/admin/pricing/plan/"
    assert client.session.session_key != before


def test_a_code_is_good_once(anna: User) -> None:
    """ASVS 6.5.1. The code is read once: the authenticator's next step shows another one."""
    first = admit(with_password()[0], anna)
    first.get(PAGE)
    code = code_of(Authenticator.objects.get(user=anna))
    first.post(PAGE, {"code": code})
    client, _ = with_password()

    client.post(PAGE, {"code": code})

    assert first.get("/admin/").status_code == 200
    assert client.get("/admin/").status_code == 302


def test_wrong_codes_make_the_next_try_wait(anna: User) -> None:
    enrolled(anna)
    client, _ = with_password()
    client.post(PAGE, {"code": "000000"})

    client.post(PAGE, {"code": code_of(Authenticator.objects.get(user=anna), steps=1)})

    assert client.get("/admin/").status_code == 302
    assert Authenticator.objects.get(user=anna).throttling_failure_count == 1


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
    assert Authenticator.objects.filter(confirmed=True).count() == 1


def test_five_wrong_passwords_lock_the_name(anna: User) -> None:
    """ASVS 6.3.1: also from many addresses, and also for the right password."""
    addresses = [{"REMOTE_ADDR": f"192.0.2.{number}"} for number in range(6)]

    statuses = [with_password("wrong", **address)[1] for address in addresses[:5]]
    locked, status = with_password(PASSWORD, **addresses[5])

    assert statuses[:4] == [200] * 4
    assert statuses[4] == status == 429
    assert locked.get("/admin/").headers["Location"].startswith("/admin/login/")


def test_another_spelling_of_a_name_gives_no_more_guesses(anna: User) -> None:
    """Full-width letters and outer spaces are the same name at the login, and so for its lock."""
    spelt = ("anna", " anna", "\uff41nna", "a\uff4ena", "ann\uff41 ")
    for name in spelt:
        Client().post("/admin/login/", {"username": name, "password": "wrong"})

    assert with_password()[1] == 429


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
    session[staff.BEGAN] -= staff.LONGEST_SECONDS + 1
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

    code = code_of(Authenticator.objects.get(user=anna), steps=1)
    answer = client.post(f"{PAGE}?next=https://evil.example/", {"code": code})

    assert answer.headers["Location"] == "/admin/"


def test_who_lost_the_authenticator_enrols_anew(anna: User) -> None:
    enrolled(anna)

    said = io.StringIO()
    call_command("forget_second_factor", user="anna", why="a lost phone", stdout=said)
    client, _ = with_password()
    client.post(PAGE, {"enrolment": re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", said.getvalue())[0]})

    assert b"<svg" in client.get(PAGE).content
    assert Event.objects.get(type="staff.second_factor_forgotten").data == {"why": "a lost phone"}


def test_a_code_to_enrol_with_is_issued_to_staff_who_have_no_authenticator(anna: User) -> None:
    said = io.StringIO()

    call_command("enrolment_code", user="anna", why="new here", stdout=said)

    assert second_factor.admitted(anna, said.getvalue().strip().upper())
    assert Event.objects.get(type="staff.enrolment_code_issued").data == {"why": "new here"}
    with pytest.raises(CommandError, match="no member of staff named nobody"):
        call_command("enrolment_code", user="nobody", why="new here")
    enrolled(anna)
    with pytest.raises(CommandError, match="forget_second_factor comes first"):
        call_command("enrolment_code", user="anna", why="another phone")


def test_a_session_known_before_the_login_is_worth_nothing_after_it(anna: User) -> None:
    """ASVS 7.2.4: fixation."""
    client = Client()
    client.cookies["sessionid"] = "a" * 32

    client.post("/admin/login/", {"username": "anna", "password": PASSWORD})

    assert client.session.session_key != "a" * 32


def test_a_form_from_another_page_changes_nothing(anna: User) -> None:
    """CSRF: the login, the second factor and every page that saves."""
    client = log_in(Client(enforce_csrf_checks=True), anna)

    for path in ("/admin/login/", PAGE, "/admin/logout/", "/admin/pricing/plan/add/"):
        assert client.post(path, {}).status_code == 403


def test_nobody_adds_a_recovery_code_to_anothers(anna: User) -> None:
    assert not admin.site.is_registered(StaticDevice)
    assert not admin.site.is_registered(Authenticator)
