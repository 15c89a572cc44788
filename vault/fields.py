"""Columns whose values are sealed in the database and plain on the object."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.query_utils import DeferredAttribute

from vault import sealing
from vault.sealing import Place, Sealed


class _Opened(DeferredAttribute):
    """Open the value when it is read: a list that does not show it does not decrypt it."""

    field: EncryptedTextField

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is None or not isinstance(value, Sealed):
            return value
        return sealing.unseal(value, self.field.place(instance)) if value else ""

    def __set__(self, instance: models.Model, value: Any) -> None:
        # Python asks a descriptor before the object's own attributes only when it can be set, too.
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """A text that is sealed for its table, column and row.

    `bound_to` names the field that tells the row: the primary key where we make it, else another that is unique, known
    before the INSERT and never changed. Empty stays empty. Values cannot be searched for, nor set by `update()`: no
    row is known there. A deferred or listed (`values`) column gives the sealed text.
    """

    descriptor_class = _Opened

    def __init__(self, *args: Any, bound_to: str = "pk", **kwargs: Any) -> None:
        self.bound_to = bound_to
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Tell migrations what it is bound to."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | ({} if self.bound_to == "pk" else {"bound_to": self.bound_to})

    def place(self, instance: models.Model) -> Place:
        """Name where the value of this object stands."""
        row = getattr(instance, self.bound_to)
        if not row:
            raise ValueError(f"{self.name} cannot be sealed before {self.bound_to} is known")
        return Place(instance._meta.db_table, str(self.column), str(row))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Seal it, with the newest key, each time it is written."""
        value = getattr(model_instance, self.attname)
        return sealing.seal(value, self.place(model_instance)) if value else Sealed("")

    def get_prep_value(self, value: Any) -> Any:
        """Let only sealed values near the database."""
        if value is None or value == "" or isinstance(value, Sealed):
            return value
        raise TypeError(f"{self.name} is sealed: save the object, and search by its blind index")

    def from_db_value(self, value: str | None, _expression: Any, _connection: Any) -> Sealed | None:
        """Mark what came from the database: it is opened when it is read."""
        return None if value is None else Sealed(value)


class BlindIndexField(models.CharField):  # type: ignore[type-arg]
    """Finds a sealed text by its keyed hash (`possible`), without opening a row.

    It follows the field named by `of` at each save that names both. Case and outer spaces do not count.
    """

    def __init__(self, *args: Any, of: str, **kwargs: Any) -> None:
        self.of = of
        super().__init__(*args, **kwargs | {"max_length": 64, "blank": True, "editable": False, "db_index": True})

    def deconstruct(self) -> Any:
        """Tell migrations what it follows."""
        name, path, args, kwargs = super().deconstruct()
        fixed = ("max_length", "blank", "editable", "db_index")
        return name, path, args, {k: v for k, v in kwargs.items() if k not in fixed} | {"of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Work it out anew from what it follows."""
        value = _folded(getattr(model_instance, self.of))
        found = sealing.blind_index(value, self._purpose) if value else ""
        setattr(model_instance, self.attname, found)
        return found

    def possible(self, text: str) -> list[str]:
        """Return what the index of this text may be, one for each key of the ring."""
        return sealing.blind_indexes(_folded(text), self._purpose)

    @property
    def _purpose(self) -> str:
        return f"{self.model._meta.db_table}.{self.of}"


def _folded(text: str) -> str:
    return text.strip().casefold()
