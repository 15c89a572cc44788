"""The page at `/`: what runs here, what is sold for how much, and where to go on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from config import health
from events import clock
from pricing import places, quotes
from pricing.errors import ZonesMissing
from pricing.models import Plan, PlanVersion
from pricing.places import Place
from pricing.quotes import Price

# One country of each zone that has one in the source documents, and two more of zone A.
COUNTRIES = ("US", "DE", "JP", "IN", "ET")
CYCLES = {"monthly": "a month", "yearly": "a year", "one_time": "once, for life"}


@dataclass(frozen=True, slots=True)
class Row:
    """One plan, and its price in each country shown."""

    version: PlanVersion
    cycle: str
    prices: tuple[Price, ...]


def home(request: HttpRequest) -> HttpResponse:
    """Show the page. It answers also while Postgres is away or empty, and says so."""
    parts = json.loads(health.readyz(request).content)["parts"]
    shown = _places() if parts["postgres"] == "ok" else []
    context = {
        "parts": parts,
        "stripe": _stripe(),
        "places": shown,
        "rows": list(_rows(shown)) if shown else [],
        "root": request.build_absolute_uri("/").rstrip("/"),
        "back": request.GET.get("checkout", ""),
    }
    return render(request, "home.html", context)


def _places() -> list[Place]:
    try:
        return [places.find(code) for code in COUNTRIES]
    except ZonesMissing:
        return []


def _rows(shown: Iterable[Place]) -> Iterable[Row]:
    at = clock.now()
    plans = Plan.objects.filter(active=True).prefetch_related("versions", "overrides")
    sold = [(plan, plan.current) for plan in plans]
    for plan, version in sorted(sold, key=lambda pair: (pair[1].amount_minor if pair[1] else 0, pair[0].pk)):
        if version:
            overrides = list(plan.overrides.all())
            prices = tuple(quotes.price_in(place, version, overrides, at=at) for place in shown)
            yield Row(version, CYCLES[version.billing_cycle], prices)


def _stripe() -> dict[str, Any]:
    own = "api.stripe.com" in settings.STRIPE_API_BASE
    mode = "live" if settings.STRIPE_LIVE_MODE else "test mode"
    return {"sandbox": "" if own else settings.STRIPE_API_BASE, "mode": mode if own else "the sandbox, a stand-in"}
