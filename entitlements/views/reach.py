"""Whose access a principal may ask about: his own, and that of the members of the family that he leads."""

from __future__ import annotations

from django.http import Http404
from rest_framework.request import Request

from config.api import permissions
from entitlements import families


def subject(request: Request, user_id: str) -> str:
    """Return `user_id` when it is within reach; a user beyond it is a 404, the same as an absent one."""
    me = permissions.owner(request)
    if me is not None and user_id != me and not families.leads(me, user_id):
        raise Http404
    return user_id
