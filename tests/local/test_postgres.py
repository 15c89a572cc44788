from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from local import postgres, running, setting_up
from local.home import Home, server_user
from local.postgres import Cluster
from local.trouble import Trouble
from tests.local.conftest import left_over, until

ROOT = Path(__file__).resolve().parents[2]


def test_it_is_postgres_18_in_utf_8_on_loopback_behind_a_password(home: Home) -> None:
    url = postgres.start(home)

    with psycopg.connect(_server(url)) as connection:
        assert connection.info.server_version // 10_000 == 18
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("SELECT upper('ä') COLLATE \"default\"").fetchone() == ("Ä",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(_server(url).replace(Cluster(home).password.read_text(), "a-guess"))


def test_a_second_start_finds_the_first(home: Home) -> None:
    first = postgres.start(home)

    second = postgres.start(home)

    assert second == first


def test_a_clone_in_a_closed_folder_is_served_and_no_mode_is_changed(make_home: Callable[[str], Home]) -> None:
    closed = make_home("closed")
    closed.root.chmod(0o700)
    before = [(folder, stat.S_IMODE(folder.stat().st_mode)) for folder in (closed.root, *closed.root.parents)]

    postgres.start(closed)

    assert [(folder, stat.S_IMODE(folder.stat().st_mode)) for folder, _ in before] == before
    assert stat.S_IMODE(Cluster(closed).folder.stat().st_mode) == 0o700


def test_what_was_written_outlives_a_server_that_is_killed(home: Home) -> None:
    _execute(postgres.start(home), "CREATE TABLE kept AS SELECT 1 AS one")
    _kill(home)

    url = postgres.start(home)

    with psycopg.connect(_server(url)) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_killed_server_leaves_nothing_after_stop(home: Home) -> None:
    postgres.start(home)
    _kill(home)
    assert left_over(home)

    postgres.stop(home)

    assert left_over(home) == []


def test_stop_ends_the_server_and_a_second_stop_has_nothing_to_do(home: Home) -> None:
    postgres.start(home)

    ended = [bool(postgres.stop(home)), bool(postgres.stop(home))]

    assert ended == [True, False]
    assert left_over(home) == []


def test_a_paused_server_is_woken(home: Home) -> None:
    url = postgres.start(home)
    os.kill(_pid(home), signal.SIGSTOP)

    again = postgres.start(home)

    assert again == url
    _execute(url, "SELECT 1")


def test_a_pid_that_is_another_programs_by_now_does_not_stop_the_start(home: Home) -> None:
    postgres.start(home)
    _kill(home)
    note = Cluster(home).folder / "postmaster.pid"
    note.write_text("\n".join([str(os.getppid()), *note.read_text().splitlines()[1:]]) + "\n")

    url = postgres.start(home)

    _execute(url, "SELECT 1")


@pytest.mark.parametrize("note", ["", "12", "no number\n\n\n"])
def test_a_half_written_note_does_not_stop_the_start(home: Home, note: str) -> None:
    postgres.start(home)
    _kill(home)
    (Cluster(home).folder / "postmaster.pid").write_text(note)

    url = postgres.start(home)

    _execute(url, "SELECT 1")


@pytest.mark.parametrize(
    "reached",
    ["cluster-18.new", "cluster-18.new/PG_VERSION", "cluster-18.new/global/pg_control", "cluster-18/postmaster.pid"],
)
def test_a_start_that_is_killed_is_mended_by_the_next(home: Home, reached: str) -> None:
    starter = _start_elsewhere(home)
    until((home.postgres / reached).exists)
    starter.kill()
    starter.wait()

    setting_up.end_orphans(home)
    url = postgres.start(home)

    _execute(url, "SELECT 1")


def test_a_making_of_which_everything_is_killed_leaves_nothing_after_stop(home: Home) -> None:
    starter = _start_elsewhere(home)
    until((Cluster(home).new / "global/pg_control").exists)
    _kill_all([psutil.Process(starter.pid), *running.marked(home, "initdb")])
    starter.wait()

    postgres.stop(home)

    assert left_over(home) == []


def test_it_and_its_making_share_memory_in_their_own_folder_only(home: Home) -> None:
    url = postgres.start(home)

    # What initdb itself ran with is what it wrote down.
    assert "\ndynamic_shared_memory_type = mmap" in (Cluster(home).folder / "postgresql.conf").read_text()
    with psycopg.connect(_server(url)) as connection:
        assert connection.execute("SHOW dynamic_shared_memory_type").fetchone() == ("mmap",)


def test_two_clones_do_not_meet(make_home: Callable[[str], Home]) -> None:
    one, other = make_home("one"), make_home("other")

    urls = postgres.start(one), postgres.start(other)
    postgres.stop(one)

    assert urls[0] != urls[1]
    _execute(urls[1], "SELECT 1")


@pytest.mark.skipif(not server_user(), reason="only root starts Postgres as another user")
def test_a_folder_that_somebody_else_made_first_is_refused(home: Home) -> None:
    home.beside.mkdir(mode=0o711)
    os.chown(home.beside, 12345, 12345)

    with pytest.raises(Trouble, match="is not ours"):
        postgres.start(home)


@pytest.mark.skipif(not server_user(), reason="only root keeps the data outside the clone")
@pytest.mark.parametrize("was_running", [True, False])
def test_what_an_earlier_clone_on_the_same_path_left_is_not_taken_over(home: Home, *, was_running: bool) -> None:
    _execute(postgres.start(home), "CREATE TABLE theirs (one int)")
    if not was_running:
        postgres.stop(home)
    shutil.rmtree(home.var)
    home.make()

    url = postgres.start(home)

    with pytest.raises(psycopg.errors.UndefinedTable):
        _execute(url, "SELECT one FROM theirs")


@pytest.mark.skipif(not server_user(), reason="only root starts Postgres as another user")
def test_root_starts_it_as_nobody_who_owns_none_of_its_programs(home: Home) -> None:
    postgres.start(home)

    server = psutil.Process(_pid(home))

    assert server.username() == "nobody"
    assert Path(server.exe()).stat().st_uid == 0


def _start_elsewhere(home: Home) -> subprocess.Popen[bytes]:
    code = """
import sys
from pathlib import Path
from local import postgres
from local.home import Home
postgres.start(Home(Path(sys.argv[1])))
"""
    return subprocess.Popen([sys.executable, "-c", code, str(home.root)], cwd=ROOT)


def _server(url: str) -> str:
    return url.removesuffix(postgres.NAME) + "postgres"


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(_server(url)) as connection:
        connection.execute(statement)


def _pid(home: Home) -> int:
    return Cluster(home).status()[0]


def _kill(home: Home) -> None:
    """Kill the server and its children at one blow, as the kernel does when memory runs out."""
    _kill_all(running.working_in(Cluster(home).folder, program="postgres"))


def _kill_all(processes: list[psutil.Process]) -> None:
    for process in processes:
        # A child may have ended with its parent.
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert running.await_end(processes, seconds=60) == []
