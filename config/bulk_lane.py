"""The fast lane for bulk checks, in front of Django: the same functions on the same facts, without what is around them.

It answers when everything is known: a token that was verified and still holds, a question of now within the caller's
reach, a rest of the quota. Every other request goes to Django as it came. The headers of the answer are learned from
Django's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from config.api.parsing import MAX_BODY_BYTES
from config.api.roles import Reach
from config.lane_callers import Caller
from config.lane_lists import Listed, Lists
from config.lane_pages import Pages
from config.post_lane import PostLane

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PATH = "/api/v1/entitlements/check-bulk"


class BulkLane(PostLane):
    """The lane for bulk checks."""

    path, operation, status = PATH, "POST entitlement-check-bulk", "200 OK"
    longest = MAX_BODY_BYTES

    def __init__(self, django: WSGIApplication):
        super().__init__(django)
        self._lists, self._pages = Lists(), Pages()

    def _text(self, body: bytes, caller: Caller, started: float) -> bytes | None:
        asked = self._lists.of(body)
        return self._pages.body(asked, started) if asked and _reaches(caller, asked) else None


def _reaches(caller: Caller, asked: Listed) -> bool:
    return caller.reaches["POST"] is Reach.ANY or asked.user_ids == (caller.user_id,)


def before(django: WSGIApplication) -> WSGIApplication:
    """Put the lane in front of Django; the setting CHECK_FAST_LANE closes it."""
    return BulkLane(django) if settings.CHECK_FAST_LANE else django
