from __future__ import annotations

from typing import Any

from django.core.cache import cache
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class QuestionSerializer(serializers.Serializer[Any]):
    user_id = serializers.CharField(max_length=255)
    feature_code = serializers.SlugField(max_length=100)


class DecisionSerializer(serializers.Serializer[Any]):
    allowed = serializers.BooleanField()
    reason_code = serializers.CharField()
    user_id = serializers.CharField()
    feature_code = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    as_of = serializers.DateTimeField()


class Check(APIView):
    def get(self, request: Request) -> Response:
        """Decide by what the cache holds of the user."""
        question = QuestionSerializer(data=request.query_params)
        question.is_valid(raise_exception=True)
        asked = question.validated_data
        grants = cache.get(f"entitlements:{asked['user_id']}") or {}
        grant, now = grants.get(asked["feature_code"]), timezone.now()
        expires_at = parse_datetime(grant["expires_at"]) if grant else None
        allowed = expires_at is not None and expires_at > now
        decision = {
            **asked,
            "allowed": allowed,
            "reason_code": "granted" if allowed else "no_entitlement",
            "limit": grant["limit"] if grant else None,
            "expires_at": expires_at,
            "as_of": now,
        }
        return Response(DecisionSerializer(decision).data)
