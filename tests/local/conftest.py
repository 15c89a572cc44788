"""A home of its own for each test, and the proof that it leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import postgres, running, setting_up, valkey
from local.home import Home


@pytest.fixture
def make_home(tmp_path: Path) -> Iterator[Callable[[str], Home]]:
    """Make homes, and end whatever runs in them."""
    homes: list[Home] = []

    def make(name: str) -> Home:
        home = Home(tmp_path / name)
        home.root.mkdir()
        home.make()
        homes.append(home)
        return home

    yield make
    for home in homes:
        setting_up.take_down(home)
        assert left_over(home) == []
        if home.beside.exists():
            shutil.rmtree(home.beside)


@pytest.fixture
def home(make_home: Callable[[str], Home]) -> Home:
    return make_home("a clone")


def left_over(home: Home) -> list[object]:
    """List what still runs or is still held in the name of this home."""
    processes = [
        *running.marked(home),
        *running.working_in(postgres.Cluster(home).folder, program="postgres"),
        *running.working_in(home.valkey, program=valkey.PROGRAM),
    ]
    note = postgres.Cluster(home).folder / "postmaster.pid"
    return [*processes, *([note] if note.exists() else []), *_segments(home)]


def _segments(home: Home) -> list[str]:
    """List the System V segments of this home's data folders; a segment's key is the folder's inode."""
    cluster = postgres.Cluster(home)
    inodes = {str(folder.stat().st_ino) for folder in (cluster.folder, cluster.new) if folder.exists()}
    return [line for line in Path("/proc/sysvipc/shm").read_text().splitlines() if line.split()[0] in inodes]


def until(true: Callable[[], object], *, seconds: float = 120) -> None:
    """Wait for what another process does: long enough for a machine that is busy with others."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        os.sched_yield()
