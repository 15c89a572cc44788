"""Tells everybody of a change when it has committed.

The database says which version a statement raised, on the connection that ran it: no writer can forget it, also none
that is written yet.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import psycopg
import structlog
from django.db import DatabaseError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from entitlements import facts, packing, shelf, snapshot
from entitlements.repeating import Repeats
from entitlements.shelf import Change

# What the trigger says it with (migration 0009).
RAISED = "FB001"
# Of more users than these, only the new versions are told: whoever asks for one reads him.
MOST_READ = 100
log = structlog.get_logger("farebox.entitlements")


class Announcement:
    """The versions that one transaction raised, announced when it has committed."""

    def __init__(self) -> None:
        self.raised: dict[str, int] = {}

    def __call__(self) -> None:
        """Announce them. Postgres may be gone by now: then only versions are told."""
        users = sorted(user_id for user_id in self.raised if user_id)
        try:
            known = facts.read_many(users) if 0 < len(users) <= MOST_READ else {}
            changes = [snapshot.change_of(each) for each in known.values()]
        except DatabaseError as reason:
            log.warning("what changed could not be read again", reason=type(reason).__name__)
            known, changes = {}, []
        changes += [bare(user_id, version) for user_id, version in self.raised.items() if user_id not in known]
        announce(changes)


def listen(connection: BaseDatabaseWrapper, **_said: Any) -> None:
    """Hear on a connection which versions are raised. Pools lend the same one again and again: it is told once."""
    raw = connection.connection
    with contextlib.suppress(ValueError):
        raw.remove_notice_handler(_hear)
    raw.add_notice_handler(_hear)


def announce(changes: list[Change]) -> None:
    """Let this process know at once, and everybody else by Valkey: soon, when it cannot be reached."""
    for change in changes:
        snapshot.heard(change)
    if not shelf.here().tell(changes):
        repeats.later({change.user_id: packing.version_of(change.packet) for change in changes})


def bare(user_id: str, version: int) -> Change:
    """Return a change of which only the version is known."""
    return Change(user_id, packing.bare(version), 0)


def _hear(said: psycopg.errors.Diagnostic) -> None:
    if said.sqlstate != RAISED:
        return
    user_id, version = said.message_detail or "", int(said.message_primary or 0)
    if not connection.in_atomic_block:
        # The statement has not ended yet: nothing can be asked on this connection.
        announce([bare(user_id, version)])
        return
    _announcement().raised[user_id] = version


def _announcement() -> Announcement:
    """Return that of the transaction or savepoint that is open: what is rolled back is not announced."""
    inside = set(connection.savepoint_ids)
    for waiting in reversed(connection.run_on_commit):
        if isinstance(waiting[1], Announcement) and waiting[0] == inside:
            return waiting[1]
    made = Announcement()
    transaction.on_commit(made, robust=True)
    return made


def _again(versions: Mapping[str, int]) -> bool:
    return shelf.here().tell_again([bare(*each) for each in versions.items()])


repeats = Repeats(_again)
