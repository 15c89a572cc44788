from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import psutil

from local import running
from local.home import Home
from tests.local.conftest import until

WAIT = "import signal; print('here', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAIT


def test_a_recorded_process_is_found_again(home: Home) -> None:
    child = _start(home, "web")

    running.record_pid(home, "web", child.pid)

    assert [p.pid for p in running.recorded(home, "web")] == [child.pid]


def test_the_same_pid_with_another_start_is_a_stranger(home: Home) -> None:
    started = psutil.Process().create_time() - 60
    (home.run / "web.json").write_text(json.dumps([{"pid": os.getpid(), "started": started}]))

    assert running.recorded(home, "web") == []


def test_a_half_written_record_is_no_record(home: Home) -> None:
    (home.run / "web.json").write_text('[{"pid": 1')

    assert running.recorded(home, "web") == []


def test_an_orphan_is_known_by_its_mark(home: Home) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {WAIT!r}])"],
        env=os.environ | home.mark("worker"),
        stdout=subprocess.DEVNULL,
    )
    parent.wait()
    until(lambda: running.marked(home, "worker"))

    found = running.marked(home, "worker")

    assert len(found) == 1
    assert running.end(found) == [found[0].pid]
    assert running.marked(home) == []


def test_a_process_of_another_clone_is_left_alone(home: Home) -> None:
    child = subprocess.Popen([sys.executable, "-c", WAIT], env=os.environ | {"FAREBOX_HOME": "/elsewhere"})

    assert child.pid not in {p.pid for p in running.marked(home)}

    child.kill()
    child.wait()


def test_one_that_does_not_listen_is_killed(home: Home) -> None:
    child = _start(home, "web", DEAF)

    running.end([psutil.Process(child.pid)], patience=0.2)

    assert child.wait() == -signal.SIGKILL


def test_a_paused_one_ends_as_it_is_asked_to(home: Home) -> None:
    child = _start(home, "web")
    child.send_signal(signal.SIGSTOP)
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)

    running.end([psutil.Process(child.pid)])

    assert child.wait() == -signal.SIGTERM


def test_a_zombie_has_ended(home: Home) -> None:
    child = _start(home, "web")
    process = psutil.Process(child.pid)
    child.kill()

    assert running.await_end([process], seconds=60) == []

    child.wait()


def _start(home: Home, part: str, code: str = WAIT) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | home.mark(part), stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    child.stdout.readline()
    return child
