"""A whole Farebox in a copy of this tree: it comes up, is killed in parts, is mended, and ends without a rest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from config.environment import ALIASES
from local import dotenv, postgres, running, setting_up, stack
from local.home import Home
from local.progress import Progress
from tests.local.conftest import left_over, until

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "var", ".env", "__pycache__", ".*_cache", ".hypothesis")
SERVERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "STRIPE_API_BASE")
GIVEN = (*SERVERS, "ENVIRONMENT", "DEBUG", *dotenv.SECRETS, *ALIASES)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("stack") / "clone")
    shutil.copytree(ROOT, home.root, ignore=NOT_COPIED)
    with pytest.MonkeyPatch.context() as patched:
        for name in (*GIVEN, *(other for others in ALIASES.values() for other in others)):
            patched.delenv(name, raising=False)
        yield home
        setting_up.take_down(home)
    if home.beside.exists():
        shutil.rmtree(home.beside)


def test_a_second_time_finds_everything_running(clone: Home) -> None:
    setting_up.bring_up(clone, Progress())
    before = _pids(clone)

    setting_up.bring_up(clone, Progress())

    after = _pids(clone)
    assert all(before[name] and before[name] <= after[name] for name in (stack.SUPERVISOR, *stack.PARTS))


def test_what_was_started_is_written_down(clone: Home) -> None:
    setting_up.bring_up(clone, Progress())

    for name in stack.PARTS:
        assert _pids(clone)[name] & {p.pid for p in running.recorded(clone, name)}


def test_its_processes_work_as_a_role_that_cannot_undo_history(clone: Home) -> None:
    setting_up.bring_up(clone, Progress())
    owner = postgres.Cluster(clone).password.read_text()

    with psycopg.connect(dotenv.settings(clone)["DATABASE_URL"], autocommit=True) as connection:
        assert connection.execute("SELECT session_user").fetchone() == (postgres.APPLICATION,)
        assert connection.execute("SELECT count(*) > 0 FROM events_event").fetchone() == (True,)
        for statement in ("DELETE FROM events_event", "TRUNCATE events_event", "UPDATE events_event SET actor = ''"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    for name in ("web", "worker", "beat", "sweeper"):
        assert not any(owner in " ".join(p.environ().values()) for p in running.marked(clone, name))


def test_a_changed_file_brings_new_processes(clone: Home) -> None:
    setting_up.bring_up(clone, Progress())
    before, server = _pids(clone), postgres.Cluster(clone).status()
    (clone.root / "config" / "new.py").write_text("")

    setting_up.bring_up(clone, Progress())

    assert _pids(clone)["web"].isdisjoint(before["web"])
    assert postgres.Cluster(clone).status() == server


def test_when_one_ends_all_end_and_the_next_time_they_are_back(clone: Home) -> None:
    setting_up.bring_up(clone, Progress())
    _kill(clone, "sweeper")
    until(lambda: not running.marked(clone, stack.SUPERVISOR, *stack.PARTS))

    setting_up.bring_up(clone, Progress())

    assert stack.is_ready(int(dotenv.settings(clone)["PORT"]))


def test_orphans_of_a_killed_supervisor_are_replaced_and_not_doubled(clone: Home) -> None:
    setting_up.bring_up(clone, Progress())
    before = _pids(clone)
    _kill(clone, stack.SUPERVISOR)
    assert running.marked(clone, "web")

    setting_up.bring_up(clone, Progress())

    after = _pids(clone)
    assert all(after[name].isdisjoint(before[name]) for name in stack.PARTS)


def test_nothing_is_left_when_the_supervisor_and_postgres_were_killed(clone: Home) -> None:
    setting_up.bring_up(clone, Progress())
    _kill(clone, stack.SUPERVISOR, "postgres")

    ended = setting_up.take_down(clone)

    assert {"web", "worker", "valkey"} <= set(ended)
    assert left_over(clone) == []
    assert setting_up.take_down(clone) == []


def _pids(home: Home) -> dict[str, set[int]]:
    return {part: {p.pid for p in found} for part, found in running.by_part(home).items()}


def _kill(home: Home, *parts: str) -> None:
    found: list[psutil.Process] = running.marked(home, *parts)
    for process in found:
        process.kill()
    running.await_end(found, seconds=60)
