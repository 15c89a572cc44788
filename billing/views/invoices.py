from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import invoicing
from billing.idempotency import Asking
from billing.invoicing import Wanted
from billing.models import Customer, Invoice, Subscription
from billing.serializers.invoices import (
    InvoiceQuery,
    InvoiceSerializer,
    InvoiceWithLinesSerializer,
    NewInvoice,
    StatusQuery,
)
from billing.views.reach import within
from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.permissions import subject
from config.api.strict import Nothing, insist_on_nothing, sent, valid

# What a list is asked for -> how the rows are found.
FOUND_BY = {
    "status": "status",
    "user_id": "customer__user_id",
    "subscription_id": "subscription_id",
    "period_start": "period_end__gt",
    "period_end": "period_start__lt",
    "created_from": "created_at__gte",
    "created_before": "created_at__lt",
}


class Invoices(Door):
    @extend_schema(parameters=[InvoiceQuery, PageQuery], responses=paged(InvoiceSerializer))
    def get(self, request: Request) -> Response:
        """List invoices, newest first."""
        return Response(page(request, _asked_for(request, InvoiceQuery), InvoiceSerializer))

    @extend_schema(request=NewInvoice, responses={201: InvoiceWithLinesSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Bill now what waits for the next invoice: changes in the middle of a period, and what was added by hand."""
        wanted = sent(NewInvoice, request)
        asking = Asking.of(principal(request).name, idempotency_key(request), wanted)
        invoice, replayed = invoicing.generate(_wanted(**wanted), asking=asking)
        return made(InvoiceWithLinesSerializer(invoice, context=seen_by(request)).data, replayed)


class OneInvoice(Door):
    @extend_schema(responses=InvoiceWithLinesSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show an invoice with its lines."""
        invoice = get_object_or_404(within(request, _invoices().prefetch_related("lines__invoice")), pk=id)
        return Response(InvoiceWithLinesSerializer(invoice, context=seen_by(request)).data)


class VoidInvoice(Door):
    @extend_schema(request=Nothing, responses={200: InvoiceWithLinesSerializer})
    def post(self, request: Request, id: UUID) -> Response:
        """Void an open invoice: nobody owes it any more. Repeated, it changes nothing."""
        insist_on_nothing(request)
        invoice = invoicing.close(get_object_or_404(_invoices(), pk=id), void=True)
        return Response(InvoiceWithLinesSerializer(invoice, context=seen_by(request)).data)


class GiveUpInvoice(Door):
    @extend_schema(request=Nothing, responses={200: InvoiceWithLinesSerializer})
    def post(self, request: Request, id: UUID) -> Response:
        """Mark an open invoice as uncollectible: it is owed, and not expected. Repeated, it changes nothing."""
        insist_on_nothing(request)
        invoice = invoicing.close(get_object_or_404(_invoices(), pk=id), void=False)
        return Response(InvoiceWithLinesSerializer(invoice, context=seen_by(request)).data)


class UserInvoices(Door):
    @extend_schema(parameters=[StatusQuery, PageQuery], responses=paged(InvoiceSerializer))
    def get(self, request: Request, user_id: str) -> Response:
        """List a user's invoices, newest first."""
        rows = _asked_for(request, StatusQuery).filter(customer__user_id=subject(request, user_id))
        return Response(page(request, rows, InvoiceSerializer))


class SubscriptionInvoices(Door):
    @extend_schema(parameters=[StatusQuery, PageQuery], responses=paged(InvoiceSerializer))
    def get(self, request: Request, id: UUID) -> Response:
        """List the invoices of a subscription, newest first."""
        subscription = get_object_or_404(within(request, Subscription.objects.all()), pk=id)
        return Response(
            page(request, _asked_for(request, StatusQuery).filter(subscription=subscription), InvoiceSerializer)
        )


def _invoices() -> QuerySet[Invoice]:
    return Invoice.objects.select_related("customer")


def _asked_for(request: Request, query: type[StatusQuery]) -> QuerySet[Invoice]:
    return _invoices().filter(**{FOUND_BY[name]: said for name, said in valid(query, request).items()})


def _wanted(*, subscription_id: UUID | None = None, user_id: str = "", **period: Any) -> Wanted:
    if subscription_id:
        rows = Subscription.objects.select_related("customer")
        subscription = get_object_or_404(rows, pk=subscription_id)
        return Wanted(subscription.customer, subscription, **period)
    return Wanted(get_object_or_404(Customer, user_id=user_id), **period)
