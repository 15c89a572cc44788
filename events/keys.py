"""The key that signs seals, and the keys that are believed."""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

KEY_BYTES = 32


class NoSigningKey(Exception):
    """HISTORY_SIGNING_KEY is missing, or no key."""


def signing() -> Ed25519PrivateKey:
    """Return the key that signs. Raises NoSigningKey."""
    return Ed25519PrivateKey.from_private_bytes(_thirty_two(settings.HISTORY_SIGNING_KEY, "HISTORY_SIGNING_KEY"))


def public(key: Ed25519PrivateKey) -> str:
    """Return the public half in hex."""
    return key.public_key().public_bytes_raw().hex()


def trusted() -> frozenset[str]:
    """Return the public keys, in hex, whose seals are believed: the present one's, and HISTORY_PUBLIC_KEYS.

    Who only verifies needs no signing key. Raises NoSigningKey for one that is none.
    """
    named = {_thirty_two(text, "HISTORY_PUBLIC_KEYS").hex() for text in settings.HISTORY_PUBLIC_KEYS}
    return frozenset(named | ({public(signing())} if settings.HISTORY_SIGNING_KEY else set()))


def require_sound() -> None:
    """Raise NoSigningKey when a key is missing or none."""
    signing()
    for key in trusted():
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))


def _thirty_two(text: str, name: str) -> bytes:
    """Read 32 bytes from hex or base64."""
    try:
        found = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        found = b""
    if len(found) != KEY_BYTES:
        raise NoSigningKey(f"{name} must be 32 bytes, in hex or base64.")
    return found
