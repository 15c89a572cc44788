"""The fast lane for one plain use, in front of Django: those who come at the same moment are written down together.

It answers when everything is known: a token that was verified and still holds, a plain use of one counter, the
database's time, a rest of the quota, and that the use was written down now. Every other request goes to Django as it
came: what was written down before, what does not fit, what reaches a threshold.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import Error, connection
from rest_framework.exceptions import APIException

from config.api import parsing
from config.api.strict import finished
from config.lane_callers import Caller
from config.post_lane import PostLane
from entitlements import purses
from entitlements.convoys import Convoy, Gone
from entitlements.serializers.rendering import quoted
from entitlements.serializers.usage import plain_use
from entitlements.together import Entry
from entitlements.usage import AHEAD, Use
from events import clock

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PATH, LONGEST_BODY = "/api/v1/usage", 4096
OFFSET = -len("+00:00")


class UsageLane(PostLane):
    """The lane for uses."""

    path, operation, status = PATH, "POST usage", "201 Created"
    longest = LONGEST_BODY

    def __init__(self, django: WSGIApplication):
        super().__init__(django)
        self._convoy = Convoy()

    def _text(self, body: bytes, caller: Caller, started: float) -> bytes | None:
        use = _use(body)
        now, entry = _entry(use) if use else (None, None)
        if use is None or now is None or entry is None:
            return None
        gone = self._convoy.ride(use, use.asking(caller.name), entry, now)
        return _body(use, gone) if gone else None


def _use(body: bytes) -> Use | None:
    try:
        row = parsing.read(body)
    except APIException:
        return None
    use = plain_use(row) if isinstance(row, dict) else None
    return use if use is not None and use.units > 0 else None


def _entry(use: Use) -> tuple[datetime | None, Entry | None]:
    now = clock.peek()
    if now is not None and (use.at is None or use.at <= now + AHEAD):
        purse = purses.near(use.user_id, use.feature_code, use.at or now)
        if purse is not None:
            return now, purse.entry
    return _asked(use, now)


def _asked(use: Use, now: datetime | None) -> tuple[datetime | None, Entry | None]:
    try:
        now = now or clock.now()
        if use.at is not None and use.at > now + AHEAD:
            return now, None
        return now, purses.entry_of(use.user_id, use.feature_code, use.at or now)
    except Error:
        return None, None
    finally:
        # Given back to the pool at once: threads come and go.
        connection.close()


def _body(use: Use, gone: Gone) -> bytes:
    # As `rendered` writes it, and sooner.
    return finished(
        f'{{"id":"{gone.item.id}","event_id":{quoted(use.event_id)},"user_id":{quoted(use.user_id)},'
        f'"feature_code":{quoted(use.feature_code)},"units":{use.units},"overage":{gone.overage},'
        f'"at":"{_told(gone.item.at)}","recorded_at":"{_told(gone.recorded_at)}",'
        '"reservation_id":null,"corrects":null,"reason":"","metadata":{}}'
    )


def _told(moment: datetime) -> str:
    return f"{moment.isoformat()[:OFFSET]}Z"


def before(django: WSGIApplication) -> WSGIApplication:
    """Put the lane in front of Django; the setting USAGE_FAST_LANE closes it."""
    return UsageLane(django) if settings.USAGE_FAST_LANE else django
