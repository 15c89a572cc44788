"""The doors for every OpenFeature SDK: OFREP 0.3.0, with its own bodies of errors."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import etags
from config.api.doors import Door
from config.api.permissions import owner
from config.api.strict import BadParameter, sent
from entitlements import access, standpoints
from entitlements.errors import TargetingKeyMissing
from entitlements.reasons import ReasonCode
from entitlements.serializers.ofrep import (
    HINTS,
    EvaluationRequest,
    EvaluationSerializer,
    EvaluationsSerializer,
    FailureSerializer,
)
from entitlements.views.reach import subject


class Evaluation(Door):
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
        user_id = _targeted(request)
        standpoint = standpoints.of([user_id], at=None)
        decision = standpoint.answers([access.Question(standpoint.known[user_id], key)])[0]
        if decision.reason_code is ReasonCode.FEATURE_UNKNOWN:
            raise Http404
        return Response(EvaluationSerializer(decision).data)


class EvaluateFlags(Evaluation):
    @extend_schema(
        parameters=[*HINTS, etags.IF_NONE_MATCH],
        request=EvaluationRequest,
        responses={200: EvaluationsSerializer, 304: None},
    )
    def post(self, request: Request) -> Response:
        """Evaluate every flag for the user of the context; 304 when nothing has changed since the ETag's answer."""
        user_id = _targeted(request)
        standpoint = standpoints.of([user_id], at=None)
        decisions = standpoint.answers(access.every_feature(standpoint.known[user_id]))
        flags = EvaluationSerializer(decisions, many=True).data
        tag = etags.of(user_id, flags)
        # A provider that was told of a change names its tag: what it has is older, whatever its own tag says.
        if request.query_params.get("flagConfigEtag") in (None, tag) and etags.matches(request, tag):
            return etags.not_modified(tag)
        return Response({"flags": flags}, headers={"ETag": tag})


def _targeted(request: Request) -> str:
    """Return the user of the context. Raises ParseError, ValidationError, TargetingKeyMissing, and Http404."""
    if not isinstance(request.data, Mapping):
        raise ParseError("The body must be an object.")
    asked = sent(EvaluationRequest, request)
    user_id = asked.get("context", {}).get("targetingKey") or owner(request)
    if user_id is None:
        raise TargetingKeyMissing
    return subject(request, user_id)
