"""Where the proof finds Farebox: the environment, then .env, then var/local.env."""

from __future__ import annotations

from pathlib import Path

import pytest

from proof.settings import SettingMissing, load

GIVEN = {"JWT_SECRET": "j", "STRIPE_SECRET_KEY": "sk_test_a", "STRIPE_WEBHOOK_SECRET": "whsec_a"}


def test_the_environment_wins_over_the_files(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# secrets\nJWT_SECRET='from file'\nSTRIPE_API_BASE=http://127.0.0.1:8010/\n")

    settings = load(root=tmp_path, environment=GIVEN)

    assert settings.jwt_secret == "j"
    assert settings.stripe_base == "http://127.0.0.1:8010"
    assert settings.has_sandbox


def test_quotes_are_no_part_of_a_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("export JWT_SECRET='from file'\n")

    settings = load(root=tmp_path, environment={**GIVEN, "JWT_SECRET": ""})

    assert settings.jwt_secret == "from file"


def test_the_port_that_up_took_instead_is_the_one(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "local.env").write_text("PORT=9123\n")

    settings = load(root=tmp_path, environment={**GIVEN, "PORT": "9097"})

    assert settings.url == "http://127.0.0.1:9123"


def test_other_names_of_a_setting_are_known(tmp_path: Path) -> None:
    """DE-08."""
    others = {**GIVEN, "STRIPE_SECRET_KEY": "", "STRIPE_SECRET": "sk_test_b", "SERVER_PORT": "8081"}

    settings = load(root=tmp_path, environment=others)

    assert (settings.stripe_key, settings.url) == ("sk_test_b", "http://127.0.0.1:8081")


def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingMissing, match="JWT_SECRET"):
        load(root=tmp_path, environment={})


def test_without_an_address_of_the_sandbox_stripe_itself_is_meant(tmp_path: Path) -> None:
    assert not load(root=tmp_path, environment=GIVEN).has_sandbox
