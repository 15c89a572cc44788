"""Seal a text so that only this ring opens it, and only where it was put: AES-256-GCM, `v1|key id|nonce|ciphertext`.

The table, the column and the row are authenticated with it (the AAD), so a value that is copied to another place does
not open there. 96-bit random nonces: one key may seal 2^32 values (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import cache
from json.encoder import encode_basestring_ascii as quoted
from ssl import RAND_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault import keyring
from vault.errors import NotReadable

VERSION = "v1"
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: `row` is what tells its row from every other for ever."""

    table: str
    column: str
    row: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of {self.row}"


class Sealed(str):
    """A sealed text, as it stands in the database."""

    __slots__ = ()

    @property
    def key_id(self) -> str:
        """Name the key that it was sealed with."""
        return self.split("|")[1]


def seal(text: str, place: Place) -> Sealed:
    """Seal with the newest key."""
    # OpenSSL's own: no call of the system's, for which other threads would go first; a fork draws others.
    key, nonce = keyring.newest(), RAND_bytes(NONCE_BYTES)
    sealed = _cipher(key.sealing).encrypt(nonce, text.encode(), _bound(key.id, place))
    return Sealed("|".join((VERSION, key.id, _text(nonce), _text(sealed))))


def unseal(sealed: str, place: Place) -> str:
    """Open what was sealed for this place. Raises UnknownKey, NotReadable."""
    parts = sealed.split("|")
    if len(parts) != 4 or parts[0] != VERSION:
        raise NotReadable(str(place))
    key = keyring.by_id(parts[1])
    try:
        nonce, closed = (base64.b64decode(part, validate=True) for part in parts[2:])
        # One sealed value has one spelling: base64 would let the last character vary.
        if (_text(nonce), _text(closed)) != (parts[2], parts[3]) or len(nonce) != NONCE_BYTES:
            raise NotReadable(str(place))
        return _cipher(key.sealing).decrypt(nonce, closed, _bound(key.id, place)).decode()
    except (InvalidTag, binascii.Error, ValueError):
        raise NotReadable(str(place)) from None


def looks_sealed(text: str) -> bool:
    """Say whether a text has the form of a sealed one."""
    return text.startswith(VERSION + "|") and text.count("|") == 3


def blind_index(text: str, purpose: str, key: keyring.Key | None = None) -> str:
    """Return what finds equal texts without opening them: HMAC-SHA256 under a key that is used for nothing else."""
    used = key or keyring.newest()
    return hmac.new(used.index, json.dumps([purpose, text]).encode(), hashlib.sha256).hexdigest()


def blind_indexes(text: str, purpose: str) -> list[str]:
    """Return the index under every key of the ring, to find rows that are not rotated yet."""
    return [blind_index(text, purpose, key) for key in keyring.ring()]


_cipher = cache(AESGCM)


def _bound(key_id: str, place: Place) -> bytes:
    # What `json.dumps` writes of a list of them.
    named = ", ".join(map(quoted, (VERSION, key_id, place.table, place.column, place.row)))
    return f"[{named}]".encode()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
