from __future__ import annotations

import stat

import pytest

from local import dotenv
from local.home import Home
from local.trouble import Trouble

GIVEN = (*dotenv.SECRETS, "PORT", "SERVER_PORT", "PAYMENT_HTTP_PORT", "DATABASE_URL", "REDIS_URL", "STRIPE_API_BASE")


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)


def test_a_new_clone_gets_secrets_that_only_its_owner_can_read(home: Home) -> None:
    added = dotenv.complete(home)

    found = dotenv.settings(home)
    assert added == list(dotenv.SECRETS)
    assert stat.S_IMODE(home.dotenv.stat().st_mode) == 0o600
    assert len(found["SECRET_KEY"]) >= 50
    assert len(found["ENCRYPTION_KEY"]) == 32
    assert dotenv.is_sandbox_key(found["STRIPE_SECRET_KEY"])


def test_secrets_stay_as_they_are(home: Home) -> None:
    dotenv.complete(home)
    before = home.dotenv.read_text()

    assert dotenv.complete(home) == []

    assert home.dotenv.read_text() == before


def test_what_the_owner_wrote_stays_and_what_is_missing_is_added(home: Home) -> None:
    home.dotenv.write_text("# mine\nSECRET_KEY=mine\nSTRIPE_SECRET_KEY=sk_test_51Real")

    added = dotenv.complete(home)

    found = dotenv.settings(home)
    assert home.dotenv.read_text().startswith("# mine\nSECRET_KEY=mine\nSTRIPE_SECRET_KEY=sk_test_51Real\n")
    assert found["SECRET_KEY"] == "mine"
    assert "STRIPE_SECRET_KEY" not in added
    assert not dotenv.is_sandbox_key(found["STRIPE_SECRET_KEY"])


def test_a_write_that_was_killed_does_not_stop_the_next(home: Home) -> None:
    home.dotenv.with_name(".env.new").write_text("SECRET_KEY=ha")

    dotenv.complete(home)

    assert len(dotenv.settings(home)["SECRET_KEY"]) >= 50


def test_a_live_key_is_refused(home: Home) -> None:
    with pytest.raises(Trouble, match="live key"):
        dotenv.is_sandbox_key("sk_live_51")


def test_two_names_that_disagree_are_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("SERVER_PORT", "2")

    with pytest.raises(Trouble, match="PORT and SERVER_PORT name one setting but disagree"):
        dotenv.settings(home)


def test_the_embedded_server_is_not_taken_for_one_that_was_given(home: Home) -> None:
    dotenv.write_local(home, {"DATABASE_URL": "postgres://embedded/farebox"})

    assert dotenv.settings(home)["DATABASE_URL"] == "postgres://embedded/farebox"
    assert dotenv.given(home, "DATABASE_URL") == ""


def test_a_server_in_the_environment_is_one_that_was_given(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv.write_local(home, {"DATABASE_URL": "postgres://embedded/farebox"})
    monkeypatch.setenv("POSTGRES_DSN", "postgres://theirs/farebox")

    assert dotenv.given(home, "DATABASE_URL") == "postgres://theirs/farebox"


@pytest.mark.parametrize("name", ["PORT", "SERVER_PORT", "PAYMENT_HTTP_PORT"])
def test_the_port_can_be_wished_for_by_any_of_its_names(home: Home, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "9200")

    assert dotenv.wanted_port(home) == 9200


def test_a_port_taken_once_instead_is_not_wished_for_again(home: Home) -> None:
    dotenv.write_local(home, {"PORT": "40001", dotenv.INSTEAD_OF: "9097"})

    assert dotenv.settings(home)["PORT"] == "40001"
    assert dotenv.wanted_port(home) == 9097


def test_where_the_sandbox_is_is_never_inherited(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv.write_local(home, {"SANDBOX_PORT": "40002", "SANDBOX_DB": "/ours"})
    monkeypatch.setenv("SANDBOX_PORT", "1")
    monkeypatch.setenv("SANDBOX_DB", "/another clone's")

    found = dotenv.settings(home)

    assert (found["SANDBOX_PORT"], found["SANDBOX_DB"]) == ("40002", "/ours")


def test_a_port_that_is_no_number_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")

    with pytest.raises(Trouble, match="must be a number"):
        dotenv.wanted_port(home)
