from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api.permissions import insist, owner
from config.api.strict import valid
from entitlements import access, explain, standpoints
from entitlements.serializers.answers import explained, shown
from entitlements.serializers.bulk import BulkAnswerSerializer, BulkQuestion, sorted_out
from entitlements.serializers.checks import Question, QuestionQuery
from entitlements.serializers.explained import ExplainedSerializer
from entitlements.views.reach import subject


class EntitlementCheck(APIView):
    @extend_schema(parameters=[QuestionQuery], responses=ExplainedSerializer)
    def get(self, request: Request) -> Response:
        """Decide whether a user may use a feature. 200 is a decision, also when it is no (EN-03)."""
        return _decide(request, valid(QuestionQuery, request))

    @extend_schema(request=Question, responses=ExplainedSerializer)
    def post(self, request: Request) -> Response:
        """Decide whether a user may use a feature: the same question as by GET, in a body that no log keeps."""
        question = Question(data=request.data)
        question.is_valid(raise_exception=True)
        return _decide(request, question.validated_data)


class EntitlementBulkCheck(APIView):
    @extend_schema(request=BulkQuestion, responses=BulkAnswerSerializer)
    def post(self, request: Request) -> Response:
        """Decide for up to 100 users x 100 features at once; a user id that cannot be one stops no other."""
        asked = BulkQuestion(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        user_ids, errors = sorted_out(said["user_ids"])
        users = [subject(request, user_id) for user_id in user_ids]
        standpoint = standpoints.of(users, at=said.get("at"))
        codes = dict.fromkeys(said["feature_codes"])
        answers = standpoint.answers(
            [access.Question(standpoint.known[user], code) for user in users for code in codes]
        )
        return Response({"data": [shown(answer) for answer in answers], "errors": errors})


def _decide(request: Request, said: Mapping[str, Any]) -> Response:
    user_id = said.get("user_id") or owner(request)
    if user_id is None:
        raise ValidationError({"user_id": "Say which user is meant: the token is a service's or of staff."})
    if said["explain"]:
        insist(request, "explain an answer")
    standpoint = standpoints.of([subject(request, user_id)], at=said.get("at"))
    question = access.Question(
        standpoint.known[user_id], said["feature_code"], said["requested"], family_id=said.get("family_id")
    )
    if said["explain"]:
        return Response(explained(explain.answer(question, standpoint)))
    return Response(shown(standpoint.answers([question])[0]))
