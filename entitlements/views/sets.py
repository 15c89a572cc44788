from __future__ import annotations

from typing import Any

from django.db.models import DateTimeField, Value
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import etags
from config.api.doors import Door
from config.api.pagination import PageQuery, page
from config.api.permissions import may
from config.api.strict import valid
from entitlements import access, spans, standpoints
from entitlements.models import Entitlement
from entitlements.serializers.answers import lasting, shown, with_effect
from entitlements.serializers.checks import EntitlementSerializer, EntitlementsPage, ListQuery
from entitlements.views.reach import subject


class UserEntitlements(Door):
    @extend_schema(parameters=[ListQuery, PageQuery, etags.IF_NONE_MATCH], responses={200: EntitlementsPage, 304: None})
    def get(self, request: Request, user_id: str) -> Response:
        """List every grant of a user, newest first, and what they give together (EN-04)."""
        asked, asked_page = valid(ListQuery, request), valid(PageQuery, request)
        standpoint = standpoints.of([subject(request, user_id)], at=asked.get("at"))
        known = standpoint.known[user_id]
        decisions = standpoint.answers(access.everything(known))
        grants = [grant for each in known.grants.values() for grant in each]
        giving = {grant.id for grant in grants if spans.barred(grant, standpoint.at) is None}
        headers = {}
        # The version was read before the rows: a change between them makes a tag that is too old, never one too new.
        if not standpoint.is_past:
            asking = (asked.get("status"), asked_page, may(request, "see in full"))
            tag = etags.of(known.version, known.catalog, [*map(lasting, decisions)], sorted(giving), *asking)
            if etags.matches(request, tag):
                return etags.not_modified(tag)
            headers = {"ETag": tag}
        wanted = {"status": asked["status"]} if "status" in asked else {}
        rows = Entitlement.objects.filter(user_id=user_id, **wanted).select_related("version")
        rows = rows.annotate(as_of=Value(standpoint.at, DateTimeField()))
        body: dict[str, Any] = page(request, rows, EntitlementSerializer)
        body["data"] = with_effect(body["data"], giving)
        return Response({**body, "features": [shown(each) for each in decisions]}, headers=headers)
