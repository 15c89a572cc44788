"""What waits for a person, on the first page of the back office."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from billing.models import Dispute, Finding, RefundApproval, Subscription, WebhookEvent, ZoneCheck

Waits = tuple[str, QuerySet[Any], str]
WAITING: tuple[Waits, ...] = (
    ("refunds to approve", RefundApproval.objects.filter(status="waiting"), "status__exact=waiting"),
    ("zone checks to decide", ZoneCheck.objects.filter(status="flagged"), "status__exact=flagged"),
    ("disputes to answer", Dispute.objects.filter(status="needs_response"), "status__exact=needs_response"),
    ("open findings", Finding.objects.filter(closed_at=None), "closed_at__isempty=1"),
    ("dead webhook events", WebhookEvent.objects.filter(status="dead"), "status__exact=dead"),
    (
        "duplicate subscriptions",
        Subscription.objects.filter(duplicate=True, status__in=Subscription.LIVE),
        "duplicate__exact=1",
    ),
)


def dashboard(request: HttpRequest, shown: dict[str, Any]) -> dict[str, Any]:
    """Count what waits, each with a link to the rows; what one may not look at is left out."""
    return {**shown, "waiting": [found for each in WAITING if (found := _counted(request, each))]}


def _counted(request: HttpRequest, each: Waits) -> dict[str, Any] | None:
    words, rows, filtered = each
    meta = rows.model._meta
    if not request.user.has_perm(f"{meta.app_label}.view_{meta.model_name}") or not (many := rows.count()):
        return None
    page = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return {"count": many, "words": words, "page": f"{page}?{filtered}"}
