"""Seal everything anew with the newest key, while the system works.

What is left to do is read from the rows themselves: a killed run is taken up by the next, and several may run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import models, transaction
from django.db.models import Q

from vault import keyring, sealing
from vault.errors import VaultError
from vault.fields import BlindIndexField, EncryptedTextField
from vault.sealing import VERSION, Sealed

BATCH = 100


@dataclass(slots=True)
class Report:
    """What a rotation did. `unreadable` names rows that the ring does not open; they stay as they are."""

    rotated: int = 0
    left: int = 0
    unreadable: list[str] = field(default_factory=list)


def sealed_models() -> Iterator[type[models.Model]]:
    """Name every model with a sealed column."""
    yield from (model for model in apps.get_models() if _sealed(model))


def to_do(model: type[models.Model]) -> int:
    """Count the rows that an older key sealed."""
    return model._base_manager.filter(_older(model)).count()


def rotate(model: type[models.Model], *, batch: int = BATCH, done: Callable[[int], None] = lambda rows: None) -> Report:
    """Seal the rows of one model with the newest key, `batch` rows in a transaction; `done` hears how many.

    Rows that somebody works on are passed over (SKIP LOCKED), and tried again in later passes for as long as a pass
    rotates any. `left` are those still locked at the end. May be repeated, and killed at any moment.
    """
    report = Report()
    while True:
        before, report.unreadable = report.rotated, []
        for rotated, unreadable in _pass(model, batch):
            report.rotated += rotated
            report.unreadable += unreadable
            done(rotated)
        if report.rotated == before:
            break
    report.left = to_do(model) - len(report.unreadable)
    return report


def seal_plain(model: type[models.Model], *, batch: int = BATCH) -> int:
    """Seal what an older release wrote in plain, and return how many rows. Only for a move to sealed columns."""
    sealed = 0
    while True:
        with transaction.atomic():
            rows = _locked(model, _plain(model), None, batch)
            for row in rows:
                _take_as_plain(row)
                _write(row)
        if not rows:
            return sealed
        sealed += len(rows)


def _take_as_plain(row: models.Model) -> None:
    for column in _sealed(type(row)):
        found = row.__dict__[column.attname]
        if found and not sealing.looks_sealed(found):
            setattr(row, column.attname, "".join(found))


def _pass(model: type[models.Model], batch: int) -> Iterator[tuple[int, list[str]]]:
    after: Any = None
    while True:
        with transaction.atomic():
            rows = _locked(model, _older(model), after, batch)
            unreadable = [str(reason) for row in rows if (reason := _again(row))]
        if not rows:
            return
        after = rows[-1].pk
        yield len(rows) - len(unreadable), unreadable


def _again(row: models.Model) -> VaultError | None:
    try:
        _write(row)
    except VaultError as reason:
        return reason
    return None


def _write(row: models.Model) -> None:
    kinds = (EncryptedTextField, BlindIndexField)
    columns = [column for column in row._meta.concrete_fields if isinstance(column, kinds)]
    # Opened and sealed before anything is sent: a row that cannot be read spoils no transaction.
    sealed = {column.name: column.pre_save(row, add=False) for column in columns}
    type(row)._base_manager.filter(pk=row.pk).update(**sealed)


def _locked(model: type[models.Model], which: Q, after: Any, batch: int) -> list[models.Model]:
    rows = model._base_manager.filter(which).order_by("pk").select_for_update(skip_locked=True, of=("self",))
    return list((rows if after is None else rows.filter(pk__gt=after))[:batch])


def _sealed(model: type[models.Model]) -> list[EncryptedTextField]:
    return [column for column in model._meta.concrete_fields if isinstance(column, EncryptedTextField)]


def _older(model: type[models.Model]) -> Q:
    newest = Sealed(f"{VERSION}|{keyring.newest().id}|")
    found = Q()
    for column in _sealed(model):
        found |= ~Q(**{column.name: ""}) & ~Q(**{f"{column.name}__startswith": newest})
    return found


def _plain(model: type[models.Model]) -> Q:
    found = Q()
    for column in _sealed(model):
        found |= ~Q(**{column.name: ""}) & ~Q(**{f"{column.name}__startswith": Sealed(f"{VERSION}|")})
    return found
