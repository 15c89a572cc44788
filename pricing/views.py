from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.authentication import Role, principal
from config.api.doors import Door
from config.api.idempotency import IDEMPOTENCY_KEY, idempotency_key, made
from config.api.pagination import PageQuery, page, paged
from config.api.reasons import CHANGE_REASON, change_reason
from config.api.strict import sent, valid
from events import clock, context
from pricing import imports, places, quotes, zones
from pricing.models import Country, Feature, Plan, PlanFeature, PlanVersion
from pricing.serializers import FeatureSerializer, PlanQuery, PlanSerializer, QuoteRequestSerializer, QuoteSerializer
from pricing.zone_serializers import (
    BulkRequestSerializer,
    BulkSerializer,
    PricingZoneQuery,
    PricingZoneRequestSerializer,
    PricingZoneSerializer,
)


def _plans() -> QuerySet[Plan]:
    included = Prefetch("versions__features", PlanFeature.objects.select_related("feature"))
    return Plan.objects.prefetch_related("versions", included, "overrides")


class Plans(Door):
    @extend_schema(parameters=[PlanQuery, PageQuery], responses=paged(PlanSerializer))
    def get(self, request: Request) -> Response:
        """List the plans on sale, each with its price in a country and the reasons of that price."""
        valid(PlanQuery, request)
        published = PlanVersion.objects.filter(plan=OuterRef("pk"), published_at__isnull=False)
        return Response(page(request, _plans().filter(Exists(published), active=True), PlanSerializer))


class OnePlan(Door):
    @extend_schema(parameters=[PlanQuery], responses=PlanSerializer)
    def get(self, request: Request, plan_id: str) -> Response:
        """Show one plan with its price in a country, also when it is no longer sold."""
        valid(PlanQuery, request)
        plan = get_object_or_404(_plans(), pk=plan_id)
        return Response(PlanSerializer(plan, context={"request": request}).data)


class Features(Door):
    @extend_schema(parameters=[PageQuery], responses=paged(FeatureSerializer))
    def get(self, request: Request) -> Response:
        """List the features that access can be asked for."""
        return Response(page(request, Feature.objects.all(), FeatureSerializer, key="code", rising=True))


class Quotes(Door):
    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=QuoteRequestSerializer, responses={201: QuoteSerializer})
    def post(self, request: Request) -> Response:
        """Freeze the price of a plan in a country for 30 minutes."""
        asked = sent(QuoteRequestSerializer, request)
        asking = principal(request)
        quote, was_there = quotes.ask(
            asked["plan_id"],
            asked["country_code"],
            user_id=asking.user_id if asking.role is Role.USER else None,
            principal=asking.name,
            key=idempotency_key(request),
            at=clock.now(),
        )
        return made(QuoteSerializer(quote).data, was_there)


class PricingZones(Door):
    @extend_schema(parameters=[PricingZoneQuery, PageQuery], responses=paged(PricingZoneSerializer))
    def get(self, request: Request) -> Response:
        """List countries and their zones: all, those of a zone, or the one of that name."""
        asked = valid(PricingZoneQuery, request)
        rows = Country.objects.select_related("zone")
        if zone := asked.get("zone"):
            rows = rows.filter(zone=zone)
        if name := asked.get("country"):
            rows = rows.filter(name__iexact=name)
        return Response(page(request, rows, PricingZoneSerializer, key="iso_code", rising=True))


class OnePricingZone(Door):
    @extend_schema(responses=PricingZoneSerializer)
    def get(self, request: Request, iso_code: str) -> Response:
        """Show a country and its zone."""
        return Response(PricingZoneSerializer(_country(iso_code)).data)

    @extend_schema(
        parameters=[CHANGE_REASON],
        request=PricingZoneRequestSerializer,
        responses={200: PricingZoneSerializer, 201: PricingZoneSerializer},
    )
    def put(self, request: Request, iso_code: str) -> Response:
        """Add or change a country. Running subscriptions and open quotes keep their price."""
        code = places.normalise(iso_code)
        said = sent(PricingZoneRequestSerializer, request)
        with context.explained(change_reason(request)):
            outcome = zones.upsert_said([{**said, "iso_code": code}], at=clock.now())
        added = bool(outcome.keys("added"))
        return Response(PricingZoneSerializer(_country(code)).data, status=201 if added else 200)

    @extend_schema(parameters=[CHANGE_REASON], responses={204: None})
    def delete(self, request: Request, iso_code: str) -> Response:
        """Take a country out of its zone: it is unknown then, and pays as zone A."""
        with context.explained(change_reason(request)):
            zones.remove(_country(iso_code).iso_code, at=clock.now())
        return Response(status=204)


class PricingZonesBulk(Door):
    @extend_schema(parameters=[IDEMPOTENCY_KEY, CHANGE_REASON], request=BulkRequestSerializer, responses=BulkSerializer)
    def post(self, request: Request) -> Response:
        """Add or change up to 300 countries, all or none; `dry_run` shows what would happen."""
        asked = sent(BulkRequestSerializer, request)
        with context.explained(change_reason(request)):
            answer, was_there = imports.upsert_once(
                asked["rows"],
                dry_run=asked["dry_run"],
                principal=principal(request).name,
                key=idempotency_key(request),
                shape=partial(_shape, dry_run=asked["dry_run"]),
                at=clock.now(),
            )
        return made(answer, was_there, status=200)


def _country(iso_code: str) -> Country:
    return get_object_or_404(Country.objects.select_related("zone"), iso_code=places.normalise(iso_code))


def _shape(outcome: zones.Outcome, *, dry_run: bool) -> dict[str, Any]:
    kinds = {kind: outcome.keys(kind) for kind in ("added", "changed", "unchanged")}
    answer = {**kinds, "changes": outcome.changes, "open_quotes": outcome.open_quotes, "dry_run": dry_run}
    return dict(BulkSerializer(answer).data)
