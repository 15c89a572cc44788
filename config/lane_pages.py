"""What the bulk lane answers: each user's decisions by the same functions, kept in parts until they could be others.

Most parts of an answer are the same for many users, and are kept once; the moments are the same for a whole body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from secrets import token_hex

from django.db import Error, connection

from config.lane_lists import Listed
from config.lane_recent import Recent
from entitlements import access, snapshot
from entitlements.access import Question
from entitlements.decisions import KEPT, NO_KEPT, Decision
from entitlements.facts import Facts
from entitlements.meters import NO_TALLIES
from entitlements.serializers.answers import moment as shown_moment
from entitlements.serializers.answers import shown
from entitlements.serializers.rendering import rendered
from entitlements.spans import FAR
from events import clock

MOST_BYTES, MOST_SHARED = 32 * 1024 * 1024, 10_000
# A page and the facts that it is of; a part that is its own; a place for one.
PAGE_BYTES, PART_BYTES, PLACE_BYTES = 3500, 40, 8
# Stand where the user and the moments will stand; nobody can write them who does not know them.
USER, MOMENTS = token_hex(16), token_hex(16)
# An answer is what stands before the user, the user, what stands before the moments, and the moments to its end.
PARTS = 4
# What the moments of an answer are: a yes', a no's, or none, where the answer stands whole.
YES, NO, WHOLE = range(3)
Moments = tuple[bytes, bytes, bytes]
# All that is told of a decision but the user and the moments.
UNSAID = {"user_id", "as_of", "changes_at", "asked_at"}
SAID = attrgetter(*(field.name for field in fields(Decision) if field.name not in UNSAID))


@dataclass(slots=True)
class Page:
    """One user's answers from these facts, but for the moments, which `chosen` chooses for each.

    Good from `since` until `until`, in microseconds since 1970. What counters decide, or a date that is near, is
    answered each time: `open` has the places of these questions.
    """

    known: Facts
    since: int
    until: int
    parts: list[bytes]
    chosen: Callable[[Moments], tuple[bytes, ...]]
    open: Sequence[tuple[int, Question]]
    size: int

    def takes(self, known: Facts) -> bool:
        """Say whether it is good for these facts too: the same ones were read again, or unpacked again."""
        if self.known is not known and self.known != known:
            return False
        self.known = known
        return True


class Pages:
    """Those that were made last."""

    def __init__(self) -> None:
        self._kept: Recent[tuple[str, bytes], Page] = Recent(MOST_BYTES)
        # The answers that many have, such as those about what they were never granted.
        self._shared: dict[tuple[object, ...], tuple[bytes, bytes]] = {}

    def body(self, asked: Listed, now: float) -> bytes | None:
        """Return the answer at `now` (`time.monotonic()`); None when it cannot be had."""
        try:
            moment = clock.ticks(now)
            pages = None if moment is None else self._ready(asked, now, moment)
            if moment is None or pages is None:
                pages, moment = self._made(asked)
            return _body(pages, clock.EPOCH + timedelta(microseconds=moment), asked.ending)
        except Error:
            return None
        finally:
            # Given back to the pool at once: threads come and go.
            if connection.connection is not None:
                connection.close()

    def _ready(self, asked: Listed, now: float, moment: int) -> list[Page] | None:
        pages, get, peek, name = [], self._kept.get, snapshot.peek, asked.name
        for user_id in asked.user_ids:
            page, known = get((user_id, name)), peek(user_id, now)
            if page is None or known is None or not page.since <= moment < page.until:
                return None
            if page.known is not known and not page.takes(known):
                return None
            pages.append(page)
        return pages

    def _made(self, asked: Listed) -> tuple[list[Page], int]:
        known = snapshot.current_many(asked.user_ids)
        at = clock.near()
        moment, pages = clock.microseconds(at), []
        for user_id in asked.user_ids:
            page = self._kept.get((user_id, asked.name))
            if page is None or not page.since <= moment < page.until or not page.takes(known[user_id]):
                page = self._page(known[user_id], asked.feature_codes, at)
                self._kept.put((user_id, asked.name), page)
            pages.append(page)
        return pages, moment

    def _page(self, known: Facts, codes: Iterable[str], at: datetime) -> Page:
        user, until, size = rendered(known.user_id), FAR, PAGE_BYTES
        parts: list[bytes] = []
        kinds: list[int] = []
        open_: list[tuple[int, Question]] = []
        for code in codes:
            question, size = Question(known, code), size + PLACE_BYTES * PARTS
            decision = None if access.keys(question, at) else access.answer(question, NO_TALLIES, at)
            ends = decision.changes_at if decision else None
            if decision is None or (ends is not None and ends < at + KEPT):
                open_.append((len(parts), question))
                parts += (b"", b"", b"", b"")
                kinds.append(WHOLE)
                until = min(until, ends or FAR)
                continue
            before, between, own = self._cut(decision)
            parts += (before, user, between, b"")
            kinds.append(YES if decision.allowed else NO)
            until, size = min(until, ends - KEPT if ends else FAR), size + own
        chosen = itemgetter(*kinds) if len(kinds) > 1 else itemgetter(slice(kinds[0], kinds[0] + 1))
        return Page(known, clock.microseconds(at), clock.microseconds(until), parts, chosen, open_, size)

    def _cut(self, decision: Decision) -> tuple[bytes, bytes, int]:
        """Return what stands before the user and before the moments, and how many bytes that is this user's alone."""
        if decision.source is not None or decision.value is not None:
            before, between = _cut(decision)
            return before, between, len(before) + len(between) + 2 * PART_BYTES
        said = SAID(decision)
        if (shared := self._shared.get(said)) is None:
            if len(self._shared) >= MOST_SHARED:
                self._shared.clear()
            self._shared[said] = shared = _cut(decision)
        return *shared, 0


def _cut(decision: Decision) -> tuple[bytes, bytes]:
    said = {**shown(decision), "user_id": USER, "as_of": MOMENTS, "fresh_until": ""}
    before, _, rest = rendered(said).partition(f'"{USER}"'.encode())
    between, _, _ = rest.partition(MOMENTS.encode())
    return before, between


def _body(pages: Sequence[Page], at: datetime, ending: bytes) -> bytes:
    moments = _moments(at, KEPT), _moments(at, NO_KEPT), b""
    text, places, questions = [b'{"data":['], [], []
    for page in pages:
        start = len(text)
        text += page.parts
        text[start + PARTS - 1 :: PARTS] = page.chosen(moments)
        for place, question in page.open:
            places.append(start + place)
            questions.append(question)
    for place, decision in zip(places, access.answers(questions, at=at), strict=True) if places else ():
        text[place + PARTS - 1] = rendered(shown(decision)) + b","
    text[-1] = text[-1][:-1]
    text.append(ending)
    return b"".join(text)


def _moments(at: datetime, kept: timedelta) -> bytes:
    return f'{shown_moment(at)}","fresh_until":"{shown_moment(at + kept)}"}},'.encode()
