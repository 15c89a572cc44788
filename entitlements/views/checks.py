from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from config.api.answers import Answer
from config.api.doors import Door
from config.api.permissions import insist, owner
from config.api.strict import sent, valid
from entitlements import access, explain, standpoints
from entitlements.serializers import bulk
from entitlements.serializers.answers import explained, shown
from entitlements.serializers.checks import Question, QuestionQuery
from entitlements.serializers.explained import ExplainedSerializer
from entitlements.views.reach import subject, subjects


class EntitlementCheck(Door):
    @extend_schema(parameters=[QuestionQuery], responses=ExplainedSerializer)
    def get(self, request: Request) -> Answer:
        """Decide whether a user may use a feature. 200 is a decision, also when it is no (EN-03)."""
        return _decide(request, valid(QuestionQuery, request))

    @extend_schema(request=Question, responses=ExplainedSerializer)
    def post(self, request: Request) -> Answer:
        """Decide whether a user may use a feature: the same question as by GET, in a body that no log keeps."""
        return _decide(request, sent(Question, request))


class EntitlementBulkCheck(Door):
    @extend_schema(request=bulk.BulkQuestion, responses=bulk.BulkAnswerSerializer)
    def post(self, request: Request) -> Answer:
        """Decide for up to 100 users x 100 features at once; a user id that cannot be one stops no other."""
        asked = bulk.read(request.data)
        standpoint = standpoints.of(subjects(request, asked.user_ids), at=asked.at)
        known = [standpoint.known[user_id] for user_id in asked.user_ids]
        answers = standpoint.answers([access.Question(each, code) for each in known for code in asked.feature_codes])
        return Answer({"data": [shown(answer) for answer in answers], "errors": asked.errors})


def _decide(request: Request, said: Mapping[str, Any]) -> Answer:
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
        return Answer(explained(explain.answer(question, standpoint)))
    return Answer(shown(standpoint.answers([question])[0]))
