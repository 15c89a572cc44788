"""Answers that differ in nothing but who asks, his source and his dates: worked out for one, and told to the others.

A user with one grant of a feature that is not metered, in force, with no override and no date near, is answered like
everybody who bought the same. What is said of him is worked out by the same functions as any answer, once, with a mark
in the place of each thing that is his alone; nothing here decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring
from secrets import token_hex
from typing import Any

from entitlements import access, facts
from entitlements.decisions import KEPT, NO_KEPT, Decision
from entitlements.packing import Unfolded
from entitlements.serializers.answers import moment, shown
from entitlements.serializers.rendering import rendered
from entitlements.spans import Grant
from pricing.models import Feature

# In the order in which they stand in an answer. Nobody can write a mark who does not know it.
USER, SOURCE, GRACE, END, AS_OF, FRESH = MARKS = tuple(token_hex(16) for _each in range(6))
MARK = re.compile("|".join(f'"{mark}"' for mark in MARKS).encode())
MOST = 4096


@dataclass(frozen=True, slots=True)
class Outline:
    """An answer with the places of what is one user's alone; it holds for grants of these very `terms`."""

    terms: Mapping[str, Any]
    text: bytes
    has_grace: bool
    has_end: bool
    allowed: bool

    def filled(self, user_id: str, together: Mapping[str, Any], at: datetime) -> bytes:
        """Write the answer to one user."""
        words = [user_id, together["source_id"]]
        words += [moment(together["grace_until"])] if self.has_grace else []
        words += [moment(together["ends_at"])] if self.has_end else []
        words += [moment(at), moment(at + (KEPT if self.allowed else NO_KEPT))]
        return self.text % tuple([encode_basestring(word).encode() for word in words])


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
        outline = _drawn(question, terms, at, catalog)
        if outline is None:
            return None
        if len(_outlines) >= MOST:
            _outlines.clear()
        _outlines[kind] = outline
    return outline.filled(known.user_id, together, at)


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
    question: access.Question, terms: Mapping[str, Any], at: datetime, catalog: access.Catalog
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
    text = rendered(marked)
    if [each[1:-1].decode() for each in MARK.findall(text)] != _marks(grant):
        return None
    text = MARK.sub(b"%b", text.replace(b"%", b"%%"))
    return Outline(terms, text, grant.grace_until is not None, grant.ends_at is not None, decision.allowed)


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
