"""The OpenAPI schema as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from config.api import examples

# Stripe writes it, and of these every body is good.
WITHOUT_EXAMPLE = {"post_stripe_webhook"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made


def operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in schema["paths"].values() for operation in methods.values()]


def test_the_schema_is_valid_and_made_without_a_doubt(tmp_path: Path) -> None:
    """Two forms under one name would make one of them untrue."""
    call_command("spectacular", fail_on_warn=True, validate=True, file=str(tmp_path / "schema.yaml"))


def test_every_operation_says_in_a_line_what_it_does(schema: dict[str, Any]) -> None:
    """A list of paths explains nothing."""
    said = [operation.get("summary", "") for operation in operations(schema)]

    assert all(5 < len(line) <= 120 and "\n" not in line for line in said), [line for line in said if len(line) > 120]
    assert not [
        o["description"] for o in operations(schema) if "(EN-" in o["description"] or "(US-" in o["description"]
    ]


def test_every_body_has_an_example_that_its_schema_takes(schema: dict[str, Any]) -> None:
    """DO-01: what stands in the box to try can be sent as it is, ids apart."""
    taking = {o["operationId"]: o["requestBody"]["content"] for o in operations(schema) if "requestBody" in o}

    assert taking.keys() - WITHOUT_EXAMPLE == examples.BODIES.keys()
    for name, body in examples.BODIES.items():
        shown = taking[name][examples.JSON]
        assert shown["example"] == body
        whole = shown["schema"] | {"components": schema["components"]}
        jsonschema.Draft4Validator(whole).validate(body)
        asked = schema["components"]["schemas"][shown["schema"]["$ref"].rsplit("/", 1)[1]]
        assert body.keys() <= asked["properties"].keys(), name
