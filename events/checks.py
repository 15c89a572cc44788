"""Start-up checks of history."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from events import keys


@register(Tags.security)
def history_can_be_sealed(**_options: Any) -> list[CheckMessage]:
    """Refuse a key that is none."""
    try:
        keys.trusted()
    except keys.NoSigningKey as reason:
        return [Error(str(reason), hint="openssl rand -hex 32", id="farebox.E020")]
    return []


@register(Tags.security, deploy=True)
def history_is_sealed_somewhere(**_options: Any) -> list[CheckMessage]:
    """Warn when no key is here: only where the worker has one is history sealed."""
    if settings.HISTORY_SIGNING_KEY:
        return []
    return [Warning("HISTORY_SIGNING_KEY is missing: a worker with it must seal history.", id="farebox.W020")]
