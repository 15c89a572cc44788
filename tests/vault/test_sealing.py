"""A sealed value opens for its ring and its place, and nowhere else."""

from __future__ import annotations

import base64
import hashlib

import pytest
from django.conf import LazySettings

from tests.shown import Shown
from vault import keyring, sealing
from vault.errors import BadKey, NotReadable, UnknownKey, VaultError
from vault.sealing import Place

PLACE = Place("billing_customer", "email", "1")
OLD, NEW = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"


@pytest.fixture(autouse=True)
def one_key(settings: LazySettings) -> None:
    settings.ENCRYPTION_KEYS, settings.ENCRYPTION_KEY = "", OLD


@pytest.mark.parametrize(
    "text",
    [
        OLD,
        "any 32 characters, blanks and $!",
        hashlib.sha256(b"a key of 32 bytes").hexdigest(),
        base64.b64encode(b"\xfb\xff" * 16).decode(),
        base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode().rstrip("="),
    ],
)
def test_a_key_is_32_characters_or_32_bytes_in_hex_or_base64(settings: LazySettings, text: str) -> None:
    """Ruling 34."""
    settings.ENCRYPTION_KEY = text

    assert sealing.unseal(sealing.seal("anna@example.com", PLACE), PLACE) == "anna@example.com"


@pytest.mark.parametrize("text", ["short", "x" * 31, "x" * 33, "é" * 32, "ab" * 31, "=" * 44, "\x00" * 32])
def test_another_length_is_refused_without_saying_the_key(settings: LazySettings, text: str) -> None:
    settings.ENCRYPTION_KEY = text

    with pytest.raises(BadKey) as refusal:
        keyring.ring()

    assert text not in str(refusal.value)


@pytest.mark.parametrize("text", ["nocolon", "a b:" + OLD, f"a:{OLD},a:{NEW}", "a:short"])
def test_a_ring_that_cannot_be_told_apart_is_refused(settings: LazySettings, text: str) -> None:
    settings.ENCRYPTION_KEYS = text

    with pytest.raises(BadKey):
        keyring.ring()


def test_a_missing_key_is_refused(settings: LazySettings) -> None:
    """No default for a secret."""
    settings.ENCRYPTION_KEY = ""

    with pytest.raises(BadKey):
        keyring.ring()


def test_no_key_is_in_its_own_picture() -> None:
    """A traceback or a shell that shows a key object shows its id alone."""
    assert repr(keyring.newest()) == f"Key(id='{keyring.newest().id}')"


def test_a_sealed_value_names_version_and_key_and_never_repeats() -> None:
    """`v1|kid|nonce|ct`."""
    first, second = sealing.seal("anna", PLACE), sealing.seal("anna", PLACE)

    assert first.split("|")[:2] == ["v1", keyring.newest().id]
    assert first != second
    assert "anna" not in first


@pytest.mark.parametrize(
    "other", [("other", "email", "1"), ("billing_customer", "name", "1"), ("billing_customer", "email", "2")]
)
def test_a_value_moved_to_another_table_column_or_row_does_not_open(other: tuple[str, str, str]) -> None:
    with pytest.raises(NotReadable):
        sealing.unseal(sealing.seal("anna", PLACE), Place(*other))


def test_no_altered_letter_is_overlooked(shown: Shown) -> None:
    """Version, key id, nonce, ciphertext and tag: each letter counts."""
    sealed = sealing.seal("anna@example.com", PLACE)
    refused = 0

    for position, letter in enumerate(sealed):
        other = "B" if letter != "B" else "C"
        with pytest.raises(VaultError):
            sealing.unseal(sealed[:position] + other + sealed[position + 1 :], PLACE)
        refused += 1

    shown(f"{len(sealed)} letters of a sealed value altered one by one = {refused} refusals")


def test_the_ring_seals_with_its_first_key_and_opens_with_all(settings: LazySettings) -> None:
    before = sealing.seal("anna", PLACE)

    settings.ENCRYPTION_KEYS = f"2027:{NEW}"
    after = sealing.seal("anna", PLACE)

    assert after.key_id == "2027"
    assert {sealing.unseal(before, PLACE), sealing.unseal(after, PLACE)} == {"anna"}


def test_a_key_that_has_left_the_ring_opens_nothing(settings: LazySettings) -> None:
    before = sealing.seal("anna", PLACE)

    settings.ENCRYPTION_KEY = NEW

    with pytest.raises(UnknownKey):
        sealing.unseal(before, PLACE)


def test_a_blind_index_is_found_by_every_key_of_the_ring(settings: LazySettings) -> None:
    before = sealing.blind_index("anna@example.com", "customer.email")

    settings.ENCRYPTION_KEYS = f"2027:{NEW}"

    assert before in sealing.blind_indexes("anna@example.com", "customer.email")
    assert sealing.blind_index("anna@example.com", "customer.email") != before
    assert sealing.blind_index("anna@example.com", "other") not in sealing.blind_indexes("anna@example.com", "x")
