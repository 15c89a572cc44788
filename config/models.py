"""What staff prove themselves with beside a password; recovery codes are django-otp's, kept as hashes."""

from __future__ import annotations

import base64
import time
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import Now
from django_otp.models import Device, ThrottlingMixin, TimestampMixin
from django_otp.oath import TOTP
from django_otp.util import random_hex

from events.ids import uuid7
from vault.fields import EncryptedTextField

SECRET_BYTES = 20


def new_secret() -> str:
    """Make 160 bits, in hexadecimal (RFC 4226, 4 R6)."""
    secret: str = random_hex(SECRET_BYTES)
    return secret


class Authenticator(TimestampMixin, ThrottlingMixin, Device):  # type: ignore[misc]
    """An authenticator app (TOTP, RFC 6238). Its secret is sealed: who reads the table makes no codes.

    Not django-otp's own, which keeps it in plain and shows it in the back office.
    """

    STEP_SECONDS = 30
    DIGITS = 6
    # One step early or late: clocks differ a little (RFC 6238, 5.2).
    TOLERANCE = 1

    # django-otp finds devices by a number; what a value is sealed to must be known before the INSERT.
    row = models.UUIDField(default=uuid7, unique=True, editable=False)
    secret = EncryptedTextField(default=new_secret, bound_to="row")
    last_t = models.BigIntegerField(default=-1, help_text="The step of the last good code: each is good once.")

    @property
    def bin_key(self) -> bytes:
        """Open the secret."""
        return bytes.fromhex(self.secret)

    @property
    def config_url(self) -> str:
        """Give what the QR code says (Key URI Format)."""
        issuer = settings.OTP_TOTP_ISSUER
        asked = {"secret": self.base32, "issuer": issuer, "digits": self.DIGITS, "period": self.STEP_SECONDS}
        return f"otpauth://totp/{quote(f'{issuer}:{self.user.get_username()}')}?{urlencode(asked)}"

    @property
    def base32(self) -> str:
        """Give the secret as a person types it in."""
        return base64.b32encode(self.bin_key).decode()

    def verify_token(self, token: str) -> bool:
        """Say whether this is a code of now that was not used. The caller holds the row's lock."""
        if not self.verify_is_allowed()[0]:
            return False
        totp = TOTP(self.bin_key, self.STEP_SECONDS, digits=self.DIGITS)
        totp.time = time.time()
        if not (token.isascii() and token.isdigit() and totp.verify(int(token), self.TOLERANCE, self.last_t + 1)):
            self.throttle_increment(commit=True)
            return False
        self.last_t = totp.t()
        self.throttle_reset(commit=False)
        self.set_last_used_timestamp(commit=False)
        self.save()
        return True

    def get_throttle_factor(self) -> int:
        """Wait 1, 2, 4 ... seconds after wrong codes."""
        return 1


class Enrolment(models.Model):
    """A code with which one member of staff may enrol an authenticator, once: a password alone must not."""

    user = models.OneToOneField(User, on_delete=models.CASCADE)
    kept = models.CharField(max_length=16, help_text="80 bits of the code's hash.")
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"enrolment of {self.user}"
