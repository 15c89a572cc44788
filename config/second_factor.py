"""The second factor of staff: an authenticator app each (TOTP, RFC 6238), and recovery codes beside it.

Who has only the password enrols none: it takes a code that the operator issues, good once and for a while.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django_otp import verify_token
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from config.models import Authenticator, Enrolment
from events import clock, history

RECOVERY_CODES = 10
RECOVERY_BYTES = 10
ENROLMENT_LIVES = timedelta(days=3)


class EnrolledAlready(Exception):
    """A second authenticator is not slipped in beside the first."""


def authenticator(user: User) -> Authenticator | None:
    """Return the app that this user has proved to hold."""
    found: Authenticator | None = Authenticator.objects.filter(user=user, confirmed=True).first()
    return found


@transaction.atomic
def invite(user: User, *, why: str) -> str:
    """Return a new code with which this user may enrol; the one before is void. Raises EnrolledAlready."""
    User.objects.select_for_update().get(pk=user.pk)
    if authenticator(user):
        raise EnrolledAlready
    code, at = _grouped(secrets.token_bytes(RECOVERY_BYTES)), clock.now()
    ends = at + ENROLMENT_LIVES
    Enrolment.objects.update_or_create(user=user, defaults={"kept": _kept(code), "expires_at": ends})
    _record("staff.enrolment_code_issued", user, why=why)
    return code


def admitted(user: User, code: str) -> str | None:
    """Return what is kept of an enrolment code, for `admits`; None for a wrong or an old one."""
    return kept if admits(user, kept := _kept(code)) else None


def admits(user: User, kept: str) -> bool:
    """Say whether this is kept of the code that this user may enrol with now."""
    found = Enrolment.objects.filter(user=user, expires_at__gt=clock.now()).first()
    return found is not None and secrets.compare_digest(found.kept, kept)


@transaction.atomic
def enrolling(user: User) -> Authenticator:
    """Return the device whose secret the user shall scan; the same one until it is confirmed."""
    User.objects.select_for_update().get(pk=user.pk)
    found: Authenticator | None = Authenticator.objects.filter(user=user, confirmed=False).first()
    return found or Authenticator.objects.create(user=user, name="authenticator", confirmed=False)


@transaction.atomic
def confirm(user: User, code: str) -> tuple[Authenticator, list[str]] | None:
    """Confirm the device with its first code, and return it with the recovery codes; None for a wrong code.

    The codes are shown once. A user who has a confirmed device already cannot add a second one this way.
    """
    User.objects.select_for_update().get(pk=user.pk)
    if authenticator(user):
        return None
    device = Authenticator.objects.filter(user=user, confirmed=False).select_for_update().first()
    if device is None or not device.verify_token(_digits(code)):
        return None
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    Enrolment.objects.filter(user=user).delete()
    _record("staff.second_factor_enrolled", user)
    return device, _recovery_codes(user)


def verify(user: User, code: str) -> Device | None:
    """Return the device that this code proves: the app, or the recovery codes, of which it uses one up.

    Wrong codes make the next try wait 1, 2, 4 ... seconds, by device. A code of the app is good once.
    """
    code = code.strip().lower()
    device: Device | None = authenticator(user)
    if device is None:
        return None
    if _digits(code).isdigit():
        return verify_token(user, device.persistent_id, _digits(code))
    recovery = StaticDevice.objects.filter(user=user, confirmed=True).first()
    return recovery and verify_token(user, recovery.persistent_id, _kept(code))


@transaction.atomic
def forget(user: User, *, why: str) -> int:
    """Remove a user's devices, so that a new enrolment code can be issued; returns how many there were."""
    removed: int = Authenticator.objects.filter(user=user).delete()[0]
    StaticDevice.objects.filter(user=user).delete()
    Enrolment.objects.filter(user=user).delete()
    _record("staff.second_factor_forgotten", user, why=why)
    return removed


def _recovery_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes")
    codes = [_grouped(secrets.token_bytes(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_kept(code)) for code in codes)
    return codes


def _grouped(random: bytes) -> str:
    letters = base64.b32encode(random).decode().lower()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def _kept(code: str) -> str:
    """Return what is kept of a code: 80 bits of its hash, so that who reads the table cannot log in with it."""
    letters = code.replace("-", "").replace(" ", "").lower()
    return base64.b32encode(hashlib.sha256(letters.encode(errors="replace")).digest()).decode()[:16]


def _digits(code: str) -> str:
    return code.replace(" ", "") if code.isascii() else ""


def _record(type: str, user: User, **data: str) -> None:
    name = f"staff:{user.get_username()}"
    history.record(type, subject=name, object=name, at=clock.now(), data=data)
