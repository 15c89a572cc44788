"""The short way of holding an event against its signature believes nothing that Stripe's library does not."""

from __future__ import annotations

import hashlib
import hmac
import time

import pytest
from django.conf import LazySettings

from billing import gateway

SECRET, BODY = "whsec_test", b'{"id": "evt_1", "padding": "\xc3\xa4"}'


def digest(stamp: str, body: bytes = BODY, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def header(age: int = 0, body: bytes = BODY, secret: str = SECRET, form: str = "t={t},v1={v1}") -> str:
    stamp = str(int(time.time()) - age)
    return form.format(t=stamp, v1=digest(stamp, body, secret), v0="0" * 64)


@pytest.fixture(autouse=True)
def secret(settings: LazySettings) -> None:
    settings.STRIPE_WEBHOOK_SECRET = SECRET
    settings.STRIPE_WEBHOOK_SECRET_PREVIOUS = ""


@pytest.mark.parametrize("form", ["t={t},v1={v1}", "t={t},v1={v1},v0={v0}"])
def test_what_stripe_writes_is_believed_on_the_short_way(form: str) -> None:
    """With and without the scheme of Stripe's test mode."""
    assert gateway._holds(BODY, header(form=form))
    assert gateway._flaw(BODY, header(form=form), SECRET) == ""


ODD = {
    "old": (BODY, lambda: header(age=gateway.SIGNATURE_TOLERANCE_SECONDS + 2)),
    "another secret": (BODY, lambda: header(secret="whsec_other")),
    "another body": (BODY + b" ", header),
    "not UTF-8": (b"\xff", lambda: header(body=b"\xff")),
    "none": (BODY, str),
    "no time": (BODY, lambda: header(form="v1={v1}")),
    "no digest": (BODY, lambda: header(form="t={t}")),
    "another scheme": (BODY, lambda: header(form="t={t},v0={v1}")),
    "a zero before": (BODY, lambda: header(form="t=0{t},v1={v1}")),
    "two times": (BODY, lambda: header(form="t={t},t=1,v1={v1}")),
    "other digits": (BODY, lambda: header().translate({48 + n: 0x660 + n for n in range(10)})),
    "a line after": (BODY, lambda: header() + "\n"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_left_to_the_library(name: str) -> None:
    """Which may believe it or not: the short way does not."""
    body, made = ODD[name]

    assert not gateway._holds(body, made())


def test_without_a_secret_nothing_holds(settings: LazySettings) -> None:
    """An empty key signs, too."""
    settings.STRIPE_WEBHOOK_SECRET = ""

    assert not gateway._holds(BODY, header(secret=""))
