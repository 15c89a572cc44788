"""The client: questions, uses and reservations."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from farebox_client.answers import Answers, Decision, Policy, Recorded, Wrong
from farebox_client.errors import Unreachable
from farebox_client.keeping import Kept, Question
from farebox_client.reservations import Reservation
from farebox_client.sending import Line, Patience, Token

MOST_OF_EACH = 100
# After a failure nobody waits for a Farebox that is away: one question a second tries it, the others fall back.
AWAY_SECONDS = 1.0
VISIBLE = re.compile("[!-~]{1,255}")
QUESTIONS, USES = Patience(total=2.0, tries=2), Patience(total=10.0)

Read = TypeVar("Read")


class Farebox:
    """May be shared by threads, and should be: it keeps connections and answers.

    `token` is a service key, or a callable that gives a token for each request. `fail_policy` says for each feature
    what counts when no answer comes: "open" or "closed", which is that of features it does not name.
    """

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        cache_seconds: float = 30.0,
        cache_size: int = 10_000,
        fail_policy: Mapping[str, Policy] | None = None,
        questions: Patience = QUESTIONS,
        uses: Patience = USES,
        transport: httpx.BaseTransport | None = None,
    ):
        self._line = Line(base_url, token, transport)
        self._kept = Kept(cache_seconds, cache_size)
        self._fail_policy = dict(fail_policy or {})
        if unknown := set(self._fail_policy.values()) - {"open", "closed"}:
            raise ValueError(f"A fail policy is open or closed, not {sorted(unknown)}.")
        self._questions, self._uses = questions, uses
        self._away_until = 0.0
        self._lock = threading.Lock()

    def check(self, user_id: str, feature_code: str, *, requested: int = 1, family_id: str | None = None) -> Decision:
        """Decide whether the user may use so many units of the feature. Raises Refused for a malformed question."""
        question = (feature_code, requested, family_id)
        known = self._kept.find(user_id, question)
        return self._ask(user_id, question) if known is None else known

    def check_many(self, user_ids: Sequence[str], feature_codes: Sequence[str]) -> Answers:
        """Decide each feature for each user, in one request for each 100 users and 100 features. Raises Refused."""
        found: dict[tuple[str, str], Decision] = {}
        wrong: list[Wrong] = []
        for first in range(0, len(user_ids), MOST_OF_EACH):
            users = user_ids[first : first + MOST_OF_EACH]
            for start in range(0, len(feature_codes), MOST_OF_EACH):
                decisions, told = self._ask_many(users, feature_codes[start : start + MOST_OF_EACH])
                found |= decisions
                # The same user is wrong with every feature: once is enough.
                wrong += [] if start else [Wrong(first + one["index"], one["code"], one["detail"]) for one in told]
        return Answers(found, tuple(wrong))

    def record(
        self,
        user_id: str,
        feature_code: str,
        units: int = 1,
        *,
        event_id: str | None = None,
        at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Recorded:
        """Write down a use, once under `event_id` however often it is sent: name it, to send it again after a crash.

        Raises Refused, with the reason's code where the use does not fit, and Unreachable.
        """
        event_id = event_id or uuid4().hex
        said: dict[str, Any] = {"user_id": user_id, "feature_code": feature_code, "units": units, "event_id": event_id}
        said |= {"at": at.isoformat()} if at else {}
        said |= {"metadata": dict(metadata)} if metadata else {}
        try:
            # Its id is its key, whatever letters it has: it stands in the body.
            reply = self._line.send("usage", said, patience=self._uses)
        finally:
            self._kept.forget(user_id)
        return Recorded(event_id, reply.replayed, reply.body)

    def reserve(
        self, user_id: str, feature_code: str, units: int = 1, *, expires_in: int = 300, key: str | None = None
    ) -> Reservation:
        """Hold units for `expires_in` seconds, until they are committed or released.

        Raises Refused, with the reason's code where they do not fit, and Unreachable.
        """
        if key is not None and not VISIBLE.fullmatch(key):
            raise ValueError("A key is 1 to 255 visible ASCII characters.")
        said = {"user_id": user_id, "feature_code": feature_code, "units": units, "expires_in": expires_in}
        try:
            reply = self._line.send("usage/reservations", said, key=key or uuid4().hex, patience=self._uses)
        finally:
            self._kept.forget(user_id)
        return Reservation(self._line, self._uses, self._kept, user_id, reply.body)

    def forget(self, user_id: str | None = None) -> None:
        """Forget what was answered about a user, or about all: what is told of a change need not wait."""
        self._kept.forget(user_id)

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def __enter__(self) -> Farebox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, user_id: str, question: Question) -> Decision:
        feature_code, requested, family_id = question
        said = {"user_id": user_id, "feature_code": feature_code, "requested": requested}
        said |= {"family_id": family_id} if family_id else {}
        asked_at, mark = monotonic(), self._kept.mark(user_id)
        try:
            decision = _told(Decision.of, self._answered("entitlements/check", said))
        except Unreachable:
            return self._fallback(user_id, feature_code)
        self._kept.keep(user_id, question, decision, asked_at=asked_at, mark=mark)
        return decision

    def _ask_many(
        self, user_ids: Sequence[str], feature_codes: Sequence[str]
    ) -> tuple[dict[tuple[str, str], Decision], Sequence[Mapping[str, Any]]]:
        asked_at, marks = monotonic(), {user_id: self._kept.mark(user_id) for user_id in user_ids}
        said = {"user_ids": list(user_ids), "feature_codes": list(feature_codes)}
        try:
            decisions, errors = _told(_many, self._answered("entitlements/check-bulk", said))
        except Unreachable:
            return {(user, code): self._fallback(user, code) for user in user_ids for code in feature_codes}, ()
        for one in decisions:
            mark = marks.get(one.user_id, -1)
            self._kept.keep(one.user_id, (one.feature_code, 1, None), one, asked_at=asked_at, mark=mark)
        return {(one.user_id, one.feature_code): one for one in decisions}, errors

    def _answered(self, path: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask, unless Farebox was away a moment ago. Raises Refused and Unreachable."""
        with self._lock:
            now = monotonic()
            if now < self._away_until:
                raise Unreachable("Farebox was away a moment ago.")
            if self._away_until:
                # This one tries; the others need not wait for what it finds.
                self._away_until = now + self._questions.total
        away_until = 0.0
        try:
            return self._line.send(path, said, patience=self._questions).body
        except Unreachable as error:
            away_until = monotonic() + AWAY_SECONDS if error.away else 0.0
            raise
        finally:
            self._away_until = away_until

    def _fallback(self, user_id: str, feature_code: str) -> Decision:
        return Decision.fallback(user_id, feature_code, self._fail_policy.get(feature_code, "closed"))


def _told(read: Callable[[Mapping[str, Any]], Read], said: Mapping[str, Any]) -> Read:
    """Read an answer; what is none of ours came from something else on the way. Raises Unreachable."""
    try:
        return read(said)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable(f"no answer of Farebox's: {error!r}") from error


def _many(said: Mapping[str, Any]) -> tuple[list[Decision], Sequence[Mapping[str, Any]]]:
    return [Decision.of(each) for each in said["data"]], said["errors"]
