"""Verify an export of Farebox's history, with none of Farebox's code.

    python verify_history.py EXPORT --key PUBLIC_KEY [--key ...] [--seals seals.jsonl]

EXPORT comes from `manage.py verify_history --export`, PUBLIC_KEY (hex) from `manage.py seal_history --public-key`,
seals.jsonl from the second place. Exit code 1, with the first altered row, when anything does not hold.
Needs Python 3.11 and the package `cryptography`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASHED = ("id", "type", "subject", "sequence", "object", "actor", "request_id", "data")
HASHED += ("at", "created_at", "previous_hash")
NOTHING = "00" * 32


class Broken(Exception):
    """What does not hold."""


def joined(*texts: str) -> bytes:
    """Join texts so that no two lists of them look alike."""
    return b"".join(b"%d:%b" % (len(part), part) for part in (text.encode() for text in texts))


def check_event(event: dict[str, Any], before: dict[str, Any] | None) -> None:
    """Hold a row against its hash and the row before it in its subject."""
    name = f"{event['subject']} #{event['sequence']} ({event['id']})"
    if hashlib.sha256(joined("farebox-event-1", *(event[part] for part in HASHED))).hexdigest() != event["hash"]:
        raise Broken(f"{name}: it was altered")
    if int(event["sequence"]) != (int(before["sequence"]) if before else 0) + 1:
        raise Broken(f"{name}: the row before it is missing")
    if event["previous_hash"] != (before["hash"] if before else NOTHING):
        raise Broken(f"{name}: it holds on to another row than that before it")


def check_seal(seal: dict[str, Any], before: dict[str, Any] | None, covered: dict[str, str], keys: set[str]) -> str:
    """Hold a seal against its signature, the seal before it and the rows it covers (hash by id); return its hash."""
    name, leaves = f"seal {seal['number']}", bytes.fromhex(seal["leaves"])
    sealed = [leaves[start : start + 32].hex() for start in range(0, len(leaves), 32)]
    said = [str(seal["number"]), seal["at"], str(len(sealed)), hashlib.sha256(leaves).hexdigest()]
    signed = joined("farebox-seal-1", *said, seal["previous_hash"], seal["key"])
    if seal["number"] != (before["number"] if before else 0) + 1:
        raise Broken(f"{name}: the seal before it is missing")
    if seal["previous_hash"] != (before["own_hash"] if before else NOTHING) or seal["key"] not in keys:
        raise Broken(f"{name}: it holds on to another seal, or another key signed it")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal["key"])).verify(bytes.fromhex(seal["signature"]), signed)
    except InvalidSignature:
        raise Broken(f"{name}: its signature is not good") from None
    if [covered[event] for event in sorted(covered)] != sealed:
        odd = next((event for event in sorted(covered) if covered[event] not in sealed), "rows are missing")
        raise Broken(f"{name}: {len(sealed)} rows were sealed, {len(covered)} are here; the first that differs: {odd}")
    return hashlib.sha256(signed + bytes.fromhex(seal["signature"])).hexdigest()


def verify(export: Iterable[str], keys: set[str], seals: Iterable[str]) -> str:
    """Verify the lines of an export, and say what it holds. Raises Broken at the first that does not."""
    covered: dict[int | None, dict[str, str]] = defaultdict(dict)
    event = seal = None
    witnessed = [json.loads(line) for line in seals]
    for line in export:
        if "event" in (found := json.loads(line)):
            new = found["event"]
            check_event(new, event if event and event["subject"] == new["subject"] else None)
            event = new
            covered[new["seal_number"]][new["id"]] = new["hash"]
        else:
            new = found["seal"]
            if new["number"] <= len(witnessed) and witnessed[new["number"] - 1] != new:
                raise Broken(f"seal {new['number']}: the second place has another")
            seal = {**new, "own_hash": check_seal(new, seal, covered.pop(new["number"], {}), keys)}
    last, unsealed = seal["number"] if seal else 0, len(covered.pop(None, {}))
    if covered or last < len(witnessed):
        raise Broken(f"seal {last + 1} is missing")
    return f"It holds: {last} seals; {unsealed} rows are not sealed yet."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Verify an export of Farebox's history.")
    parser.add_argument("export", type=argparse.FileType(encoding="utf-8"))
    parser.add_argument("--key", action="append", required=True)
    parser.add_argument("--seals", type=argparse.FileType(encoding="utf-8"), default=())
    asked = parser.parse_args()
    try:
        print(verify(asked.export, set(asked.key), asked.seals))
    except Broken as reason:
        sys.exit(f"It does not hold. {reason}")
