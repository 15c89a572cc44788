"""Tells everybody of a change when it has committed.

The database says which version a statement raised, on the connection that ran it: no writer can forget it, also none
that is written yet.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import structlog
from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from entitlements import fetching, packing, shelf, snapshot
from entitlements.repeating import Repeats
from entitlements.shelf import Change

# What the trigger says it with (migration 0009).
RAISED = "FB001"
# Of more users than these, only the new versions are told: whoever asks for one reads him.
MOST_READ = 100
log = structlog.get_logger("farebox.entitlements")


class Raised(dict[str, int]):
    """The versions that were raised inside one savepoint, by user: what is rolled back is not announced."""

    def __init__(self, whole: Announcement) -> None:
        super().__init__()
        self._whole = whole

    def __call__(self) -> None:
        """Let them be announced with those of the whole transaction."""
        for user_id, version in self.items():
            self._whole.raised[user_id] = max(version, self._whole.raised.get(user_id, 0))


class Announcement:
    """The versions that one transaction raised, announced when it has committed."""

    def __init__(self) -> None:
        self.raised: dict[str, int] = {}

    def __call__(self) -> None:
        """Announce them: at once that there are new versions, and then what they say.

        Whoever hears of a version believes no older one, however long Postgres takes to be read. It may be gone by now.
        """
        announce([bare(*each) for each in self.raised.items()])
        users = sorted(user_id for user_id in self.raised if user_id)
        if not 0 < len(users) <= MOST_READ:
            return
        try:
            announce([snapshot.change_from(each) for each in fetching.fetch_many(users)])
        except DatabaseError as reason:
            log.warning("what changed could not be read again", reason=type(reason).__name__)


class Alone(threading.local):
    """What the statement that this thread runs outside any transaction has raised; None when none runs."""

    raised: dict[str, int] | None = None


def listen(connection: BaseDatabaseWrapper, **_said: Any) -> None:
    """Hear on a connection which versions are raised. Pools lend the same one again and again: it is told once."""
    raw = connection.connection
    with contextlib.suppress(ValueError):
        raw.remove_notice_handler(_hear)
    raw.add_notice_handler(_hear)
    if _by_itself not in connection.execute_wrappers:
        # Whoever adds one for a while takes away the last.
        connection.execute_wrappers.insert(0, _by_itself)


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
    found = _raised() if connection.in_atomic_block else alone.raised
    if found is None:
        # By whatever else runs statements, this one has not ended yet: nothing can be asked on this connection.
        announce([bare(user_id, version)])
    else:
        found[user_id] = version


def _by_itself(execute: Callable[..., Any], *words: Any) -> Any:
    """Run a statement; outside any transaction it has committed when it has ended, and not before."""
    if connection.in_atomic_block or alone.raised is not None:
        return execute(*words)
    announcement = Announcement()
    alone.raised = announcement.raised
    try:
        found = execute(*words)
    finally:
        alone.raised = None
    if announcement.raised:
        announcement()
    return found


def _raised() -> Raised:
    """Return what the transaction or savepoint that is open has raised."""
    inside, place, whole = set(connection.savepoint_ids), 0, None
    for within, waiting in (each[:2] for each in connection.run_on_commit):
        if not isinstance(waiting, Raised):
            whole = waiting if isinstance(waiting, Announcement) else None
            break
        if within == inside:
            return waiting
        place += 1
    # Before all else that waits for the commit, such as a broker that is away; whichever savepoint is rolled back.
    hooks: list[Any] = connection.run_on_commit
    if whole is None:
        whole = Announcement()
        hooks.insert(place, (set(), whole, True))
    made = Raised(whole)
    hooks.insert(place, (inside, made, True))
    return made


def _again(versions: Mapping[str, int]) -> bool:
    return shelf.here().tell_again([bare(*each) for each in versions.items()])


repeats = Repeats(_again)
alone = Alone()
