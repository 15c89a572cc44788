"""Answers that differ in nothing but who asks, his source and his dates: worked out for one, and told to the others.

A user with one grant of a feature that is not metered, in force, with no override and no date near, is answered like
everybody who bought the same. What is said of him is worked out by the same functions as any answer, once, with a mark
in the place of each thing that is his alone; nothing here decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring
from secrets import token_hex
from typing import Any

from entitlements import access, facts
from entitlements.decisions import KEPT, NO_KEPT, Decision
from entitlements.packing import Unfolded
from entitlements.plain import Plain
from entitlements.serializers.answers import moment, shown
from entitlements.serializers.rendering import rendered
from entitlements.spans import Grant
from events import clock
from pricing.models import Feature

# In the order in which they stand in an answer. Nobody can write a mark who does not know it.
USER, SOURCE, GRACE, END, AS_OF, FRESH = MARKS = tuple(token_hex(16) for _each in range(6))
MARK = re.compile("|".join(f'"{mark}"' for mark in MARKS))
# A second and the rest of it are written apart: for many answers it is the same.
PLACES = {f'"{mark}"': '"%s%s"' if mark in {AS_OF, FRESH} else '"%s"' for mark in MARKS}
PLACES |= {f'"{mark}"': "%s" for mark in (USER, SOURCE)}
MOST = 4096
TICKS = 1_000_000
# Times are written in UTC, with Z for the offset.
EPOCH = clock.EPOCH.replace(tzinfo=None)
YES_SECONDS, NO_SECONDS = KEPT // timedelta(seconds=1), NO_KEPT // timedelta(seconds=1)
KEPT_TICKS = YES_SECONDS * TICKS


@dataclass(frozen=True, slots=True)
class Outline:
    """An answer with the places of what is one user's alone; it holds for grants of these very `terms`."""

    terms: Mapping[str, Any]
    text: str
    has_grace: bool
    has_end: bool
    allowed: bool

    def filled(self, user_id: str, source_id: str, grace_until: str | None, ends_at: str | None, at: int) -> bytes:
        """Write the answer to one user at a moment, in microseconds since 1970."""
        second, rest = divmod(at, TICKS)
        fraction = f".{rest:06d}Z" if rest else "Z"
        fresh = second + (YES_SECONDS if self.allowed else NO_SECONDS)
        own: tuple[str | None, ...] = (ends_at,) if self.has_end else ()
        own = (grace_until, *own) if self.has_grace else own
        moments = _second(second), fraction, _second(fresh), fraction
        return (self.text % (encode_basestring(user_id), encode_basestring(source_id), *own, *moments)).encode()


_outlines: dict[tuple[Any, ...], Outline] = {}


def told(question: access.Question, at: datetime, catalog: access.Catalog = facts.features) -> bytes | None:
    """Return the rendered answer to a question that is plain; None for one that is to be worked out."""
    known, code = question.known, question.feature_code
    if known.rules or question.family_id is not None or not isinstance(known.grants, Unfolded):
        return None
    rows = known.grants.rows(code)
    if len(rows) != 1:
        return None
    _id, together, terms = rows[0]
    # Terms that no plan gives are made anew with each user.
    if not terms["plan_id"] or not _is_plain(known.user_id, together, at):
        return None
    ends, grace = together["ends_at"] is not None, together["grace_until"] is not None
    kind = known.catalog, code, question.requested, id(terms), together["source_type"], ends, grace
    outline = _outlines.get(kind)
    if outline is None or outline.terms is not terms:
        outline = _drawn(kind, question, terms, at, catalog)
        if outline is None:
            return None
    return outline.filled(
        known.user_id,
        together["source_id"],
        moment(together["grace_until"]),
        moment(together["ends_at"]),
        clock.microseconds(at),
    )


def seen(plain: Plain, code: str, requested: int, at: int, catalog: int) -> bytes | None:
    """Return the same of whom no more is known than a packet that was read at sight. Asks nobody."""
    soon, ends_at, grace_until = at + KEPT_TICKS, plain.ends_at, plain.grace_until
    if plain.since > at or (ends_at is not None and ends_at <= soon):
        return None
    if (grace_until is not None and grace_until <= soon) or not plain.user_id.isascii():
        return None
    outline = _outlines.get((catalog, plain.head, code, requested))
    if outline is None:
        return None
    ends = None if ends_at is None else _written(ends_at)
    grace = None if grace_until is None else _written(grace_until)
    return outline.filled(plain.user_id, plain.source_id, grace, ends, at)


def learn(plain: Plain, question: access.Question, at: datetime, catalog: access.Catalog = facts.features) -> None:
    """Let those of whom the same is seen be told the same; the question is of what the packet says in full."""
    known, code = question.known, question.feature_code
    kind = known.catalog, plain.head, code, question.requested
    rows = known.grants.rows(code) if isinstance(known.grants, Unfolded) else []
    if len(rows) != 1 or kind in _outlines:
        return
    _id, together, terms = rows[0]
    # One that is not in force yet has another answer.
    if terms["plan_id"] and _is_plain(known.user_id, together, at):
        _drawn(kind, question, terms, at, catalog)


def _is_plain(user_id: str, together: Mapping[str, Any], at: datetime) -> bool:
    """Say whether the grant is his own and in force, and was and will be for longer than an answer may be kept."""
    if together["status"] != "active" or together["reason"] or together["user_id"] != user_id or together["family_id"]:
        return False
    if not user_id.isascii() or not together["source_id"].isascii():
        return False
    ends_at, grace_until, soon = together["ends_at"], together["grace_until"], at + KEPT
    return (
        together["starts_at"] <= at
        and together["granted_at"] <= at
        and together["status_at"] <= at
        and (ends_at is None or ends_at > soon)
        and (grace_until is None or grace_until > soon)
    )


def _drawn(
    kind: tuple[Any, ...], question: access.Question, terms: Mapping[str, Any], at: datetime, catalog: access.Catalog
) -> Outline | None:
    feature = catalog(question.known.catalog).get(question.feature_code)
    if feature is None or feature.kind == Feature.Kind.METERED or feature.archived_at is not None:
        return None
    (grant,) = question.known.grants[question.feature_code]
    (decision,) = access.answers([question], at=at, catalog=catalog)
    if not _is_as_expected(decision, grant, at):
        return None
    marked = shown(decision)
    marked |= {"user_id": USER, "as_of": AS_OF, "fresh_until": FRESH, "source": {**marked["source"], "id": SOURCE}}
    marked |= {"grace_until": GRACE} if grant.grace_until else {}
    marked |= {"expires_at": END} if grant.ends_at else {}
    text = rendered(marked).decode()
    if [each[1:-1] for each in MARK.findall(text)] != _marks(grant):
        return None
    text = MARK.sub(lambda mark: PLACES[mark[0]], text.replace("%", "%%"))
    outline = Outline(terms, text, grant.grace_until is not None, grant.ends_at is not None, decision.allowed)
    if len(_outlines) >= MOST:
        _outlines.clear()
    _outlines[kind] = outline
    return outline


def _is_as_expected(decision: Decision, grant: Grant, at: datetime) -> bool:
    """Say whether what is one user's alone stands where a mark would."""
    source, kept = decision.source, KEPT if decision.allowed else NO_KEPT
    return (
        (decision.user_id, decision.as_of, decision.fresh_until) == (grant.user_id, at, at + kept)
        and (decision.expires_at, decision.grace_until, decision.in_grace) == (grant.ends_at, grant.grace_until, False)
        and (decision.family_id, decision.period, source and source.id) == (None, None, grant.source_id)
    )


def _marks(grant: Grant) -> Sequence[str]:
    return [
        USER,
        SOURCE,
        *([GRACE] if grant.grace_until else []),
        *([END] if grant.ends_at else []),
        AS_OF,
        FRESH,
    ]


@lru_cache(maxsize=256)
def _second(second: int) -> str:
    return (EPOCH + timedelta(seconds=second)).isoformat()


def _written(moment: int) -> str:
    return (EPOCH + timedelta(microseconds=moment)).isoformat() + "Z"
