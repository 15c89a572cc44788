"""Lists are pages: `{data, has_more, next_cursor}`, and `total` where an offset is asked for."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db.models import Model, QuerySet
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from config.api import fields
from config.api.strict import BadParameter, Strict, valid

MAX_LIMIT = 100


class PageQuery(Strict):
    """What a list takes: `limit`, and either `starting_after` (an id of the page before) or `offset`."""

    limit = fields.Integer(text=True, min_value=1, max_value=MAX_LIMIT, default=20)
    starting_after = fields.Text(required=False, max_length=255)
    offset = fields.Integer(text=True, min_value=0, max_value=1_000_000, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse two positions at once."""
        if "offset" in attrs and "starting_after" in attrs:
            raise serializers.ValidationError({"offset": "Give either offset or starting_after, not both."})
        return attrs


def page(
    request: Request,
    rows: QuerySet[Any],
    serializer: type[serializers.BaseSerializer[Any]],
    *,
    key: str = "id",
    rising: bool = False,
) -> dict[str, Any]:
    """Cut one page out of `rows`, by `key`: falling by an id that sorts by time, or `rising` by a name.

    Raises BadParameter on a bad limit, offset or cursor.
    """
    asked = valid(PageQuery, request)
    limit, offset = asked["limit"], asked.get("offset")
    ordered = rows.order_by(key if rising else f"-{key}")
    total = ordered.count() if offset is not None else None
    if cursor := asked.get("starting_after"):
        beyond = "gt" if rising else "lt"
        ordered = ordered.filter(**{f"{key}__{beyond}": _key_of(rows.model, key, cursor)})
    cut = list(ordered[(offset or 0) : (offset or 0) + limit + 1])
    shown, has_more = cut[:limit], len(cut) > limit
    answer: dict[str, Any] = {
        "data": serializer(shown, many=True, context={"request": request}).data,
        "has_more": has_more,
        "next_cursor": str(getattr(shown[-1], key)) if has_more else None,
    }
    return answer if total is None else {**answer, "total": total}


@cache
def paged(serializer: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """Describe a page of `serializer` to OpenAPI."""
    return inline_serializer(
        name=f"{serializer.__name__.removesuffix('Serializer')}Page",
        fields={
            "data": serializer(many=True),
            "has_more": serializers.BooleanField(),
            "next_cursor": serializers.CharField(allow_null=True, help_text="Give it as starting_after."),
            "total": serializers.IntegerField(required=False, help_text="Only where offset was given."),
        },
    )


def _key_of(model: type[Model], key: str, cursor: str) -> Any:
    try:
        field: Any = model._meta.get_field(key)
        return field.to_python(cursor)
    except Exception:
        raise BadParameter({"starting_after": "This is no id of a row."}) from None
