"""The words of an answer are the same in the code, the OpenAPI schema and the docs."""

from __future__ import annotations

import re
from pathlib import Path

from drf_spectacular.generators import SchemaGenerator

from entitlements.considered import WORDS, Lost
from entitlements.reasons import ReasonCode
from entitlements.turns import Turn

DOCS = Path(__file__).parents[2] / "docs" / "entitlements.md"


def test_the_schema_lists_every_reason_and_no_other() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)

    listed = schema["components"]["schemas"]["ReasonCodeEnum"]["enum"]

    assert listed == [code.value for code in ReasonCode]


def test_the_docs_explain_every_reason_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (?:yes|no) \|", DOCS.read_text(), re.MULTILINE)

    assert rows == [code.value for code in ReasonCode]


def test_the_docs_explain_why_each_lost_and_what_would_turn_a_no_and_the_schema_lists_them() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| ", DOCS.read_text(), re.MULTILINE)
    schema = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]

    assert [row for row in rows if row in set(Lost)] == list(Lost)
    assert [row for row in rows if row in set(Turn)] == list(Turn)
    assert schema["WouldAllow"]["properties"]["change"]["$ref"].endswith("/ChangeEnum")
    assert schema["ChangeEnum"]["enum"] == list(Turn)
    assert set(WORDS) <= {*rows}
