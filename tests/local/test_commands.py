from __future__ import annotations

import pytest

from local import commands, postgres, valkey
from local.home import Home
from local.trouble import Trouble
from tests.local.conftest import left_over


def test_down_ends_what_runs_and_a_second_time_nothing(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    postgres.start(home)
    valkey.start(home)

    codes = [commands.down(home, []), commands.down(home, [])]

    assert codes == [0, 0]
    assert capsys.readouterr().out == "Ended: valkey, postgres.\nNothing ran.\n"
    assert left_over(home) == []


def test_clean_ends_and_removes_everything_but_the_secrets(home: Home) -> None:
    home.dotenv.write_text("SECRET_KEY=mine\n")
    postgres.start(home)
    valkey.start(home)

    commands.clean(home, [])

    assert left_over(home) == []
    assert not home.var.exists()
    assert not home.beside.exists()
    assert home.dotenv.exists()


def test_clean_all_removes_the_secrets_and_the_venv_too(home: Home) -> None:
    home.dotenv.write_text("SECRET_KEY=mine\n")
    (home.root / ".venv").mkdir()

    commands.clean(home, ["--all"])

    assert list(home.root.iterdir()) == []


def test_words_that_a_command_does_not_know_stop_it(home: Home) -> None:
    with pytest.raises(Trouble, match="--evrything: not understood. This command takes --all"):
        commands.clean(home, ["--evrything"])

    assert home.var.exists()


def test_nothing_is_proved_before_it_runs(home: Home) -> None:
    with pytest.raises(Trouble, match="./farebox up"):
        commands.prove(home, [])


def test_a_log_that_is_not_there_is_answered_with_those_that_are(home: Home) -> None:
    (home.logs / "web.log").touch()

    with pytest.raises(Trouble, match="No log named wbe. There are: web."):
        commands.logs(home, ["wbe"])


def test_tests_run_with_the_servers_and_end_them(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    (home.root / "test_inside.py").write_text(
        "import os\n"
        "import psycopg\n"
        "def test_inside():\n"
        "    psycopg.connect(os.environ['DATABASE_URL'].removesuffix('farebox') + 'postgres').close()\n"
        "    assert os.environ['STRIPE_SECRET_KEY'].startswith('sk_test_')\n"
        "    assert os.environ['REDIS_URL'].endswith('/9')\n"
    )

    codes = [
        commands.test(home, ["-p", "no:django", "-p", "no:cacheprovider", name]) for name in ("test_inside.py", "x.py")
    ]

    assert codes == [0, 4]
    assert left_over(home) == []
