"""One command at a time in one clone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(file: Path, *, waiting: str) -> Iterator[None]:
    """Hold a lock that the kernel takes back when we die, however we die. Says `waiting` when another holds it."""
    with file.open("a+") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            opened.seek(0)
            print(f"{waiting} (process {opened.read().strip() or 'unknown'})", flush=True)
            fcntl.flock(opened, fcntl.LOCK_EX)
        opened.seek(0)
        opened.truncate()
        opened.write(str(os.getpid()))
        opened.flush()
        yield
