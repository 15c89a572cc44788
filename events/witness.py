"""The second place: a file that every seal is appended to, where the database's owner has no hand.

Put HISTORY_SEALS_DIR on another machine's disk, or copy its file there: then a history that was rewritten whole, seals
and all, differs from it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from django.conf import settings

from events import sealing
from events.sealing import Statement

FILE = "seals.jsonl"


class WitnessDiffers(Exception):
    """The second place knows of other seals than the database."""


def file() -> Path:
    """Return the file of the second place."""
    return Path(settings.HISTORY_SEALS_DIR) / FILE


def bear() -> int:
    """Append the seals that the file lacks, and return how many. May be repeated, and race.

    Raises WitnessDiffers when the file's last seal is not the database's of that number.
    """
    file().parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(file(), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640), "r+b") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        _complete(opened)
        last = _last(opened)
        _require_same(last)
        lines = [line(said) for said in sealing.statements(after=last["number"] if last else 0)]
        opened.write("".join(lines).encode())
        opened.flush()
        os.fsync(opened.fileno())
    return len(lines)


def differences() -> Iterator[str]:
    """Say where the file and the database's seals differ; nothing when there is no file."""
    if not file().exists():
        return
    with file().open("rb") as opened:
        for number, (written, said) in enumerate(zip_longest(opened, sealing.statements()), 1):
            if said is None:
                yield f"seal {number}: {file()} has it, the database does not"
            elif written is None:
                # Sealed, and not yet written down.
                return
            elif written != line(said).encode():
                yield f"seal {number}: {file()} and the database differ"


def line(said: Statement) -> str:
    """Write a seal as one line of JSON; bytes in hex."""
    whole = {
        "number": said.number,
        "at": said.at,
        "leaves": said.leaves.hex(),
        "previous_hash": said.previous_hash.hex(),
        "key": said.key,
        "signature": said.signature.hex(),
    }
    return json.dumps(whole) + "\n"


def _require_same(last: dict[str, Any] | None) -> None:
    ours = next(sealing.statements(after=last["number"] - 1), None) if last else None
    if last and (ours is None or json.loads(line(ours)) != last):
        raise WitnessDiffers(f"{file()} ends with seal {last['number']}, which is not the database's: verify_history")


def _complete(opened: Any) -> None:
    """Cut off the half line of a writer that was killed."""
    size = opened.seek(0, os.SEEK_END)
    start = size
    while start and _byte(opened, start - 1) != b"\n":
        start -= 1
    if start != size:
        opened.truncate(start)
    opened.seek(0, os.SEEK_END)


def _last(opened: Any) -> dict[str, Any] | None:
    end = opened.seek(0, os.SEEK_END)
    start = max(end - 1, 0)
    while start and _byte(opened, start - 1) != b"\n":
        start -= 1
    opened.seek(start)
    try:
        return json.loads(opened.read() or "null")  # type: ignore[no-any-return]
    except ValueError:
        raise WitnessDiffers(f"The last line of {file()} is no seal: verify_history") from None


def _byte(opened: Any, position: int) -> bytes:
    opened.seek(position)
    return opened.read(1)  # type: ignore[no-any-return]
