"""Settings by any of their names (DE-08)."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment


def loaded(tmp_path: Path, env: dict[str, str], dotenv: str = "", local: str = "", tree: str = "") -> dict[str, str]:
    (tmp_path / "var").mkdir()
    if tree:
        (tmp_path / "config.yaml").write_text(tree)
    (tmp_path / ".env").write_text(dotenv)
    (tmp_path / "var" / "local.env").write_text(local)
    environment.load(tmp_path, env)
    return env


def test_the_environment_beats_the_files(tmp_path: Path) -> None:
    """Environment, then .env, then var/local.env."""
    env = loaded(
        tmp_path, {"PORT": "1"}, "PORT=2\nLOG_LEVEL=DEBUG\n", "PORT=3\nLOG_LEVEL=INFO\nREDIS_URL=redis://x/1\n"
    )

    assert (env["PORT"], env["LOG_LEVEL"], env["REDIS_URL"]) == ("1", "DEBUG", "redis://x/1")


def test_an_empty_value_hides_nothing(tmp_path: Path) -> None:
    env = loaded(tmp_path, {"PORT": ""}, "DATABASE_URL=\nPORT=2\n", "DATABASE_URL=postgres://x/y\n")

    assert (env["DATABASE_URL"], env["PORT"]) == ("postgres://x/y", "2")


def test_what_is_empty_everywhere_is_not_set(tmp_path: Path) -> None:
    """So a default takes its place: an empty number is no number, and an empty table of caps no table."""
    assert loaded(tmp_path, {"REFUND_CAPS": ""}, "RATE_LIMIT_PER_MINUTE=\n") == {}


def test_config_yaml_stands_between_the_environment_and_dotenv(tmp_path: Path) -> None:
    """DE-07."""
    env = loaded(
        tmp_path, {"PORT": "1"}, "PORT=3\nLOG_LEVEL=INFO\nAPP_NAME=three\n", tree="{port: 2, log: {level: DEBUG}}"
    )

    assert (env["PORT"], env["LOG_LEVEL"], env["APP_NAME"]) == ("1", "DEBUG", "three")


def test_the_path_in_config_yaml_is_any_name_of_a_setting(tmp_path: Path) -> None:
    """DE-07, DE-08: the trees of 000 and 002."""
    tree = """
        postgres: {dsn: postgres://db/x, max_conns: 7}
        stripe: {secret: sk_test_x}
        kafka: {brokers: [a, b]}
        debug: false
        refund_caps: {usd: 10, eur: 9}
        jwt_issuers: {jobs: {algorithm: EdDSA}}
        email-url:
    """

    assert loaded(tmp_path, {}, tree=tree).items() >= {
        ("DATABASE_URL", "postgres://db/x"),
        ("DB_MAX_CONNECTIONS", "7"),
        ("STRIPE_SECRET_KEY", "sk_test_x"),
        ("KAFKA_BROKERS", "a,b"),
        ("DEBUG", "false"),
        ("REFUND_CAPS", "usd=10,eur=9"),
        ("JWT_ISSUERS", '{"jobs": {"algorithm": "EdDSA"}}'),
    }


def test_config_yaml_takes_values_from_the_environment_and_from_dotenv(tmp_path: Path) -> None:
    """DE-07: `${VAR}`."""
    tree = 'postgres: {dsn: "postgres://${WHO}:${SECRET}@db/x"}'
    env = loaded(tmp_path, {"WHO": "me"}, "WHO=you\nSECRET=s\n", tree=tree)

    assert env["DATABASE_URL"] == "postgres://me:s@db/x"


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ("stripe: {secret: '${NOWHERE}'}", "STRIPE_SECRET from .*NOWHERE"),
        ("{log: {level: INFO}, log_level: DEBUG}", "LOG_LEVEL twice"),
        ("- a list", "names and their values"),
        ("log: [", "no YAML"),
    ],
)
def test_what_config_yaml_cannot_mean_stops_the_start(tmp_path: Path, tree: str, said: str) -> None:
    """Nobody runs on half of his settings."""
    with pytest.raises(ImproperlyConfigured, match=said):
        loaded(tmp_path, {}, tree=tree)


@pytest.mark.parametrize(("alias", "name"), [(a, n) for n, others in environment.ALIASES.items() for a in others])
def test_every_alias_is_accepted(tmp_path: Path, alias: str, name: str) -> None:
    """DE-08: the names of the services before."""
    assert loaded(tmp_path, {alias: "value"})[name] == "value"


def test_an_alias_in_the_environment_beats_the_plain_name_in_a_file(tmp_path: Path) -> None:
    """Precedence is by place, not by name."""
    assert loaded(tmp_path, {"POSTGRES_DSN": "postgres://a/b"}, "DATABASE_URL=postgres://c/d\n")["DATABASE_URL"] == (
        "postgres://a/b"
    )


def test_two_names_that_disagree_are_refused(tmp_path: Path) -> None:
    """Ruling 22: nobody runs against the database that he did not mean."""
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL and POSTGRES_DSN"):
        loaded(tmp_path, {"DATABASE_URL": "postgres://a/b", "POSTGRES_DSN": "postgres://c/d"})


def test_two_names_that_agree_are_noticed() -> None:
    """Ruling 22: a warning at boot."""
    assert list(environment.doubled({"STRIPE_SECRET": "x", "STRIPE_SECRET_KEY": "x"})) == [
        "STRIPE_SECRET_KEY, STRIPE_SECRET"
    ]


def test_a_database_in_parts_becomes_one_url(tmp_path: Path) -> None:
    """001 and 003 name host, port, user, password and database apart; signs in a password survive."""
    env = loaded(
        tmp_path, {"POSTGRES_HOST": "db", "POSTGRES_USER": "u", "POSTGRES_PASSWORD": "p@ss/w", "POSTGRES_DB": "n"}
    )

    assert env["DATABASE_URL"] == "postgres://u:p%40ss%2Fw@db:5432/n"


def test_a_redis_in_parts_becomes_one_url(tmp_path: Path) -> None:
    """000 has an address, 001 and 003 host and port."""
    env = loaded(tmp_path, {"REDIS_HOST": "cache", "REDIS_PORT": "6380", "REDIS_PASSWORD": "s", "REDIS_DB": "2"})

    assert env["REDIS_URL"] == "redis://:s@cache:6380/2"
