from __future__ import annotations


class VaultError(Exception):
    """A sealed value or a key that cannot be used."""

    code = "vault_error"


class BadKey(VaultError):
    """What stands in ENCRYPTION_KEY or ENCRYPTION_KEYS makes no key. The text never holds the key."""

    code = "encryption_key_bad"


class UnknownKey(VaultError):
    code = "encryption_key_unknown"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"A value is sealed with key {key_id}, which is not in the keyring.")


class NotReadable(VaultError):
    """It was altered, moved to another row, or never sealed."""

    code = "sealed_value_not_readable"

    def __init__(self, place: str) -> None:
        super().__init__(f"The sealed value in {place} is not what was put there.")
