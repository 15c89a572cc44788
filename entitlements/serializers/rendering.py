"""An answer as DRF's own renderer writes it, without a view around it."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import Any

from config.api.strict import finished


def rendered(answer: Any) -> bytes:
    """Write JSON."""
    return finished(json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def quoted(text: str) -> str:
    """Write a text as `rendered` does."""
    return encode_basestring(text)
