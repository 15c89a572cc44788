"""What must not go to work as it is, does not."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings
from django.core import checks

LONG = "x" * 32


def found(**asked: Any) -> set[str]:
    return {str(message.id) for message in checks.run_checks(tags=["security"], include_deployment_checks=False)}


@pytest.mark.parametrize(
    ("name", "value", "id"),
    [
        ("SECRET_KEY", "short", "farebox.E001"),
        ("JWT_SECRET", "short", "farebox.E002"),
        ("JWT_SECRET", "", "farebox.E002"),
        ("JWT_ALGORITHM", "RS256", "farebox.E002"),
        ("JWT_ALGORITHM", "none", "farebox.E002"),
        ("STRIPE_API_KEY", "", "farebox.E005"),
        ("STRIPE_WEBHOOK_SECRET", "", "farebox.E006"),
        ("METRICS_TOKEN", "short", "farebox.E021"),
        ("ENCRYPTION_KEY", "short", "farebox.E022"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_a,whsec_b", "farebox.E013"),
        ("STRIPE_WEBHOOK_SECRET_PREVIOUS", "'whsec_a'", "farebox.E013"),
        ("HISTORY_SIGNING_KEY", "short", "farebox.E020"),
        ("HISTORY_PUBLIC_KEYS", ["ab" * 31], "farebox.E020"),
    ],
)
def test_a_weak_or_missing_key_is_refused_at_boot(settings: LazySettings, name: str, value: str, id: str) -> None:
    """SE-02, DE-05: no server starts with it."""
    settings.SECRET_KEY = settings.JWT_SECRET = LONG
    settings.HISTORY_SIGNING_KEY = "5e" * 32
    assert id not in found()

    setattr(settings, name, value)

    assert id in found()


def test_live_money_is_not_debugged_and_goes_to_stripe_alone(settings: LazySettings) -> None:
    """A live key in DEBUG, or sent to a stand-in, is a mistake."""
    settings.STRIPE_LIVE_MODE, settings.DEBUG, settings.STRIPE_API_BASE = True, True, "http://127.0.0.1:1"

    assert {"farebox.E007", "farebox.E008"} <= found()


@pytest.mark.parametrize(("behind", "proxies", "warned"), [(True, 0, True), (True, 1, False), (False, 0, False)])
def test_a_proxy_that_hides_all_callers_is_told_of(
    settings: LazySettings, behind: bool, proxies: int, warned: bool
) -> None:
    """Behind it all callers without a token would share the limit of one address."""
    settings.BEHIND_TLS, settings.TRUSTED_PROXY_COUNT = behind, proxies

    found = {message.id for message in checks.run_checks(tags=["security"], include_deployment_checks=True)}

    assert ("farebox.W003" in found) is warned
