"""History as lines of JSON, for a verifier that trusts neither our code nor our database."""

from __future__ import annotations

import json
from dataclasses import asdict

from events import sealing, witness
from events.chain import rows


def write(path: str) -> int:
    """Write every event, in the order of the chains, then every seal; return the count of lines."""
    count = 0
    with open(path, "w", encoding="utf-8") as out:
        for row in rows():
            out.write(json.dumps({"event": asdict(row)}) + "\n")
            count += 1
        for said in sealing.statements():
            out.write('{"seal": ' + witness.line(said).strip() + "}\n")
            count += 1
    return count
