"""Values that name a person stand in history as salted commitments, never in plain.

A commitment is SHA-256 of the person's salt and the value. Who holds the value can show that it was this one, while
the salt is kept. Erasing the salt erases what history says of the value, and no hash of the chain changes.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from events.models import Salt

SALT_BYTES = 32
# Keys whose values are personal whatever they hold. A plan has a `name` too: a person's is told by a longer key.
PERSONAL = {
    "email",
    "e_mail",
    "email_address",
    "phone",
    "phone_number",
    "address",
    "billing_details",
    "billing_address",
    "shipping",
    "full_name",
    "first_name",
    "last_name",
    "customer_name",
    "cardholder_name",
    "ip",
    "ip_address",
    "date_of_birth",
    "tax_id",
    "receipt_email",
}
ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
# The product's own id of a user, which every row of the user's history names anyway, as its subject.
OPAQUE = frozenset({"user_id"})


def commit(value: Any, *, of: str) -> dict[str, str]:
    """Commit to a value of a person (`of` is a subject such as `user:42`). Same person and value, same commitment."""
    made = {"salt": secrets.token_bytes(SALT_BYTES)}
    row, _ = Salt.objects.get_or_create(subject=of, defaults=made)
    return {"commitment": _digest(bytes(row.salt), value)}


def opens(commitment: Mapping[str, str], value: Any, *, of: str) -> bool:
    """Say whether this was the value. Always no when the person's salt is erased."""
    row = Salt.objects.filter(subject=of).first()
    return row is not None and secrets.compare_digest(commitment["commitment"], _digest(bytes(row.salt), value))


def erase(subject: str) -> bool:
    """Make every commitment of a person say nothing for good, and say whether there was any. May be repeated."""
    return bool(Salt.objects.filter(subject=subject).delete()[0])


def without_persons(value: Any, *, of: str) -> Any:
    """Put commitments in the place of personal values: those under a personal key, and texts with an e-mail address."""
    if isinstance(value, Mapping):
        return {key: _kept(str(key), inner, of) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_persons(inner, of=of) for inner in value]
    if isinstance(value, str) and ADDRESS.search(value):
        return commit(value, of=of)
    return value


def _kept(key: str, value: Any, of: str) -> Any:
    if key in OPAQUE or value in (None, ""):
        return value
    return commit(value, of=of) if key.lower() in PERSONAL else without_persons(value, of=of)


def _digest(salt: bytes, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(salt + text.encode()).hexdigest()
