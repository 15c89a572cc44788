"""Where one clone keeps what it runs."""

from __future__ import annotations

import hashlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

# Postgres refuses to run as root, and an unprivileged user cannot reach a clone under /root: its files then live here.
BESIDE = Path("/var/tmp").resolve()  # noqa: S108  (made by mkdir with our mode, refused when somebody else made it)
MARK = "FAREBOX_HOME"
PART = "FAREBOX_PART"


@dataclass(frozen=True, slots=True)
class Home:
    """One clone: its root, and the folders that `up` makes in it."""

    root: Path

    @property
    def var(self) -> Path:
        """Everything that `clean` removes."""
        return self.root / "var"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.var / "log"

    @property
    def run(self) -> Path:
        """Who runs: one file a process, with its pid and start time."""
        return self.var / "run"

    @property
    def dotenv(self) -> Path:
        """What the owner of the clone decides, and his secrets."""
        return self.root / ".env"

    @property
    def local_env(self) -> Path:
        """Where the embedded servers listen; written anew by each `up`."""
        return self.var / "local.env"

    @property
    def beside(self) -> Path:
        """The folder for what root starts as another user: outside the clone, one for each clone."""
        return BESIDE / f"farebox-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]}"

    @property
    def postgres(self) -> Path:
        """The folder of the embedded Postgres."""
        return (self.beside if server_user() else self.var) / "postgres"

    @property
    def sandbox(self) -> Path:
        """The folder of the Stripe sandbox: beside Postgres, because each is half of the same books."""
        return self.postgres.parent / "stripe"

    @property
    def valkey(self) -> Path:
        """The folder of the embedded Valkey."""
        return self.var / "valkey"

    def mark(self, part: str) -> dict[str, str]:
        """Give the environment by which a process is known as ours, whatever became of its parent."""
        return {MARK: str(self.root), PART: part}

    def make(self) -> None:
        """Make the folders. May be repeated."""
        for folder in (self.logs, self.run, self.var / "static"):
            folder.mkdir(parents=True, exist_ok=True)


def server_user() -> pwd.struct_passwd | None:
    """Name the unprivileged user that Postgres runs as, or None when we are one ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None
