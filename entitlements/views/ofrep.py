"""The doors for every OpenFeature SDK: OFREP 0.3.0, with its own bodies of errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.http import Http404
from django.utils.http import parse_etags
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api.permissions import owner, subject
from config.api.strict import BadParameter
from entitlements import access
from entitlements.errors import TargetingKeyMissing
from entitlements.reasons import ReasonCode
from entitlements.serializers.ofrep import (
    HINTS,
    IF_NONE_MATCH,
    EvaluationRequest,
    EvaluationSerializer,
    EvaluationsSerializer,
    FailureSerializer,
)
from events import clock


class Evaluation(APIView):
    failure = FailureSerializer

    def rephrased(self, problem: Response, error: Exception) -> Response:
        """Say a problem as the protocol does; status and headers stay."""
        details = problem.data["detail"]
        if errors := problem.data.get("errors"):
            details = "; ".join(str(one["detail"]) for one in errors)
        key = {"key": self.kwargs["key"]} if "key" in self.kwargs else {}
        problem.data = {**key, "errorCode": self._code(problem, error), "errorDetails": details}
        problem.content_type = None
        return problem

    def _code(self, problem: Response, error: Exception) -> str:
        if isinstance(error, TargetingKeyMissing):
            return "TARGETING_KEY_MISSING"
        if isinstance(error, ParseError):
            return "PARSE_ERROR"
        if isinstance(error, ValidationError) and not isinstance(error, BadParameter):
            return "INVALID_CONTEXT"
        if problem.status_code == 404:
            return "FLAG_NOT_FOUND" if "key" in self.kwargs else "INVALID_CONTEXT"
        return "GENERAL"


class EvaluateFlag(Evaluation):
    @extend_schema(parameters=HINTS, request=EvaluationRequest, responses=EvaluationSerializer)
    def post(self, request: Request, key: str) -> Response:
        """Evaluate one flag: decide whether the user of the context may use the feature, or with which value."""
        decision = access.check(_targeted(request), key, at=clock.now())
        if decision.reason_code is ReasonCode.FEATURE_UNKNOWN:
            raise Http404
        return Response(EvaluationSerializer(decision).data)


class EvaluateFlags(Evaluation):
    @extend_schema(
        parameters=[*HINTS, IF_NONE_MATCH],
        request=EvaluationRequest,
        responses={200: EvaluationsSerializer, 304: None},
    )
    def post(self, request: Request) -> Response:
        """Evaluate every flag for the user of the context; 304 when nothing has changed since the ETag's answer."""
        user_id = _targeted(request)
        flags = EvaluationSerializer(access.of_every_feature(user_id, at=clock.now()), many=True).data
        etag = _etag(user_id, flags)
        if _has(request, etag):
            return Response(status=304, headers={"ETag": etag})
        return Response({"flags": flags}, headers={"ETag": etag})


def _targeted(request: Request) -> str:
    """Return the user of the context. Raises ParseError, ValidationError, TargetingKeyMissing, and Http404."""
    if not isinstance(request.data, Mapping):
        raise ParseError("The body must be an object.")
    asked = EvaluationRequest(data=request.data)
    asked.is_valid(raise_exception=True)
    user_id = asked.validated_data.get("context", {}).get("targetingKey") or owner(request)
    if user_id is None:
        raise TargetingKeyMissing
    return subject(request, user_id)


def _etag(user_id: str, flags: Any) -> str:
    said = json.dumps([user_id, flags], sort_keys=True).encode()
    return f'"{hashlib.sha256(said).hexdigest()[:32]}"'


def _has(request: Request, etag: str) -> bool:
    known = parse_etags(request.headers.get("If-None-Match", ""))
    hint = request.query_params.get("flagConfigEtag")
    return hint in (None, etag) and not {etag, f"W/{etag}"}.isdisjoint(known)
