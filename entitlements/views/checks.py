from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import DateTimeField, Value
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api.pagination import PageQuery, page
from config.api.permissions import owner, subject
from config.api.strict import valid
from entitlements import access, snapshot
from entitlements.facts import Facts
from entitlements.models import Entitlement
from entitlements.serializers.checks import (
    DecisionSerializer,
    EntitlementSerializer,
    EntitlementsPage,
    ListQuery,
    Question,
    QuestionQuery,
)
from events import clock


class EntitlementCheck(APIView):
    @extend_schema(parameters=[QuestionQuery], responses=DecisionSerializer)
    def get(self, request: Request) -> Response:
        """Decide whether a user may use a feature. 200 is a decision, also when it is no (EN-03)."""
        return _decide(request, valid(QuestionQuery, request))

    @extend_schema(request=Question, responses=DecisionSerializer)
    def post(self, request: Request) -> Response:
        """Decide whether a user may use a feature: the same question as by GET, in a body that no log keeps."""
        question = Question(data=request.data)
        question.is_valid(raise_exception=True)
        return _decide(request, question.validated_data)


class UserEntitlements(APIView):
    @extend_schema(parameters=[ListQuery, PageQuery], responses=EntitlementsPage)
    def get(self, request: Request, user_id: str) -> Response:
        """List every grant of a user, newest first, and what they give together (EN-04)."""
        asked = valid(ListQuery, request)
        at = _moment(asked)
        wanted = {"status": asked["status"]} if "status" in asked else {}
        rows = Entitlement.objects.filter(user_id=subject(request, user_id), **wanted).select_related("version")
        rows = rows.annotate(as_of=Value(at, DateTimeField()))
        features = DecisionSerializer(access.effective(user_id, at=at, known=_known(user_id, asked)), many=True).data
        return Response({**page(request, rows, EntitlementSerializer), "features": features})


def _decide(request: Request, said: Mapping[str, Any]) -> Response:
    user_id = said.get("user_id") or owner(request)
    if user_id is None:
        raise ValidationError({"user_id": "Name the user: the token is nobody's who could be granted anything."})
    known = _known(subject(request, user_id), said)
    decision = access.check(user_id, said["feature_code"], at=_moment(said), requested=said["requested"], known=known)
    return Response(DecisionSerializer(decision).data)


def _moment(asked: Mapping[str, Any]) -> datetime:
    return asked.get("at") or clock.near()


def _known(user_id: str, asked: Mapping[str, Any]) -> Facts | None:
    """Return what is kept near for a question of now; None lets another moment be read."""
    return None if asked.get("at") else snapshot.current(user_id)
