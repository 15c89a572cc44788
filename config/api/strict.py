"""What is asked for is what is named: unknown fields, unknown query parameters and repeated ones are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView  # It imports this module, by the settings.


class BadParameter(ValidationError):
    """A query parameter is wrong: the answer names it as `parameter`, not as a pointer into the body."""


class BadHeader(ValidationError):
    """A header is wrong: the answer names it as `header`."""


class Strict(serializers.Serializer[Any]):
    """A serializer of input: a field that it does not name is an error at that field."""

    default_error_messages = {"invalid": "Give a JSON object."}

    def to_internal_value(self, data: Any) -> Any:
        """Return the fields' values. Raises ValidationError for unknown names too."""
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            if unknown := [name for name in data if name not in known]:
                said = serializers.ErrorDetail("There is no such field.", code="unknown_field")
                raise ValidationError({str(name): [said] for name in unknown[:20]})
        return super().to_internal_value(data)


class Nothing(Strict):
    """The body of an operation that is asked by its path alone: no body, or an empty object."""


def insist_on_nothing(request: Request) -> None:
    """Refuse every field of a body: whoever sent one believes that it counts. Raises ValidationError."""
    Nothing(data=request.data).is_valid(raise_exception=True)


def valid(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return what a query says of a serializer's fields. Raises BadParameter; KnownQuery has refused unknown names."""
    names = serializer().fields
    found = serializer(data={name: said for name, said in request.query_params.items() if name in names})
    if not found.is_valid():
        raise BadParameter(found.errors)
    said: dict[str, Any] = found.validated_data
    return said


class KnownQuery(BasePermission):
    """Refuse query parameters that the operation's schema does not name, and those given twice.

    A permission only because DRF asks it at the right moment: after who may come in, before the view.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return True. Raises BadParameter."""
        method = "get" if request.method == "HEAD" else str(request.method).lower()
        known = _named(getattr(type(view), method, None))
        wrong = {}
        for name, values in request.query_params.lists():
            if name not in known:
                wrong[name] = [serializers.ErrorDetail("There is no such parameter.", code="unknown_parameter")]
            elif len(values) > 1:
                wrong[name] = [serializers.ErrorDetail("Give it once.", code="repeated_parameter")]
        if wrong:
            raise BadParameter(wrong)
        return True


class OneRenderer(DefaultContentNegotiation):
    """The API speaks JSON whatever Accept says; only the schema's own page has a choice."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the only renderer, or let DRF choose among several."""
        found = list(renderers)
        if len(found) == 1:
            return found[0], found[0].media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, found, format_suffix)
        return chosen


@cache
def _named(handler: Callable[..., Any] | None) -> frozenset[str]:
    schema = getattr(handler, "kwargs", {}).get("schema")
    if schema is None:
        return frozenset()
    described = schema()
    # drf-spectacular asks the view for its version, and the API has none but its path.
    described.view = _Unversioned()
    names: set[str] = set()
    for parameter in described.get_override_parameters():
        if isinstance(parameter, OpenApiParameter):
            names |= {parameter.name} if parameter.location == OpenApiParameter.QUERY else set()
        else:
            names |= set(parameter().fields)
    return frozenset(names)


class _Unversioned:
    request = None
    kwargs: Mapping[str, Any] = {}

    @staticmethod
    def determine_version(*_args: Any, **_kwargs: Any) -> tuple[None, None]:
        return None, None
