"""The words of an answer are the same in the code, the OpenAPI schema and the docs."""

from __future__ import annotations

import re
from pathlib import Path

from drf_spectacular.generators import SchemaGenerator

from entitlements.reasons import ReasonCode

DOCS = Path(__file__).parents[2] / "docs" / "entitlements.md"


def test_the_schema_lists_every_reason_and_no_other() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)

    listed = schema["components"]["schemas"]["ReasonCodeEnum"]["enum"]

    assert listed == [code.value for code in ReasonCode]


def test_the_docs_explain_every_reason_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (?:yes|no) \|", DOCS.read_text(), re.MULTILINE)

    assert rows == [code.value for code in ReasonCode]
