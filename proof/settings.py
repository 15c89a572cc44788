"""Where Farebox and Stripe are: the environment, then `.env`, then `var/local.env`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STRIPE_ITSELF = "https://api.stripe.com"
ALSO_KNOWN_AS = {"PORT": ("SERVER_PORT", "PAYMENT_HTTP_PORT"), "STRIPE_SECRET_KEY": ("STRIPE_SECRET",)}


class SettingMissing(Exception):
    def __init__(self, name: str):
        super().__init__(f"{name} is not set: run ./farebox up first, or put it into the environment or .env.")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the proof must know of the Farebox that it looks at. `stripe_base` is the sandbox, or Stripe itself."""

    url: str
    jwt_secret: str
    jwt_issuer: str
    jwt_audience: str
    stripe_base: str
    stripe_key: str
    webhook_secret: str
    redis_url: str
    metrics_token: str = ""
    root: Path = ROOT
    # The promise: access so soon after the webhook. A test on a machine that is busy with others asks for less.
    prompt_seconds: float = 1

    @property
    def has_sandbox(self) -> bool:
        return self.stripe_base != STRIPE_ITSELF


def load(url: str | None = None, *, root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; `url` overrides where Farebox is. Raises SettingMissing."""
    local = _read(root / "var" / "local.env")
    layers = (environment, _read(root / ".env"), local)

    def setting(name: str, default: str | None = None) -> str:
        names = (name, *ALSO_KNOWN_AS.get(name, ()))
        found = next((layer[each] for layer in layers for each in names if layer.get(each)), default)
        if found is None:
            raise SettingMissing(name)
        return found

    # `up` takes another port when the wanted one is taken, and says so in its own file.
    port = local.get("PORT") or setting("PORT", "9097")
    return Settings(
        url=(url or f"http://127.0.0.1:{port}").rstrip("/"),
        jwt_secret=setting("JWT_SECRET"),
        jwt_issuer=setting("JWT_ISSUER", "farebox"),
        jwt_audience=setting("JWT_AUDIENCE", "farebox"),
        stripe_base=setting("STRIPE_API_BASE", STRIPE_ITSELF).rstrip("/"),
        stripe_key=setting("STRIPE_SECRET_KEY"),
        webhook_secret=setting("STRIPE_WEBHOOK_SECRET"),
        redis_url=setting("REDIS_URL", "redis://127.0.0.1:6379/0"),
        metrics_token=setting("METRICS_TOKEN", ""),
        root=root,
    )


def _read(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    lines = (line.strip().removeprefix("export ") for line in file.read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): _unquoted(value.strip()) for name, value in pairs}


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
