"""Stripe's times are whole unix seconds."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(seconds: int) -> datetime:
    """Return the moment of a unix time, in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def maybe(seconds: int | None) -> datetime | None:
    """Return the moment of a unix time that Stripe may leave out."""
    return None if seconds is None else moment(seconds)
