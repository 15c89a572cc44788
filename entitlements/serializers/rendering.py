"""An answer as DRF's own renderer writes it, without a view around it."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import Any


def rendered(answer: Any) -> bytes:
    """Write JSON."""
    return finished(json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def finished(text: str) -> bytes:
    """Return JSON as it is sent."""
    # Two line ends of JavaScript that are none of JSON.
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


def quoted(text: str) -> str:
    """Write a text as `rendered` does."""
    return encode_basestring(text)
