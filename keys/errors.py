"""What can be wrong with a service key that is asked for."""

from __future__ import annotations


class KeysError(Exception):
    """The parent of every error of this app."""

    code = "service_key_error"


class NameNotGood(KeysError):
    code = "service_key_name_not_good"

    def __init__(self, name: str):
        super().__init__(f"{name!r} is no name of a service: small letters, digits and hyphens, 1 to 63.")


class ScopeUnknown(KeysError):
    code = "service_key_scope_unknown"

    def __init__(self, scopes: set[str]):
        super().__init__(f"These scopes are not known: {', '.join(sorted(scopes)) or 'none given'}.")


class LifeNotGood(KeysError):
    code = "service_key_life_not_good"

    def __init__(self, days: int, longest: int):
        super().__init__(f"A key lives 1 to {longest} days, not {days}.")


class TooManyLive(KeysError):
    code = "service_key_too_many"

    def __init__(self, name: str, prefixes: list[str]):
        super().__init__(f"{name} has two live keys already, {' and '.join(prefixes)}: revoke one first.")


class KeyNotFound(KeysError):
    code = "service_key_not_found"

    def __init__(self, prefix: str):
        super().__init__(f"There is no live key {prefix}.")
