"""Where settings come from, and the other names they are known by.

Precedence: the environment, then `config.yaml`, then `.env`, then `var/local.env` (written by `./farebox up`). The
services that Farebox replaces used other names for the same settings (requirements.md, DE-08); all are accepted. Two
names with different values are refused at boot, so that nobody runs against the database that he did not mean (ruling
22).
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import environ
from django.core.exceptions import ImproperlyConfigured

from config import config_file

ALIASES: dict[str, tuple[str, ...]] = {
    "DATABASE_URL": ("POSTGRES_DSN",),
    "STRIPE_SECRET_KEY": ("STRIPE_SECRET",),
    "AUTH_PUBLIC_KEY": ("AUTH_PUBLIC_KEY_PEM",),
    "PORT": ("SERVER_PORT", "PAYMENT_HTTP_PORT"),
    "ENVIRONMENT": ("SRV_ENV",),
    "APP_NAME": ("PAYMENT_SRV_NAME",),
    "KAFKA_BROKERS": ("EVENTS_BROKERS", "KAFKA_BROKER_URL"),
    "KAFKA_TOPIC": ("EVENTS_TOPIC",),
    "DB_MAX_CONNECTIONS": ("POSTGRES_MAX_CONNS",),
    "DB_HOST": ("POSTGRES_HOST",),
    "DB_PORT": ("POSTGRES_PORT",),
    "DB_USER": ("POSTGRES_USER",),
    "DB_PASSWORD": ("POSTGRES_PASSWORD",),
    "DB_NAME": ("POSTGRES_DB",),
}


def load(root: Path, env: MutableMapping[str, str]) -> None:
    """Fill `env` from the files under `root` and settle every alias.

    Each layer is settled by itself first, so that an alias in the environment beats the plain name in a file. An empty
    value is none: `DATABASE_URL=` hides nothing, and a default takes its place.
    Raises ImproperlyConfigured when two names of one setting disagree. May be repeated.
    """
    dotenv = _read(root / ".env")
    tree = config_file.read(root / "config.yaml", {**dotenv, **{name: value for name, value in env.items() if value}})
    for layer in (env, tree, dotenv, _read(root / "var" / "local.env")):
        _settle(layer)
        for name, value in layer.items():
            if not env.get(name):
                env[name] = value
    for name in [name for name, value in env.items() if not value]:
        del env[name]


def doubled(env: MutableMapping[str, str]) -> Iterator[str]:
    """Name every setting that is given under more than one name."""
    for name, others in ALIASES.items():
        given = [n for n in (name, *others) if env.get(n)]
        if len(given) > 1:
            yield ", ".join(given)


def _read(file: Path) -> dict[str, str]:
    class OneFile(environ.Env):
        ENVIRON: ClassVar[dict[str, str]] = {}

    if file.is_file():
        OneFile.read_env(file)
    return OneFile.ENVIRON


def _settle(layer: MutableMapping[str, str]) -> None:
    for name, others in ALIASES.items():
        given = {n: layer[n] for n in (name, *others) if layer.get(n)}
        if len(set(given.values())) > 1:
            raise ImproperlyConfigured(f"{' and '.join(given)} name one setting but disagree: keep one of them.")
        if given:
            layer[name] = next(iter(given.values()))
    if not layer.get("DATABASE_URL") and layer.get("DB_HOST"):
        layer["DATABASE_URL"] = _database_url(layer)
    if not layer.get("REDIS_URL") and (layer.get("REDIS_ADDR") or layer.get("REDIS_HOST")):
        layer["REDIS_URL"] = _redis_url(layer)


def _database_url(env: MutableMapping[str, str]) -> str:
    user, password = quote(env.get("DB_USER", "postgres"), safe=""), quote(env.get("DB_PASSWORD", ""), safe="")
    return f"postgres://{user}:{password}@{env['DB_HOST']}:{env.get('DB_PORT', '5432')}/{env.get('DB_NAME', 'farebox')}"


def _redis_url(env: MutableMapping[str, str]) -> str:
    address = env.get("REDIS_ADDR") or f"{env['REDIS_HOST']}:{env.get('REDIS_PORT', '6379')}"
    password = quote(env.get("REDIS_PASSWORD", ""), safe="")
    return f"redis://{f':{password}@' if password else ''}{address}/{env.get('REDIS_DB', '0')}"
