"""Seals: every few minutes a signed statement of all events since the last, and of the seal before.

The chain of a subject shows what was changed or taken out of its middle; a seal shows what is missing at its end, or
altogether. The chain is of each subject, because one chain of all would make every purchase wait for every other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection, transaction
from django.db.models import Max

from events import clock, keys
from events.chain import NOTHING, moment, parts
from events.models import Seal

# One seal's events at most: what an UPDATE moves in seconds.
BATCH = 20_000
LOCK = 0x7365616C
TAKE = """
    UPDATE events_event SET seal_number = %s
    WHERE id IN (SELECT id FROM events_event WHERE seal_number IS NULL ORDER BY id LIMIT %s)
    RETURNING id, hash
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a seal says, as it leaves the database."""

    number: int
    at: str
    leaves: bytes
    previous_hash: bytes
    key: str
    signature: bytes = b""

    @property
    def signed(self) -> bytes:
        """Return what the signature is of."""
        digest = hashlib.sha256(self.leaves).hexdigest()
        return parts(
            "farebox-seal-1", str(self.number), self.at, str(self.count), digest, self.previous_hash.hex(), self.key
        )

    @property
    def hash(self) -> bytes:
        """Return what the next seal holds on to."""
        return hashlib.sha256(self.signed + self.signature).digest()

    @property
    def count(self) -> int:
        """Return how many events it covers."""
        return len(self.leaves) // 32

    @property
    def hashes(self) -> list[bytes]:
        """Return the hashes of its events, in order of their ids."""
        return [self.leaves[start : start + 32] for start in range(0, len(self.leaves), 32)]

    def is_signed_by(self, trusted: frozenset[str]) -> bool:
        """Say whether one of these public keys (hex) signed it."""
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key)).verify(self.signature, self.signed)
        except (InvalidSignature, ValueError):
            return False
        return self.key in trusted


def statement(seal: Seal) -> Statement:
    """Read a seal."""
    said = (bytes(seal.leaves), bytes(seal.previous_hash), seal.key, bytes(seal.signature))
    return Statement(seal.number, moment(seal.at), *said)


def statements(*, after: int = 0) -> Iterator[Statement]:
    """Read the seals beyond a number, in order."""
    return map(statement, Seal.objects.filter(number__gt=after).order_by("number").iterator(100))


def last_number() -> int:
    """Return the number of the newest seal; 0 when there is none."""
    return Seal.objects.aggregate(last=Max("number"))["last"] or 0


def seal_all() -> int:
    """Seal every event that no seal covers, in transactions of its own; return how many. May be repeated, and race.

    Raises NoSigningKey.
    """
    total = 0
    while sealed := _seal():
        total += sealed
    return total


@transaction.atomic
def _seal() -> int:
    key = keys.signing()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        last = Seal.objects.order_by("-number").first()
        number = last.number + 1 if last else 1
        cursor.execute(TAKE, [number, BATCH])
        rows = sorted((event_id, bytes(hash)) for event_id, hash in cursor.fetchall())
    if not rows:
        return 0
    at, leaves = clock.now(), b"".join(hash for _, hash in rows)
    previous = statement(last).hash if last else NOTHING
    said = Statement(number, moment(at), leaves, previous, keys.public(key))
    Seal.objects.create(
        number=number, at=at, leaves=leaves, previous_hash=previous, key=said.key, signature=key.sign(said.signed)
    )
    return len(rows)
