"""Start-up checks: what must not go to work as it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from config import environment
from config.api import issuers
from vault import keyring, stops
from vault.errors import BadKey

# Only a dearer card names another price in the same currency.
ZONE_ACTS = {
    **dict.fromkeys(("prepaid", "no_card_country", "other_currency"), ("accept", "flag", "refund_and_cancel")),
    "dearer": ("accept", "flag", "reprice", "refund_and_cancel"),
}
ISSUER_HINT = "JWT_ALGORITHM with JWT_SECRET or AUTH_PUBLIC_KEY, or the issuer's row in JWT_ISSUERS."


@register(Tags.security)
def secrets_are_strong(**_options: Any) -> list[CheckMessage]:
    """Refuse keys that are missing or short: a guessed key is an open door."""
    found: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < 32:
        found.append(Error("SECRET_KEY has fewer than 32 characters.", id="farebox.E001"))
    if not settings.STRIPE_API_KEY:
        found.append(Error("STRIPE_SECRET_KEY is missing.", id="farebox.E005"))
    if not settings.STRIPE_WEBHOOK_SECRET:
        found.append(Error("STRIPE_WEBHOOK_SECRET is missing: no event could be believed.", id="farebox.E006"))
    for name in ("STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET_PREVIOUS"):
        if set(getattr(settings, name)) & set(" ,\"'"):
            found.append(Error(f"{name} has a space, a comma or a quote in it: it is one secret.", id="farebox.E013"))
    if settings.STRIPE_WEBHOOK_SECRET_PREVIOUS == settings.STRIPE_WEBHOOK_SECRET != "":
        found.append(Error("STRIPE_WEBHOOK_SECRET_PREVIOUS is the present one: unset it.", id="farebox.E014"))
    return found


@register(Tags.security)
def issuers_can_be_believed(**_options: Any) -> list[CheckMessage]:
    """Refuse an issuer whose key is missing, short, or of another kind than its algorithm's."""
    try:
        found = issuers.configured()
    except (ValueError, AttributeError) as reason:
        return [Error(f"JWT_ISSUERS cannot be read: {reason}", id="farebox.E011")]
    return [
        Error(f"Tokens of issuer {issuer.name!r} cannot be believed: {wrong}.", hint=ISSUER_HINT, id="farebox.E002")
        for issuer in found
        for wrong in issuer.wrong()
    ]


@register(Tags.security)
def nobody_is_believed_by_name(**_options: Any) -> list[CheckMessage]:
    """Keep 001's bare ids on a developer's machine (requirements.md, ruling 7)."""
    if settings.AUTH_INSECURE_DEV and not settings.DEBUG:
        return [Error("AUTH_INSECURE_DEV is on without DEBUG: anybody would be anybody.", id="farebox.E012")]
    if settings.AUTH_INSECURE_DEV:
        return [Warning("AUTH_INSECURE_DEV IS ON: ANYBODY IS WHOEVER HE SAYS.", id="farebox.W002")]
    return []


@register(Tags.security)
def live_money_is_not_debugged(**_options: Any) -> list[CheckMessage]:
    """Refuse a live Stripe key in DEBUG, or one that is sent elsewhere than to Stripe."""
    found: list[CheckMessage] = []
    if settings.STRIPE_LIVE_MODE and settings.DEBUG:
        found.append(Error("A live Stripe key must not run with DEBUG.", id="farebox.E007"))
    if settings.STRIPE_LIVE_MODE and settings.STRIPE_API_BASE != "https://api.stripe.com":
        found.append(Error("A live Stripe key must go to Stripe: unset STRIPE_API_BASE.", id="farebox.E008"))
    return found


@register()
def zones_are_settled_as_named(**_options: Any) -> list[CheckMessage]:
    """Refuse a policy of claimed countries that nobody could follow."""
    found: list[CheckMessage] = []
    for ground, act in settings.ZONE_POLICY.items():
        if act not in ZONE_ACTS.get(ground, ()):
            found.append(Error(f"ZONE_POLICY: {ground}={act} is not possible.", id="farebox.E024"))
    if settings.ZONE_WITHOUT_CONSENT not in ("keep", "cancel"):
        found.append(Error("ZONE_WITHOUT_CONSENT is keep or cancel.", id="farebox.E025"))
    return found


@register(Tags.security, deploy=True)
def a_proxy_is_seen_through(**_options: Any) -> list[CheckMessage]:
    """Warn when all who come through the proxy would be one: they share what one address may ask in a minute."""
    if settings.BEHIND_TLS and not settings.TRUSTED_PROXY_COUNT:
        words = "BEHIND_TLS without TRUSTED_PROXY_COUNT: all callers without a token share one limit."
        return [Warning(words, hint="Say how many proxies add to X-Forwarded-For, mostly 1.", id="farebox.W003")]
    return []


@register(Tags.security)
def nothing_is_told_to_fail(**_options: Any) -> list[CheckMessage]:
    """Keep the points at which tests stop a process out of production."""
    if stops.plan and settings.ENVIRONMENT == "production":
        return [Error("FAREBOX_FAULTS stops processes on purpose: not in production.", id="farebox.E023")]
    return []


@register(Tags.security)
def sealed_data_has_a_key(**_options: Any) -> list[CheckMessage]:
    """Refuse to start without a key for what is sealed at rest (ruling 34)."""
    try:
        keyring.ring()
    except BadKey as reason:
        return [Error(str(reason), id="farebox.E022")]
    return []


@register(Tags.security)
def metrics_token_is_long(**_options: Any) -> list[CheckMessage]:
    """Refuse a token that can be guessed; none at all leaves /metrics to the proxy."""
    if 0 < len(settings.METRICS_TOKEN) < 32:
        return [Error("METRICS_TOKEN must have 32 letters or more, or be absent.", id="farebox.E021")]
    return []


@register()
def names_are_not_doubled(**_options: Any) -> list[CheckMessage]:
    """Warn of settings that are given under two names."""
    return [
        Warning(f"One setting has several names set: {names}.", hint="Keep the first.", id="farebox.W001")
        for names in environment.doubled(os.environ)
    ]


@register(Tags.database)
def zones_are_there(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Refuse to sell without the default zone, when the database may be asked (`check --database default`)."""
    from pricing.models import Zone

    migrated = databases and Zone._meta.db_table in connection.introspection.table_names()
    if migrated and not Zone.objects.filter(code="A").exists():
        return [Error("There is no zone A.", hint="manage.py seed_zones", id="farebox.E009")]
    return []
