"""How long, as people write it."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import timedelta

UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def span(text: str) -> timedelta:
    """Read 30m, 2h or 7d."""
    if not (found := re.fullmatch(r"(\d{1,5})([mhd])", text)):
        raise ArgumentTypeError(f"{text!r} is no span such as 30m, 2h or 7d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})
