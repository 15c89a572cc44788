"""Staff at the door of the back office."""

from __future__ import annotations

import time

from django.contrib.auth.models import User
from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.oath import TOTP

from config import second_factor
from config.models import Authenticator


def log_in(client: Client, user: User) -> Client:
    """Log in as if the password and the second factor had been shown."""
    device, _ = Authenticator.objects.get_or_create(user=user, confirmed=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session.save()
    return client


def code_of(device: Authenticator, *, steps: int = 0) -> str:
    """Read what the authenticator shows now, or some steps of 30 seconds later."""
    totp = TOTP(device.bin_key, device.STEP_SECONDS, digits=device.DIGITS)
    totp.time = time.time() + steps * device.STEP_SECONDS
    return f"{totp.token():06}"


def admit(client: Client, user: User) -> Client:
    """Give the enrolment code that the operator issued, as a new member of staff does after the password."""
    client.post("/admin/second-factor", {"enrolment": second_factor.invite(user, why="new")})
    return client
