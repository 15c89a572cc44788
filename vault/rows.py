"""A row as the person it belongs to may read it."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db.models import Model

# The column by which every table outside billing says whose a row is.
OWNER = "user_id"


def told(row: Model) -> dict[str, Any]:
    """Return every column of a row by its name, the sealed ones open, bytes in hexadecimal."""
    columns = {str(column.attname): getattr(row, str(column.attname)) for column in row._meta.concrete_fields}
    return {
        name: bytes(value).hex() if isinstance(value, bytes | memoryview) else value for name, value in columns.items()
    }


def held(app: str, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row of an app that is this user's, by table; models yet to come are among them by their column."""
    return {
        model._meta.db_table: [told(row) for row in model._base_manager.filter(**{OWNER: user_id}).order_by("pk")]
        for model in owned(app)
    }


def owned(app: str) -> list[type[Model]]:
    """Name the models of an app whose rows are a user's."""
    models = apps.get_app_config(app).get_models()
    return [model for model in models if any(column.name == OWNER for column in model._meta.concrete_fields)]
