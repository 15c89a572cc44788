"""What a Postgres that was killed leaves in the kernel: one small System V segment, by which it knows itself again."""

from __future__ import annotations

import ctypes
from pathlib import Path

TABLE = Path("/proc/sysvipc/shm")
REMOVE = 0


def free(folder: Path) -> None:
    """Give back the segment of this data folder if no process holds it. Its key is the folder's inode.

    Where the system does not list its segments (macOS) it stays, until a start on the same folder takes it up.
    """
    if not (folder.is_dir() and TABLE.is_file()):
        return
    state = folder.stat()
    for line in TABLE.read_text().splitlines()[1:]:
        key, number, _, _, _, _, attached, owner, *_ = map(int, line.split())
        if key % 2**32 == state.st_ino % 2**32 and owner == state.st_uid and not attached:
            ctypes.CDLL(None).shmctl(number, REMOVE, None)
