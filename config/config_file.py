"""`config.yaml`: settings as a tree, for whoever had one before (DE-07).

The path to a value is the setting's name, or one of its other names: `stripe: {secret_key: ...}` is STRIPE_SECRET_KEY,
`postgres: {dsn: ...}` is POSTGRES_DSN. `${NAME}` in a value stands for what the environment, or else `.env`, holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from django.core.exceptions import ImproperlyConfigured

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Settings that are themselves a table.
PAIRS = ("REFUND_CAPS", "RENEWAL_NOTICE_DAYS", "ZONE_POLICY")
TREES = ("JWT_ISSUERS",)


def read(file: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Read the settings of a file by name; none when there is no file.

    Raises ImproperlyConfigured: no YAML, no tree, a name that stands twice, a variable that nobody has set.
    """
    if not file.is_file():
        return {}
    try:
        tree = yaml.safe_load(file.read_text()) or {}
    except yaml.YAMLError as reason:
        raise ImproperlyConfigured(f"{file.name} is no YAML: {reason}") from reason
    if not isinstance(tree, dict):
        raise ImproperlyConfigured(f"{file.name} must be names and their values, such as `log: {{level: INFO}}`.")
    found: dict[str, str] = {}
    for name, value in _named(tree):
        if name in found:
            raise ImproperlyConfigured(f"{file.name} says {name} twice: keep one of them.")
        found[name] = _filled(value, name, file, known)
    return found


def _named(tree: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        name = before + str(key).upper().replace("-", "_")
        if isinstance(value, dict) and name not in PAIRS + TREES:
            yield from _named(value, f"{name}_")
        else:
            yield name, _text(value, name)


def _text(value: Any, name: str) -> str:
    """Write a value as the environment would hold it."""
    if isinstance(value, dict):
        pairs = (f"{key}={each}" for key, each in value.items())
        return json.dumps(value) if name in TREES else ",".join(pairs)
    if isinstance(value, list):
        return ",".join(_text(each, name) for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _filled(value: str, name: str, file: Path, known: Mapping[str, str]) -> str:
    def meant(variable: re.Match[str]) -> str:
        if not (found := known.get(variable[1])):
            raise ImproperlyConfigured(f"{file.name} takes {name} from {variable[0]}, which nobody has set.")
        return found

    return VARIABLE.sub(meant, value)
