"""What is asked for is what is named: unknown fields, unknown query parameters and repeated ones are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.functional import cached_property
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from config.api.kept import Field, Kept, only

if TYPE_CHECKING:
    from rest_framework.views import APIView  # It imports this module, by the settings.


class BadParameter(ValidationError):
    """A query parameter is wrong: the answer names it as `parameter`, not as a pointer into the body."""


class BadHeader(ValidationError):
    """A header is wrong: the answer names it as `header`."""


class Strict(Kept):
    """A serializer of input: a field that it does not name is an error at that field."""

    default_error_messages = {"invalid": "Give a JSON object."}

    def to_internal_value(self, data: Any) -> Any:
        """Return the fields' values. Raises ValidationError for unknown names too."""
        if isinstance(data, Mapping):
            named = self._named
            if not data.keys() <= named.keys():
                said = serializers.ErrorDetail("There is no such field.", code="unknown_field")
                raise ValidationError({str(name): [said] for name in [n for n in data if n not in named][:20]})
            if (found := self._given(data)) is not None:
                return found
        return super().to_internal_value(data)

    @cached_property
    def _named(self) -> dict[str, Named]:
        writable = [(name, field) for name, field in self.fields.items() if not field.read_only]
        return {name: Named.of(field, getattr(self, f"validate_{name}", None)) for name, field in writable}

    def _given(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the values, where all that is given is right; None lets DRF say what is wrong."""
        found: dict[str, Any] = {}
        for name, (field, check, place, left_out) in self._named.items():
            try:
                if name in data:
                    value = field.run_validation(data[name])
                elif left_out is DEPENDS:
                    value = field.run_validation(serializers.empty)
                elif left_out is serializers.empty:
                    continue
                else:
                    value = left_out
                if check:
                    value = check(value)
                if place:
                    found[place] = value
                else:
                    self.set_value(found, field.source_attrs, value)
            except serializers.SkipField:
                continue
            except (ValidationError, DjangoValidationError):
                return None
        return found


DEPENDS = object()
AS_DRF = (serializers.Field.validate_empty_values, serializers.Field.get_default)


class Named(NamedTuple):
    """A field that may be given.

    `check` looks at its value once more, `place` is its name among the values when it has one of its own, `left_out`
    what it is when it is not given: a value, `empty` for none, or DEPENDS.
    """

    field: Field
    check: Callable[[Any], Any] | None
    place: str | None
    left_out: Any

    @classmethod
    def of(cls, field: Field, check: Callable[[Any], Any] | None) -> Named:
        """Work out what is the same each time."""
        place = field.source_attrs[0] if len(field.source_attrs) == 1 else None
        is_known = all(getattr(type(field), name) in AS_DRF for name in ("validate_empty_values", "get_default"))
        if not is_known or field.required or getattr(field.root, "partial", False):
            return cls(field, check, place, DEPENDS)
        # Others may be made anew for each, or differ from one to the next.
        is_same = field.default is serializers.empty or isinstance(field.default, str | int | bool | None)
        return cls(field, check, place, field.default if is_same else DEPENDS)


class Nothing(Strict):
    """The body of an operation that is asked by its path alone: no body, or an empty object."""


def insist_on_nothing(request: Request) -> None:
    """Refuse every field of a body: whoever sent one believes that it counts. Raises ValidationError."""
    sent(Nothing, request)


def sent(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return what a body says of a serializer's fields. Raises ValidationError."""
    return read(serializer, request.data)


def valid(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return what a query says of a serializer's fields. Raises BadParameter; KnownQuery has refused unknown names."""
    names = only(serializer).fields
    try:
        return read(serializer, {name: said for name, said in request.query_params.items() if name in names})
    except ValidationError as reason:
        raise BadParameter(reason.detail) from None


def read(serializer: type[serializers.Serializer[Any]], said: Any) -> dict[str, Any]:
    """Return what is said of a serializer's fields, none of which needs a context. Raises ValidationError."""
    if said is None:
        raise ValidationError({"non_field_errors": [serializers.ErrorDetail("No data provided", code="null")]})
    found: dict[str, Any] = only(serializer).run_validation(said)
    return found


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


class Plain(JSONRenderer):
    """JSON as short as it can be said."""

    encoder = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Write JSON as DRF's renderer does, whatever Accept asks for."""
        return b"" if data is None else finished(self.encoder.encode(data))


def finished(text: str) -> bytes:
    """Return JSON as it is sent."""
    # Two line ends of JavaScript that are none of JSON.
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


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
