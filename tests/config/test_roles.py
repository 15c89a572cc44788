"""The table of roles is the whole truth: no route without a row, no row without a route, and every cell holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from config.api.authentication import Role
from config.api.roles import ROLES
from tests.api import api

METHODS = ("get", "post", "put", "patch", "delete")
SAMPLES = {"user_id": "anna", "plan_id": "premium-plan", "iso": "IN", "iso_code": "IN"}


def routes(patterns: list[Any] | None = None, prefix: str = "/") -> Iterator[tuple[str, str, str]]:
    """Give every operation of the API: method, name of its route, and a path to call it by."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if "admin" not in path:
                yield from routes(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and path.startswith(("/api/v1", "/payments", "/ofrep")):
            view = pattern.callback.view_class  # type: ignore[attr-defined]
            for method in METHODS:
                if hasattr(view, method):
                    yield method.upper(), str(pattern.name), sample(path)


def sample(path: str) -> str:
    parts = []
    for part in path.split("/"):
        if part.startswith("<"):
            kind, _, name = part.strip("<>").rpartition(":")
            part = str(uuid4()) if kind == "uuid" else SAMPLES.get(name, "absent")
        parts.append(part)
    return "/".join(parts)


OPERATIONS = sorted(set(routes()))
CELLS = [
    pytest.param(method, name, path, role, id=f"{method} {name} by {role} at {path.split('/')[1]}")
    for method, name, path in OPERATIONS
    for role in Role
]


def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    """Deny by default: a route without a row would be refused to everybody."""
    assert {f"{method} {name}" for method, name, _ in OPERATIONS} == set(ROLES)


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "name", "path", "role"), CELLS)
def test_every_cell(method: str, name: str, path: str, role: Role) -> None:
    """Who is not named gets 401 without a token and 403 with one; who is named gets neither."""
    client = Client() if role is Role.ANONYMOUS else api("anna", role)

    # No operation takes a list: whoever is let in is told so, and nothing is asked of Stripe.
    answer = client.generic(method, path, b"[]", content_type="application/json")

    refusal = 401 if role is Role.ANONYMOUS else 403
    assert (answer.status_code == refusal) == (role not in ROLES[f"{method} {name}"]), answer.content
    assert answer.status_code < 500


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["payments", "subscriptions", "entitlements"])
def test_a_foreign_user_is_a_404(path: str) -> None:
    """A foreign object is a 404, the same as an absent one."""
    assert api("anna").get(f"/api/v1/users/ben/{path}").status_code == 404


def test_the_schema_says_who_may_call() -> None:
    """x-roles come from the same table."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    shown = {
        operation["operationId"]: set(operation["x-roles"])
        for path in schema["paths"].values()
        for operation in path.values()
    }

    assert shown["get_user_payments"] == {"user", "service", "support", "admin"}
    assert len(shown) == len(ROLES)
