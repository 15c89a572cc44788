"""The bash front, in a stand-in clone whose requirements are empty and whose `local` says what it was given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAYS = "import sys; print('handed over:', *sys.argv[1:], sys.prefix)"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = tmp_path / "a clone"
    (root / "local").mkdir(parents=True)
    (root / "local" / "__main__.py").write_text(SAYS)
    shutil.copy(ROOT / "farebox", root)
    for name in ("requirements.txt", "requirements-dev.txt"):
        (root / name).write_text("# nothing\n")
    return root


def test_it_makes_the_venv_installs_and_hands_over(clone: Path) -> None:
    done = _farebox(clone, "up")

    assert done.returncode == 0
    assert done.stdout.endswith(f"handed over: up {clone / '.venv'}\n")
    assert "Packages as pinned" in done.stdout


def test_a_second_time_nothing_is_made_or_installed(clone: Path) -> None:
    _farebox(clone, "up")

    done = _farebox(clone, "up")

    assert done.stdout == f"handed over: up {clone / '.venv'}\n"


def test_changed_requirements_are_installed(clone: Path) -> None:
    _farebox(clone, "up")
    (clone / "requirements.txt").write_text("# nothing else\n")

    done = _farebox(clone, "up")

    assert "Packages as pinned" in done.stdout


def test_a_venv_that_a_kill_left_half_made_is_made_anew(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "farebox.unfinished").touch()
    (clone / ".venv" / "rest").touch()

    done = _farebox(clone, "up")

    assert done.returncode == 0
    assert not (clone / ".venv" / "rest").exists()
    assert not (clone / ".venv" / "farebox.unfinished").exists()


def test_an_install_that_was_killed_begins_anew(clone: Path) -> None:
    _farebox(clone, "up")
    (clone / ".venv" / "farebox.unfinished").touch()

    done = _farebox(clone, "up")

    assert ".venv with Python" in done.stdout


def test_a_venv_whose_python_is_gone_is_made_anew(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")

    done = _farebox(clone, "up")

    assert done.returncode == 0


def test_what_pip_says_is_shown_when_it_fails(clone: Path) -> None:
    (clone / "requirements.txt").write_text(f"no-such-package-of-farebox==1.0 --hash=sha256:{'0' * 64}\n")

    done = _farebox(clone, "up", PIP_NO_INDEX="1")

    assert done.returncode == 1
    assert "No matching distribution found for no-such-package-of-farebox==1.0" in done.stderr
    assert "handed over" not in done.stdout


def test_what_has_no_hash_is_not_installed(clone: Path) -> None:
    """Of a package whose file is not known to the byte nothing is run."""
    about = "Metadata-Version: 2.1\nName: unknown\nVersion: 1.0\n"
    with zipfile.ZipFile(clone.parent / "unknown-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("unknown-1.0.dist-info/METADATA", about)
        wheel.writestr("unknown-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("unknown-1.0.dist-info/RECORD", "")
    (clone / "requirements.txt").write_text("unknown==1.0\n")

    done = _farebox(clone, "up", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(clone.parent))

    assert done.returncode == 1
    assert "--require-hashes" in done.stderr
    assert "handed over" not in done.stdout


def test_a_python_that_is_too_old_is_named_as_the_reason(clone: Path) -> None:
    done = _farebox(clone, "up", PATH=_path_with(clone, "exit 1"))

    assert done.returncode == 1
    assert "Farebox needs Python 3.11 or newer" in done.stderr


def test_a_python_without_venv_gets_the_line_that_mends_it(clone: Path) -> None:
    no_venv = f'case "$*" in *ensurepip*) exit 1 ;; *) exec {sys.executable} "$@" ;; esac'

    done = _farebox(clone, "up", PATH=_path_with(clone, no_venv))

    version = "{}.{}".format(*sys.version_info)
    assert done.returncode == 1
    assert f"apt-get install -y python{version}-venv" in done.stderr


def test_what_ends_things_installs_nothing(clone: Path) -> None:
    for command in ("down", "clean", "logs"):
        done = _farebox(clone, command)

        assert (done.returncode, done.stdout) == (0, "Nothing is here: ./farebox up starts it.\n")
    assert not (clone / ".venv").exists()


def test_an_unknown_command_is_answered_with_the_known_ones(clone: Path) -> None:
    done = _farebox(clone, "rise")

    assert done.returncode == 1
    assert "./farebox up | test" in done.stderr


def test_it_works_from_any_folder_and_with_a_python_path_of_the_caller(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError('the wrong json')")

    done = _farebox(clone, "up", cwd=tmp_path, PYTHONPATH=str(tmp_path), PIP_USER="1")

    assert done.returncode == 0


def _path_with(clone: Path, python: str) -> str:
    """Make a PATH on which every python is this one, and what the script needs besides is the machine's."""
    folder = clone / "programs"
    folder.mkdir()
    for name in ("python", "python3", *(f"python3.{minor}" for minor in range(11, 15))):
        (folder / name).write_text(f"#!/bin/sh\n{python}\n")
        (folder / name).chmod(0o755)
    for name in ("bash", "sh", "env", "cat", "cp", "cmp", "dirname", "id", "mkdir", "rm", "tail", "touch"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)


def _farebox(clone: Path, command: str, *, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(clone / "farebox"), command], cwd=cwd or clone, env=os.environ | more, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
