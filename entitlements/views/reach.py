"""Whose access a principal may ask about: his own, and that of the members of the family that he leads."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import Http404
from rest_framework.request import Request

from config.api import permissions
from entitlements import families


def subject(request: Request, user_id: str) -> str:
    """Return `user_id` when it is within reach; a user beyond it is a 404, the same as an absent one."""
    return subjects(request, [user_id])[0]


def subjects(request: Request, user_ids: Sequence[str]) -> Sequence[str]:
    """Return them when all are within reach."""
    me = permissions.owner(request)
    if me is not None and any(user_id != me and not families.leads(me, user_id) for user_id in user_ids):
        raise Http404
    return user_ids
