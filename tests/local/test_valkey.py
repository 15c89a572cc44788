from __future__ import annotations

import os
import signal
from collections.abc import Callable

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local import running, valkey
from local.home import Home
from tests.local.conftest import left_over


def test_it_answers_on_loopback_behind_a_password_that_no_command_line_shows(home: Home) -> None:
    url = valkey.start(home)

    assert redis.Redis.from_url(url).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=_port(url), retry=Retry(NoBackoff(), 0)).ping()
    password = url.removeprefix("redis://:").partition("@")[0]
    assert password not in " ".join(_server(home).cmdline())


def test_a_second_start_finds_the_first(home: Home) -> None:
    assert valkey.start(home) == valkey.start(home)


def test_a_killed_server_is_started_again_on_its_port(home: Home) -> None:
    before = valkey.start(home)
    server = _server(home)
    server.kill()
    running.await_end([server], seconds=60)

    after = valkey.start(home, wanted=_port(before))

    assert _port(after) == _port(before)
    assert redis.Redis.from_url(after).ping()


def test_a_paused_server_is_woken(home: Home) -> None:
    url = valkey.start(home)
    os.kill(_server(home).pid, signal.SIGSTOP)

    again = valkey.start(home)

    assert again == url
    assert redis.Redis.from_url(url).ping()


def test_a_server_whose_folder_was_removed_is_ended_all_the_same(home: Home) -> None:
    valkey.start(home)
    (home.valkey / "valkey.conf").unlink()
    home.valkey.rmdir()

    ended = valkey.stop(home)

    assert len(ended) == 1
    assert left_over(home) == []


def test_two_clones_do_not_meet(make_home: Callable[[str], Home]) -> None:
    one, other = valkey.start(make_home("one")), valkey.start(make_home("other"))

    redis.Redis.from_url(one).set("whose", "one's")

    assert redis.Redis.from_url(other).get("whose") is None


def _server(home: Home) -> psutil.Process:
    return running.working_in(home.valkey, program=valkey.PROGRAM)[0]


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])
