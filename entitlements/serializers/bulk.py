from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from config.api import fields
from entitlements.serializers.checks import DecisionSerializer, MomentQuery

MOST = 100
LONGEST = {"user_ids": 255, "feature_codes": 100}
USER_ID = fields.Text(max_length=LONGEST["user_ids"])


class BulkQuestion(MomentQuery):
    """May each of these users use each of these features at this moment?"""

    user_ids = serializers.ListField(
        child=serializers.JSONField(allow_null=True),
        min_length=1,
        max_length=MOST,
        help_text="Texts to 255 characters. What is none is told of in errors, and stops no other.",
    )
    feature_codes = serializers.ListField(
        child=fields.Text(max_length=LONGEST["feature_codes"]), min_length=1, max_length=MOST
    )


class BulkErrorSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Which of user_ids, from 0.")
    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class BulkAnswerSerializer(serializers.Serializer[Any]):
    """One decision for each user and feature, in the order of the question, each pair once."""

    data = DecisionSerializer(many=True)  # type: ignore[assignment]
    errors = BulkErrorSerializer(many=True)  # type: ignore[assignment]


class Asked(NamedTuple):
    """What a body asks: users and features once each, and an error for each user id that cannot be one."""

    user_ids: list[str]
    feature_codes: list[str]
    errors: list[dict[str, Any]]
    at: datetime | None


def read(body: Any) -> Asked:
    """Read a body that the parser has let through. Raises ValidationError."""
    if _is_plain(body):
        return Asked(_once(body["user_ids"]), _once(body["feature_codes"]), [], None)
    asked = BulkQuestion(data=body)
    asked.is_valid(raise_exception=True)
    said = asked.validated_data
    users, errors = _sorted_out(said["user_ids"])
    return Asked(_once(users), _once(said["feature_codes"]), errors, said.get("at"))


def _is_plain(body: Any) -> bool:
    """Say whether it is in no way unusual: the serializer costs ten times what looking does."""
    return (
        isinstance(body, dict)
        and body.keys() == LONGEST.keys()
        and all(_are_texts(body[name], longest) for name, longest in LONGEST.items())
    )


def _are_texts(said: Any, longest: int) -> bool:
    if type(said) is not list or not 0 < len(said) <= MOST:
        return False
    return all(type(each) is str and 0 < len(each) <= longest for each in said)


def _once(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _sorted_out(said: list[Any]) -> tuple[list[str], list[dict[str, Any]]]:
    users, errors = [], []
    for index, each in enumerate(said):
        try:
            users.append(str(USER_ID.run_validation(each)))
        except ValidationError as error:
            detail: Any = error.detail
            errors.append(
                {"index": index, "pointer": f"#/user_ids/{index}", "code": detail[0].code, "detail": str(detail[0])}
            )
    return users, errors
