"""Serializers whose fields are made once: DRF makes them anew for each serializer, which is most of what one costs."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.utils.functional import cached_property
from rest_framework import serializers
from rest_framework.utils.serializer_helpers import BindingDict

Field = serializers.Field[Any, Any, Any, Any]


class Kept(serializers.Serializer[Any]):
    """A serializer whose fields are the same for every request: `get_fields` looks at the class alone."""

    @cached_property
    def fields(self) -> BindingDict:
        """Return copies of the fields of the class, that belong to this serializer."""
        bound = BindingDict(self)
        bound.fields = {name: _of(self, field) for name, field in _made(type(self)).items()}
        return bound


@cache
def _made(serializer: type[Kept]) -> dict[str, Field]:
    made = serializer()
    bound = BindingDict(made)
    bound.update(made.get_fields())
    return bound.fields


def _of(parent: Field, field: Field) -> Field:
    # All that a field holds is read and never written, but for whose it is.
    own: Any = object.__new__(type(field))
    own.__dict__ = {**field.__dict__, "parent": parent}
    # Those of a serializer in it are its own too.
    own.__dict__.pop("fields", None)
    for name in ("child", "child_relation"):
        if name in own.__dict__:
            setattr(own, name, _of(own, getattr(own, name)))
    return own  # type: ignore[no-any-return]


@cache
def only(serializer: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return the one that reads for every request: reading leaves nothing behind in it."""
    return serializer()
