"""The OpenAPI schema as a whole."""

from __future__ import annotations

from pathlib import Path

from django.core.management import call_command


def test_the_schema_is_valid_and_made_without_a_doubt(tmp_path: Path) -> None:
    """Two forms under one name would make one of them untrue."""
    call_command("spectacular", fail_on_warn=True, validate=True, file=str(tmp_path / "schema.yaml"))
