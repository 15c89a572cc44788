"""How views become OpenAPI: `x-roles` from the table of roles, and problems as the body of every error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.urls import URLResolver, get_resolver
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers

from config.api import examples
from config.api.authentication import Role
from config.api.roles import ROLES, scope_of

EVERYWHERE = {
    "400": "Bad input",
    "401": "No valid token",
    "403": "Not for this role",
    "404": "Absent, or not yours",
    "429": "Too many requests",
    "503": "Not now: Retry-After says when",
}
WRITING = {
    "402": "The bank does not take the card",
    "409": "Not as things stand",
    "422": "The key was used with another body",
    "502": "Stripe refused",
}
READING = {"413": "Body too large", "415": "Not JSON"}
# Of the others a body is not read, and the library complains when asked for its shape.
READ_BODIES = {"POST", "PUT", "PATCH"}
CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")
# Lines of requirements that a docstring names, such as "(EN-03)": for who changes the code, not for who calls it.
REQUIREMENTS = re.compile(r" \([A-Z]{2}-\d{2}(?:, [A-Z]{2}-\d{2})*\)")
FIRST_SENTENCE = re.compile(r"[.:;](?:\s|$)")


class FieldProblem(serializers.Serializer[Any]):
    pointer = serializers.CharField(
        required=False, help_text="JSON pointer to the field of the body that is wrong (RFC 6901)."
    )
    parameter = serializers.CharField(required=False, help_text="Or the query parameter.")
    header = serializers.CharField(required=False, help_text="Or the header.")
    code = serializers.CharField()
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="Stable, for programs.")
    request_id = serializers.CharField()
    errors = FieldProblem(many=True, required=False)  # type: ignore[assignment]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "config.api.authentication.BearerToken"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Describe the bearer token."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ServiceKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "keys.authentication.ServiceKeyBearer"
    name = "serviceKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Describe the key of a service."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "fbk_<prefix>_<secret>"}


class Operation(AutoSchema):
    """Adds to each operation who may call it, and how it fails."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return drf-spectacular's operation with `x-roles`."""
        operation = super().get_operation(*args, **kwargs)
        asked = f"{self.method} {self._route_name()}"
        if operation is not None and (row := ROLES.get(asked)):
            operation["x-roles"] = {str(role): str(reach) for role, reach in row.items()}
            if Role.SERVICE in row and (scope := scope_of(asked)):
                operation["x-scope"] = str(scope)
        if operation is not None and (body := examples.BODIES.get(operation["operationId"])) is not None:
            operation["requestBody"]["content"][examples.JSON]["example"] = body
        return operation

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular takes no path here
        """Say what the view's docstring says."""
        return REQUIREMENTS.sub("", super().get_description())

    def get_summary(self) -> str:
        """Say it in a line, for lists of operations."""
        return FIRST_SENTENCE.split(self.get_description(), maxsplit=1)[0].replace("\n", " ")

    def get_operation_id(self) -> str:
        """Name the operation after its row in the table, such as `get_user_payments`."""
        return f"{self.method.lower()}_{self._route_name().replace('-', '_')}"

    def get_auth(self) -> list[dict[str, Any]]:
        """Say that a token is not needed where everybody may come in; a bad one is refused there too."""
        required: list[dict[str, Any]] = super().get_auth()
        everybody = Role.ANONYMOUS in ROLES.get(f"{self.method} {self._route_name()}", {})
        return [*required, {}] if required and everybody else required

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        # A protocol of others has bodies of its own.
        shape = getattr(self.view, "failure", None)
        problem = self.resolve_serializer(shape or Problem, direction).ref
        media = "application/json" if shape else "application/problem+json"
        for status, text in self._failures():
            bodies.setdefault(status, {"description": text, "content": {media: {"schema": problem}}})
        for body in bodies.values():
            body.setdefault("description", "")
        return bodies

    def _failures(self) -> Iterator[tuple[str, str]]:
        yield from EVERYWHERE.items()
        if self.method != "GET":
            yield from WRITING.items()
        if self.method in READ_BODIES and self.get_request_serializer():
            yield from READING.items()

    def _route_name(self) -> str:
        return _route_names()[self.path]


@cache
def _route_names() -> dict[str, str]:
    """Map every path of OpenAPI (`/api/v1/plans/{plan_id}`) to the name of its route."""
    return dict(_names_under(get_resolver().url_patterns, "/"))


def _names_under(patterns: list[Any], prefix: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _names_under(pattern.url_patterns, path)
        elif pattern.name:
            yield CONVERTER.sub(r"{\1}", path), pattern.name
