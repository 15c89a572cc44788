"""Fields that are made once: each serializer has its own copies, and reading is DRF's, value by value, word by word."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from billing.serializers.invoices import InvoiceWithLinesSerializer
from billing.serializers.subscriptions import NewSubscription
from config.api import fields
from config.api.kept import Kept
from config.api.strict import Nothing, Strict, read
from entitlements.serializers.checks import Question, QuestionQuery
from entitlements.serializers.usage import CloudEventSaid, UsageSaid
from pricing.serializers import PlanSerializer
from pricing.zone_serializers import BulkRequestSerializer

READERS = (Question, QuestionQuery, UsageSaid, CloudEventSaid, BulkRequestSerializer, NewSubscription, Nothing)
SAID: list[Any] = [
    {},
    None,
    [],
    "x",
    5,
    {"user_id": "anna", "feature_code": "export"},
    {"user_id": "anna", "feature_code": "export", "requested": "5", "explain": "true"},
    {"user_id": "anna", "feature_code": "export", "requested": 5, "explain": True, "at": "2026-01-31T00:00:00Z"},
    {"user_id": "", "feature_code": None, "requested": -1, "at": "yesterday", "family_id": "1"},
    {"user_id": "anna", "unknown": 1, 7: 2},
    {"user_id": "anna", "feature_code": "export", "event_id": "e", "units": 3, "metadata": {"a": "b"}},
    {"user_id": "anna", "feature_code": "export", "event_id": "e", "units": 1.5, "metadata": {"a": 1}},
    {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "subject": "anna", "data": {"units": 2}, "other": 1},
    {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "subject": "anna", "data_base64": "AA=="},
    {"rows": [{"iso_code": "IN", "country": "India", "zone": "C"}], "dry_run": True},
    {"rows": [{"iso_code": "IN", "country": "India", "zone": "Z", "x": 1}, 5], "dry_run": "yes"},
    {"plan_id": "pro-monthly", "country_code": "IN", "items": [{"plan_id": "x", "quantity": 0}]},
]


def by_drf(serializer: type[serializers.Serializer[Any]], said: Any) -> Any:
    """Read with a serializer of DRF's own making, which is made for this alone."""
    made = type("Made", (serializer,), {"fields": serializers.Serializer.fields, "_given": lambda self, data: None})
    found = made(data=said)
    return found.validated_data if found.is_valid() else dict(found.errors)


@pytest.mark.parametrize("serializer", READERS, ids=lambda each: each.__name__)
def test_reading_says_what_drf_says(serializer: type[serializers.Serializer[Any]]) -> None:
    """The same values, and the same errors in the same order, twice."""
    for said in [*SAID, *SAID]:
        try:
            found: Any = read(serializer, copy.deepcopy(said))
        except ValidationError as reason:
            found = reason.detail
        expected = by_drf(serializer, copy.deepcopy(said))
        assert found == expected
        assert repr(found) == repr(expected).replace("Made", serializer.__name__)


def test_many_threads_read_with_one(django_db_blocker: Any) -> None:
    """Nothing of what one reads is left for another."""

    def reading(number: int) -> bool:
        said = {"user_id": f"user-{number}", "feature_code": "export", "event_id": "e", "units": number}
        return all(read(UsageSaid, said) == said for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(reading, range(64)))


class Line(Kept):
    name = serializers.SerializerMethodField()

    def get_name(self, row: dict[str, str]) -> str:
        return f"{self.context['greeting']} {row['name']}"


class Letter(Kept):
    head = Line()
    lines = Line(many=True)
    words = serializers.ListField(child=serializers.CharField())


def test_each_serializer_has_its_own_context_down_to_the_last_field() -> None:
    """The fields are copies: what belongs to one request is not seen by another, also when both are at work."""
    said = {"head": {"name": "anna"}, "lines": [{"name": "ben"}, {"name": "eve"}], "words": ["a"]}
    letters = [Letter(said, context={"greeting": greeting}) for greeting in ("hello", "bye")]

    first, second = (letter.data for letter in letters)

    assert (first["head"]["name"], [line["name"] for line in second["lines"]]) == ("hello anna", ["bye ben", "bye eve"])
    one, other = (letter.fields["words"] for letter in letters)
    assert one is not other
    assert one.child is not other.child
    assert (one.parent, one.child.parent) == (letters[0], one)


@pytest.mark.parametrize("serializer", [PlanSerializer, InvoiceWithLinesSerializer, BulkRequestSerializer])
def test_the_fields_are_those_that_drf_makes(serializer: Any) -> None:
    """By name, kind and place, nested ones too."""

    def shape(field: Any) -> Any:
        child = getattr(field, "child", None)
        inner = {name: shape(each) for name, each in field.fields.items()} if hasattr(field, "fields") else None
        return type(field).__name__, field.source, field.required, field.read_only, inner, child and shape(child)

    made = type("Made", (serializer,), {"fields": serializers.Serializer.fields})
    kept = {name: shape(field) for name, field in serializer().fields.items()}

    assert kept == {name: shape(field) for name, field in made().fields.items()}


class Aged(Strict):
    age = fields.Integer(source="person.years", default=7)

    def validate_age(self, age: int) -> int:
        """Take half."""
        return age // 2


def test_a_value_goes_where_its_source_says() -> None:
    """Defaults are checked as DRF checks them."""
    assert read(Aged, {}) == by_drf(Aged, {}) == {"person": {"years": 3}}
    assert read(Aged, {"age": 40}) == by_drf(Aged, {"age": 40}) == {"person": {"years": 20}}


def test_a_door_keeps_nothing_of_a_request() -> None:
    """Its parts are made once, and its headers are a copy for each."""
    from events.views import Events

    one, other = Events(), Events()
    one.default_response_headers["Vary"] = "me"

    assert one.get_permissions() is other.get_permissions()
    assert other.default_response_headers == {"Allow": "GET, HEAD, OPTIONS"}
    request = Request(RequestFactory().get("/"), authenticators=one.get_authenticators())
    assert not request.user.is_authenticated
