from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from config.api import fields
from entitlements.serializers.checks import DecisionSerializer, MomentQuery

MOST = 100
USER_ID = fields.Text(max_length=255)


class BulkQuestion(MomentQuery):
    """May each of these users use each of these features at this moment?"""

    user_ids = serializers.ListField(
        child=serializers.JSONField(allow_null=True),
        min_length=1,
        max_length=MOST,
        help_text="Texts to 255 characters. What is none is told of in errors, and stops no other.",
    )
    feature_codes = serializers.ListField(child=fields.Text(max_length=100), min_length=1, max_length=MOST)


class BulkErrorSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Which of user_ids, from 0.")
    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class BulkAnswerSerializer(serializers.Serializer[Any]):
    """One decision for each user and feature, in the order of the question, each pair once."""

    data = DecisionSerializer(many=True)  # type: ignore[assignment]
    errors = BulkErrorSerializer(many=True)  # type: ignore[assignment]


def sorted_out(said: list[Any]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the user ids, each once, and an error for each that cannot be one."""
    users, errors = [], []
    for index, each in enumerate(said):
        try:
            users.append(str(USER_ID.run_validation(each)))
        except ValidationError as error:
            detail: Any = error.detail
            errors.append(
                {"index": index, "pointer": f"#/user_ids/{index}", "code": detail[0].code, "detail": str(detail[0])}
            )
    return list(dict.fromkeys(users)), errors
