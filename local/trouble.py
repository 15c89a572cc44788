"""What stops a command: a sentence for the reader, and the log that explains it."""

from __future__ import annotations

from pathlib import Path

LINES = 25


class Trouble(Exception):
    """Something went wrong that the reader can act on."""

    def __init__(self, sentence: str, *, log: Path | None = None) -> None:
        shown = tail(log) if log else ""
        super().__init__(f"{sentence}\n--- the end of {log}\n{shown}" if shown else sentence)


def tail(log: Path, lines: int = LINES) -> str:
    """Read the last lines of a log; empty when there is none."""
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
