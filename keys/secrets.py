"""What a key looks like: `fbk_<prefix>_<secret>`."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from config.api.authentication import SERVICE_KEY

SECRET_BYTES = 32
FORM = re.compile(rf"{SERVICE_KEY}([0-9a-f]{{12}})_([0-9a-f]{{{2 * SECRET_BYTES}}})", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A key in plain; it never prints itself."""

    prefix: str
    text: str

    @property
    def digest(self) -> bytes:
        """Return what is kept of it: SHA-256.

        A slow hash guards words that people choose. 32 random bytes cannot be searched through, and a slow hash on
        each check would only cost the checks.
        """
        return hashlib.sha256(self.text.encode()).digest()


def new() -> Secret:
    """Make a key of 256 random bits."""
    prefix = secrets.token_hex(6)
    return Secret(prefix, f"{SERVICE_KEY}{prefix}_{secrets.token_hex(SECRET_BYTES)}")


def read(text: str) -> Secret | None:
    """Read a key as it came in; None when it is none."""
    match = FORM.fullmatch(text)
    return Secret(match.group(1), text) if match else None
