"""What may be said of an error where it is kept: its class, its code, where it rose. Never its words or values."""

from __future__ import annotations

import re
from types import TracebackType

CODE = re.compile(r"[A-Za-z0-9_]{1,64}")
MOST_FRAMES = 30


def named(error: BaseException) -> str:
    """Name an error by its class and its code: Postgres's SQLSTATE, Stripe's code, or our own."""
    for source in (error, error.__cause__):
        for attribute in ("sqlstate", "stripe_code", "code"):
            code = getattr(source, attribute, None)
            if isinstance(code, str) and CODE.fullmatch(code):
                return f"{type(error).__name__} {code}"
    return type(error).__name__


def traced(error: BaseException) -> list[str]:
    """Return an error and what caused it, each with the places it came through, the innermost last."""
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines += [named(current), *_places(current.__traceback__)]
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return lines


def _places(trace: TracebackType | None) -> list[str]:
    places: list[str] = []
    while trace is not None:
        frame = trace.tb_frame
        places.append(f"{frame.f_globals.get('__name__', '?')}:{trace.tb_lineno} {frame.f_code.co_name}")
        trace = trace.tb_next
    return places[-MOST_FRAMES:]
