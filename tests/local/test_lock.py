from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local import lock

HOLD = """
import signal, sys
from pathlib import Path
from local import lock
with lock.held(Path(sys.argv[1]), waiting="waiting"):
    print("held", flush=True)
    signal.pause()
"""


def test_who_dies_gives_the_lock_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holder = _holder(tmp_path / "lock")
    holder.kill()
    holder.wait()

    with lock.held(tmp_path / "lock", waiting="waiting"):
        pass

    assert capsys.readouterr().out == ""


def test_a_second_one_says_for_whom_it_waits(tmp_path: Path) -> None:
    holder = _holder(tmp_path / "lock")
    second = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert second.stdout

    says = second.stdout.readline()
    holder.kill()
    holder.wait()

    assert says == f"waiting (process {holder.pid})\n"
    assert second.stdout.readline() == "held\n"
    second.kill()
    second.wait()


def _holder(file: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder
