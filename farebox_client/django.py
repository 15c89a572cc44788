"""In Django: the client of the settings, and a guard for views.

FAREBOX = {"base_url": "https://...", "token": "fbk_...", "fail_policy": {"export": "open"}} are the arguments of
`Farebox`; "user_id" may be a callable that gives the user's id in Farebox for a request, the primary key by default.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from farebox_client.answers import Decision
from farebox_client.client import Farebox

View = TypeVar("View", bound=Callable[..., Any])


@functools.cache
def client() -> Farebox:
    """Return the client of the settings, one for the process."""
    return Farebox(**{name: value for name, value in _settings().items() if name != "user_id"})


def decided(request: HttpRequest, feature_code: str) -> Decision:
    """Decide for the request's user. Whoever is not signed in is nobody, and nobody was ever granted anything."""
    user_id = _user_id(request)
    return client().check(user_id, feature_code) if user_id else Decision("", feature_code, False, "no_entitlement")


def requires_feature(feature_code: str) -> Callable[[View], View]:
    """Guard a view: who may not use the feature gets Django's 403."""

    def guard(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            decision = decided(request, feature_code)
            if not decision.allowed:
                raise PermissionDenied(decision.reason_code)
            return view(request, *args, **kwargs)

        return guarded  # type: ignore[return-value]

    return guard


def _settings() -> Mapping[str, Any]:
    said: Mapping[str, Any] = settings.FAREBOX  # type: ignore[misc]
    return said


def _user_id(request: HttpRequest) -> str | None:
    named: Callable[[HttpRequest], str | None] | None = _settings().get("user_id")
    if named is not None:
        return named(request)
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None
