from __future__ import annotations

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import tasks, webhooks
from billing.serializers.webhooks import Received
from config.api.doors import Door
from config.api.parsing import BodyTooLarge
from config.celery import bell

MAX_WEBHOOK_BYTES = 256 * 1024


class StripeWebhook(Door):
    """Stripe's events. The signature is the authentication; nothing is stored before it holds."""

    authentication_classes = ()

    @extend_schema(request={"application/json": dict}, responses=Received)
    def post(self, request: Request) -> Response:
        """Verify, store and answer; the work is done after."""
        raw: HttpRequest = request._request
        if int(raw.META.get("CONTENT_LENGTH") or 0) > MAX_WEBHOOK_BYTES:
            raise BodyTooLarge(MAX_WEBHOOK_BYTES)
        signature = raw.META.get("HTTP_STRIPE_SIGNATURE", "")
        news = webhooks.receive(raw.body, signature)
        if news and news.looks_at:
            bell.gather(tasks.look_at_news)
        return Response({"received": True, "duplicate": news is None})
