from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import customers
from billing.idempotency import Asking
from billing.models import Customer
from billing.serializers.customers import CustomerQuery, CustomerSaid, CustomerSerializer, NewCustomer
from config.api.authentication import principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.masking import seen_by
from config.api.pagination import PageQuery, page, paged
from config.api.permissions import owner, subject
from config.api.strict import sent, valid


class Customers(Door):
    @extend_schema(parameters=[CustomerQuery, PageQuery], responses=paged(CustomerSerializer))
    def get(self, request: Request) -> Response:
        """List customers, newest first; by an e-mail address only the whole of it finds."""
        asked = valid(CustomerQuery, request)
        rows = _customers()
        if "email" in asked:
            rows = rows.filter(pk__in=customers.with_email(asked["email"]))
        if "user_id" in asked:
            rows = rows.filter(user_id=asked["user_id"])
        if "country" in asked:
            rows = rows.filter(country=asked["country"].upper())
        return Response(page(request, rows, CustomerSerializer))

    @extend_schema(request=NewCustomer, responses={201: CustomerSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request) -> Response:
        """Make the customer of a user before he buys. Without it his first purchase does."""
        said = sent(NewCustomer, request)
        asking = Asking.of(principal(request).name, idempotency_key(request), said)
        user_id = subject(request, said.pop("user_id", principal(request).user_id))
        customer, replayed = customers.create(user_id, said, asking=asking)
        return made(CustomerSerializer(customer, context=seen_by(request)).data, replayed)


class OneCustomer(Door):
    @extend_schema(responses=CustomerSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Show a customer."""
        return Response(CustomerSerializer(self._find(request, id), context=seen_by(request)).data)

    @extend_schema(request=CustomerSaid, responses=CustomerSerializer)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change e-mail address, name or country, here and at Stripe."""
        customer = self._find(request, id)
        body = sent(CustomerSaid, request)
        customer = customers.update(customer, body)
        return Response(CustomerSerializer(customer, context=seen_by(request)).data)

    @staticmethod
    def _find(request: Request, id: UUID) -> Customer:
        user_id = owner(request)
        rows = _customers() if user_id is None else _customers().filter(user_id=user_id)
        customer: Customer = get_object_or_404(rows, pk=id)
        return customer


def _customers() -> QuerySet[Customer]:
    return Customer.objects.prefetch_related("stripe_customers")
