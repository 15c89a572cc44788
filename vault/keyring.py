"""The keys, newest first: ENCRYPTION_KEYS (`id:key,id:key`), then ENCRYPTION_KEY."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from vault.errors import BadKey, UnknownKey

KEY_BYTES = 32
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the ring, and the two that are derived from it: sealing and searching never share one."""

    id: str
    sealing: bytes = field(repr=False)
    index: bytes = field(repr=False)


def ring() -> tuple[Key, ...]:
    """Return every key, newest first: the first seals, all open. Raises BadKey, without the key in its text."""
    return _ring(settings.ENCRYPTION_KEYS, settings.ENCRYPTION_KEY)


def newest() -> Key:
    """Return the key that seals now."""
    return ring()[0]


def by_id(key_id: str) -> Key:
    """Return the key of this id. Raises UnknownKey."""
    found = next((key for key in ring() if key.id == key_id), None)
    if found is None:
        raise UnknownKey(key_id)
    return found


def read(text: str) -> bytes:
    """Read 32 bytes from 32 ASCII characters, or from their hex or base64 (ruling 34). Raises BadKey."""
    if len(text) == KEY_BYTES and text.isascii() and text.isprintable():
        return text.encode()
    if re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        return bytes.fromhex(text)
    try:
        key = base64.b64decode(text.rstrip("=").replace("-", "+").replace("_", "/") + "=", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise BadKey("An encryption key must be 32 ASCII characters, or 32 bytes in hex or base64.")
    return key


@cache
def _ring(several: str, single: str) -> tuple[Key, ...]:
    named = [_named(entry) for entry in several.split(",") if entry.strip()]
    keys = [_derived(key_id, read(text)) for key_id, text in named]
    if single:
        key = read(single)
        # Its id is made from the key: another key under the same setting is another key, never a wrong one.
        keys.append(_derived(_derive(key, "key id").hex()[:8], key))
    if not keys:
        raise BadKey("ENCRYPTION_KEY is missing.")
    if len({key.id for key in keys}) < len(keys):
        raise BadKey("Two encryption keys have one id.")
    return tuple(keys)


def _named(entry: str) -> tuple[str, str]:
    key_id, colon, text = entry.strip().partition(":")
    if not colon or not KEY_ID.fullmatch(key_id):
        raise BadKey("ENCRYPTION_KEYS must be id:key,id:key with ids of 1 to 32 letters, digits, - or _.")
    return key_id, text


def _derived(key_id: str, key: bytes) -> Key:
    return Key(key_id, _derive(key, "sealing"), _derive(key, "blind index"))


def _derive(key: bytes, use: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"farebox {use} v1".encode()).derive(key)
