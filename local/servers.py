"""How an embedded server is started: detached, logged, as the right user, and watched until it answers."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.trouble import Trouble, tail

PORT_TAKEN = "Address already in use"
TRIES = 3


class PortTaken(Exception):
    """Somebody took the port between our look and the server's start."""


def spawn(
    command: list[str], *, folder: Path, log: Path, env: dict[str, str], user: pwd.struct_passwd | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in its own session, so that Ctrl-C and a closed terminal pass it by."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            **as_user(user),
        )  # fmt: skip


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """Give subprocess's arguments for running as `user`, without the groups that we have."""
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def environment(**more: str) -> dict[str, str]:
    """Give a server the little environment it needs: the caller's PGDATA or LC_ALL must not reach it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", **more}


def await_ready(
    server: subprocess.Popen[bytes], *, ready: Callable[[], bool], log: Path, name: str, seconds: float = 30
) -> None:
    """Wait until the server is ready. Raises PortTaken, or Trouble with the end of its log."""
    deadline = time.monotonic() + seconds
    while not ready():
        if server.poll() is not None:
            if PORT_TAKEN in tail(log):
                raise PortTaken
            raise Trouble(f"{name} ended at once (exit code {server.returncode}).", log=log)
        if time.monotonic() > deadline:
            server.kill()
            raise Trouble(f"{name} did not answer within {seconds:.0f} seconds.", log=log)
        time.sleep(0.02)
