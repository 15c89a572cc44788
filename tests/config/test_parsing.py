"""Bodies: small, shallow JSON that can be read in one way only; every refusal names its place."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.serializers import ValidationError

from config.api import fields, parsing
from tests.api import api, places

PATH = "/api/v1/quotes"


def post(body: bytes, content_type: str = "application/json") -> Any:
    return api().generic("POST", PATH, body, content_type=content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "nonsense",
    ],
)
def test_only_json_is_read(content_type: str) -> None:
    answer = post(b'{"plan_id": "free"}', content_type)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_another_charset_is_not_read() -> None:
    """RFC 8259: UTF-8, and nothing that a sender calls otherwise."""
    assert post('{"plan_id": "free"}'.encode("utf-16"), "application/json; charset=utf-16").status_code == 415


def test_a_body_of_64_kib_is_read_and_a_larger_one_is_not() -> None:
    small = b'{"plan_id": "' + b"x" * (64 * 1024 - 15) + b'"}'

    assert len(small) == 64 * 1024
    assert post(small).status_code == 400
    assert (post(small + b" ").status_code, post(small + b" ").json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("body", "place", "code"),
    [
        (b"", "#/plan_id", "required"),
        (b"{", "#", "not_json"),
        (b"{'plan_id': 'free'}", "#", "not_json"),
        (b'\xef\xbb\xbf{"plan_id": "free"}', "#", "not_json"),
        (b'{"plan_id": "\xff"}', "#", "not_utf8"),
        (b"[" * 21 + b"]" * 21, "#", "too_deep"),
        (b"[" * 60_000, "#", "too_deep"),
        (b'{"plan_id": "free", "plan_id": "pro"}', "#/plan_id", "named_twice"),
        (b'{"a": [{"b/c": 1, "b/c": 1}]}', "#/a/0/b~1c", "named_twice"),
        (b'{"plan_id": NaN}', "#/plan_id", "number_out_of_range"),
        (b'{"plan_id": -Infinity}', "#/plan_id", "number_out_of_range"),
        (b'{"plan_id": 1e999}', "#/plan_id", "number_out_of_range"),
        (b'{"plan_id": 9007199254740992}', "#/plan_id", "number_out_of_range"),
        (b'{"plan_id": -9007199254740992}', "#/plan_id", "number_out_of_range"),
        (b'{"plan_id": ' + b"9" * 5000 + b"}", "#/plan_id", "number_out_of_range"),
        (b'{"plan_id": "a\\u0000"}', "#/plan_id", "unstorable_character"),
        (b'{"plan_id": "\\ud800"}', "#/plan_id", "unstorable_character"),
        (b'{"a\\ud800": 1}', "#/a\\ud800", "unstorable_character"),
        (b'{"a\\u0000": 1}', "#/a\\x00", "unstorable_character"),
        (b"[]", "#", "invalid"),
        (b"null", "#", "null"),
        (b'"free"', "#", "invalid"),
        (b'{"plan_id": "free", "price": 1}', "#/price", "unknown_field"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_at_its_place(body: bytes, place: str, code: str) -> None:
    """RFC 7493."""
    answer = post(body)

    assert answer.status_code == 400, answer.content
    assert places(answer) == [place]
    assert answer.json()["errors"][0]["code"] == code


def test_the_depth_is_that_of_the_structure_not_of_the_text() -> None:
    """Brackets within strings, also behind escaped quotes, are no structure."""
    body = json.dumps({"plan_id": '"[[[[[[[[[[[[[[[[[[[[[[[[[' + "\\"}).encode()

    assert post(body).json()["errors"][0]["code"] != "too_deep"


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-parsing.MAX_INTEGER, parsing.MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_what_is_plain_json_is_read_as_it_is(value: Any) -> None:
    assert parsing.read(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """No other error leaves the parser."""
    with suppress(parsing.Malformed):
        parsing.read(body)


@pytest.mark.parametrize(
    "query", ["nothing=1", "limit=1&nothing=1", "limit=1&limit=2", "format=api", "limit=%31%30%00"]
)
@pytest.mark.django_db
def test_a_query_says_what_the_schema_names_and_once(query: str) -> None:
    answer = api("s", "service").get(f"/api/v1/payments?{query}")

    assert answer.status_code == 400
    assert all(error.get("parameter") for error in answer.json()["errors"])


@pytest.mark.django_db
def test_head_takes_what_get_takes() -> None:
    assert api("s", "service").head("/api/v1/payments?limit=1").status_code == 200


@pytest.mark.django_db
def test_an_operation_without_a_query_takes_none() -> None:
    answer = api("s", "service").get("/api/v1/payments/01900000-0000-7000-8000-000000000000?expand=all")

    assert (answer.status_code, places(answer)) == (400, ["expand"])


@pytest.mark.parametrize("given", ["1_000", "１０", "10", 10.0, True, None, "", " 1", "1e3", [1], {"a": 1}, 2**53])
def test_an_amount_is_an_integer(given: object) -> None:
    """DRF's own field takes the first five."""
    with pytest.raises(ValidationError):
        fields.Amount().run_validation(given)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        (fields.Integer(text=True), "1_0"),
        (fields.Integer(text=True), "１"),
        (fields.Integer(text=True), " 1"),
        (fields.Integer(text=True), 1),
        (fields.Text(), 7),
        (fields.Text(), "\ud800"),
        (fields.Text(), "\x00"),
        (fields.Slug(), " free"),
        (fields.Slug(), "free\n"),
        (fields.Uuid(), 7),
        (fields.Uuid(), "urn:uuid:01900000-0000-7000-8000-000000000000"),
        (fields.Uuid(), "01900000000070008000000000000000"),
        (fields.Boolean(), "true"),
        (fields.Boolean(), 1),
        (fields.Choice(choices=["1"]), 1),
        (fields.ExactDecimal(max_digits=5, decimal_places=2), "1_0"),
        (fields.ExactDecimal(max_digits=5, decimal_places=2), "０.4"),
        (fields.ExactDecimal(max_digits=5, decimal_places=2), "1e1"),
        (fields.ExactDecimal(max_digits=5, decimal_places=2), True),
        (fields.Url(), "http://localhost:3000\\@evil.example"),
        (fields.Url(), " http://localhost:3000/"),
        (fields.Url(), "http://localhost:3000#@evil.example"),
        (fields.Url(), "http://user@localhost:3000/"),
        (fields.Metadata(), {str(n): "x" for n in range(21)}),
        (fields.Metadata(), {"k" * 41: "x"}),
        (fields.Metadata(), {"": "x"}),
        (fields.Metadata(), {"k": "x" * 501}),
        (fields.Metadata(), {"k": 1}),
        (fields.Metadata(), []),
    ],
)
def test_a_field_takes_what_it_says_and_nothing_that_resembles_it(field: Any, given: object) -> None:
    with pytest.raises(ValidationError):
        field.run_validation(given)


def test_the_fields_take_what_they_say() -> None:
    id = "01900000-0000-7000-8000-000000000000"

    assert fields.Amount().run_validation(1000) == 1000
    assert fields.Integer(text=True).run_validation("-10") == -10
    assert fields.Text().run_validation(" ü ") == " ü "
    assert fields.Uuid().run_validation(id) == UUID(id)
    assert str(fields.ExactDecimal(max_digits=5, decimal_places=2).run_validation(0.4)) == "0.40"
    assert fields.Metadata().run_validation({"k" * 40: "x" * 500}) == {"k" * 40: "x" * 500}
    assert fields.Url().run_validation("http://localhost:3000/?s={CHECKOUT_SESSION_ID}").endswith("}")


LONE = re.compile("[\ud800-\udfff]")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**54), 2**54)
    | st.floats()
    | st.text(st.sampled_from('ab"\\\x00\x01\ud800é{[')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
PARTS = st.sampled_from(
    ['{"a":', '"b"', ",", "[", "]", "}", "1", "1e999", "NaN", ":", " ", "\x00", "\x01", "1" * 18, "é"]
)


@given(value=VALUES, escaped=st.booleans(), depth=st.integers(0, 22), parts=st.lists(PARTS, max_size=12))
def test_what_is_good_at_sight_is_good_when_looked_at_closely(
    value: Any, escaped: bool, depth: int, parts: list[str]
) -> None:
    """And says the same; written as JSON, in depth, and as nonsense."""
    nested = '{"a":' * depth + json.dumps(value, ensure_ascii=escaped) + "}" * depth

    for text in (nested, "{" + "".join(parts), '{"a":1,' + nested[1:], nested.replace("[", "{").replace("]", "}")):
        # UTF-8 has no lone surrogates: they come with a backslash, or not at all.
        text = LONE.sub("?", text)
        found = parsing._plain(text)
        assert found is None or found == parsing._closely(text)


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":1}', '{"a":{"b":"c","b":"c"}}', '{"a":9007199254740992}', '{"a":NaN}', '{"a":1e999}', '{"a":"b\x00"}'],
)
def test_what_is_no_good_is_not_good_at_sight(text: str) -> None:
    assert parsing._plain(text) is None


def test_what_is_usual_is_good_at_sight() -> None:
    for depth in (1, 20):
        assert parsing._plain('{"a":' * depth + '"é"' + "}" * depth) is not None
    assert parsing._plain('{"a":' * 21 + "1" + "}" * 21) is None
