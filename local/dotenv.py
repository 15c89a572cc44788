"""The files that settings come from: `.env`, made once with random secrets, and `var/local.env`, made by each `up`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured

from config import environment
from local import files
from local.home import Home
from local.trouble import Trouble

# By this the sandbox's key is told from one of Stripe's own.
SANDBOX_KEY = "sk_test_sandbox"
SECRETS: dict[str, tuple[str, Callable[[], str]]] = {
    "SECRET_KEY": ("signs sessions and forms", lambda: secrets.token_urlsafe(64)),
    "JWT_SECRET": ("verifies the tokens of your product's users (HS256)", lambda: secrets.token_urlsafe(48)),
    "ENCRYPTION_KEY": ("encrypts personal data at rest; exactly 32 letters", lambda: secrets.token_hex(16)),
    "HISTORY_SIGNING_KEY": ("signs history every five minutes (Ed25519)", lambda: secrets.token_hex(32)),
    "STRIPE_SECRET_KEY": (
        "the sandbox's; put a test key of your Stripe account here to use Stripe itself",
        lambda: SANDBOX_KEY + secrets.token_hex(16),
    ),
    "STRIPE_WEBHOOK_SECRET": ("verifies Stripe's webhooks", lambda: "whsec_" + secrets.token_hex(24)),
}
HEADER = "# This clone's settings; .env.example names them all. The environment wins over this file.\n"
PORT = "9097"
# What `up` decides, whatever was wished for: the wanted port may have been taken.
CHOSEN = ("PORT", "SANDBOX_PORT", "SANDBOX_DB")
INSTEAD_OF = "PORT_INSTEAD_OF"
# The proof asks every few milliseconds, so that it can tell how long access takes.
WIDE_LIMITS = {"RATE_LIMIT_PER_MINUTE": "60000", "RATE_LIMIT_CHECKOUT": "600", "RATE_LIMIT_REFUNDS": "600"}


def settings(home: Home) -> dict[str, str]:
    """Read every setting as Farebox itself will: the environment, then `.env`, then `var/local.env`.

    Raises Trouble when two names of one setting disagree.
    """
    return _load(home) | {name: value for name, value in local(home).items() if name in CHOSEN}


def given(home: Home, name: str) -> str:
    """Read a setting that does not come from `var/local.env`; empty when there is none."""
    found = _load(home).get(name, "")
    return "" if found == local(home).get(name) else found


def wanted_port(home: Home) -> int:
    """Read the port that web should have; the one it had to take instead does not count."""
    found, chosen = _load(home).get("PORT"), local(home)
    wanted = chosen[INSTEAD_OF] if INSTEAD_OF in chosen and found == chosen.get("PORT") else found
    if not (wanted or PORT).isdigit():
        raise Trouble(f"PORT is {wanted!r}: it must be a number.")
    return int(wanted or PORT)


def local(home: Home) -> dict[str, str]:
    """Read what the last `up` wrote down."""
    if not home.local_env.is_file():
        return {}
    lines = home.local_env.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def complete(home: Home) -> list[str]:
    """Add the secrets that nobody has given to `.env`; returns their names. What stands there stays."""
    found = settings(home)
    missing = [name for name in SECRETS if not found.get(name)]
    if missing:
        before = home.dotenv.read_text() if home.dotenv.is_file() else HEADER
        added = "".join(f"# {SECRETS[name][0]}\n{name}={SECRETS[name][1]()}\n" for name in missing)
        files.write(home.dotenv, before + ("" if before.endswith("\n") else "\n") + added)
    return missing


def write_local(home: Home, values: dict[str, str]) -> None:
    """Replace `var/local.env`."""
    lines = [
        "# Written by ./farebox up, so that manage.py finds the embedded servers.",
        *(f"{k}={v}" for k, v in (WIDE_LIMITS | values).items()),
    ]
    files.write(home.local_env, "\n".join(lines) + "\n")


def _load(home: Home) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if value}
    try:
        environment.load(home.root, found)
    except ImproperlyConfigured as reason:
        raise Trouble(str(reason)) from None
    return found


def is_sandbox_key(key: str) -> bool:
    """Say whether this Stripe key is the sandbox's. Raises Trouble for a live key: nothing here may move real money."""
    if key.startswith(("sk_live_", "rk_live_")):
        raise Trouble("STRIPE_SECRET_KEY is a live key. ./farebox is for trying out: give it a test key, or none.")
    return key.startswith(SANDBOX_KEY)
