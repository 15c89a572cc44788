"""A server with a weak lock does not start, whichever server it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

from config import boot

ROOT = Path(__file__).parents[2]
SERVERS = {
    "web": ["-c", "import config.wsgi"],
    "worker": ["-m", "celery", "-A", "config.celery", "worker", "--pool", "solo"],
    "beat": ["-m", "celery", "-A", "config.celery", "beat", "--pidfile=", "--schedule", "{folder}/beat"],
    "sweeper": ["manage.py", "sweep"],
}
LONG = "x" * 32


def pem(key: Any) -> str:
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, public).decode())


RSA, SHORT_RSA = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 1024)
P256, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
PRIVATE = ED.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
URL = "https://id.example/keys"
WRONG: dict[str, dict[str, Any]] = {
    "no key": {"algorithm": "HS256"},
    "short secret": {"algorithm": "HS256", "secret": "x" * 31},
    "no algorithm of ours": {"algorithm": "none", "secret": LONG},
    "HS256 with a public key": {"algorithm": "HS256", "public_key": pem(RSA)},
    "HS256 with a URL": {"algorithm": "HS256", "jwks_url": URL},
    "RS256 with a secret": {"algorithm": "RS256", "secret": LONG},
    "RS256 with a key of 1024 bits": {"algorithm": "RS256", "public_key": pem(SHORT_RSA)},
    "RS256 with a key of ES256": {"algorithm": "RS256", "public_key": pem(P256)},
    "ES256 with another curve": {"algorithm": "ES256", "public_key": pem(P384)},
    "EdDSA with a key of RS256": {"algorithm": "EdDSA", "public_key": pem(RSA)},
    "a private key": {"algorithm": "EdDSA", "public_key": PRIVATE},
    "no PEM": {"algorithm": "EdDSA", "public_key": "a key of no form"},
    "two keys": {"algorithm": "RS256", "public_key": pem(RSA), "jwks_url": URL},
    "http": {"algorithm": "RS256", "jwks_url": "http://id.example/keys"},
    "another host": {"algorithm": "RS256", "jwks_url": "https://evil.example/keys"},
    "a user in the URL": {"algorithm": "RS256", "jwks_url": "https://id.example@evil.example/keys"},
    "unknown word": {"algorithm": "RS256", "jwks_url": URL, "verify": False},
    "no audience": {"algorithm": "HS256", "secret": LONG, "audience": ""},
    "services that is text": {"algorithm": "HS256", "secret": LONG, "services": "no"},
}
RIGHT: dict[str, dict[str, Any]] = {
    "HS256": {"algorithm": "HS256", "secret": LONG},
    "RS256": {"algorithm": "RS256", "public_key": pem(RSA)},
    "ES256": {"algorithm": "ES256", "public_key": pem(P256)},
    "EdDSA": {"algorithm": "EdDSA", "public_key": pem(ED)},
    "JWKS": {"algorithm": "RS256", "jwks_url": URL, "services": True},
}


@pytest.fixture(autouse=True)
def _allowed(settings: LazySettings) -> None:
    settings.JWKS_ALLOWED_HOSTS = ["id.example"]


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_an_issuer_with_a_missing_short_or_mismatched_key_is_refused(
    settings: LazySettings, wrong: dict[str, Any]
) -> None:
    settings.JWT_ISSUERS = {"id": {"audience": "farebox", **wrong}}

    with pytest.raises(ImproperlyConfigured) as refusal:
        boot.refuse_unsafe()

    assert "id" in str(refusal.value)
    for secret in ("secret", "public_key"):
        assert not wrong.get(secret) or wrong[secret] not in str(refusal.value)


@pytest.mark.parametrize("right", RIGHT.values(), ids=RIGHT.keys())
def test_an_issuer_with_the_right_key_is_not(settings: LazySettings, right: dict[str, Any]) -> None:
    settings.JWT_ISSUERS = {"id": {"audience": "farebox", **right}}

    boot.refuse_unsafe()


@pytest.mark.parametrize("wrong", [[], "x", {"id": 5}, {"id": {"algorithm": "HS256"}}, {"farebox": RIGHT["HS256"]}])
def test_issuers_that_cannot_be_read_are_refused(settings: LazySettings, wrong: Any) -> None:
    settings.JWT_ISSUERS = wrong or [5]

    with pytest.raises(ImproperlyConfigured, match="JWT_ISSUERS"):
        boot.refuse_unsafe()


def test_bare_ids_are_refused_without_debug_and_shouted_with_it(
    settings: LazySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ruling 7."""
    settings.AUTH_INSECURE_DEV, settings.DEBUG = True, False
    with pytest.raises(ImproperlyConfigured, match="AUTH_INSECURE_DEV"):
        boot.refuse_unsafe()

    settings.DEBUG = True
    boot.refuse_unsafe()

    assert "anybody is whoever he says" in capsys.readouterr().err


@pytest.mark.parametrize("server", SERVERS)
def test_no_server_starts_with_a_short_secret(server: str, tmp_path: Path) -> None:
    """DE-05: granian and Celery run no checks of their own."""
    # Of the server's own: it is there whatever was made, and nobody waits for one that is not.
    database = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/postgres"
    given = {"DJANGO_SETTINGS_MODULE": "config.settings", "JWT_SECRET": "short", "DATABASE_URL": database}
    environment = {**os.environ, **given}

    words = [word.format(folder=tmp_path) for word in SERVERS[server]]

    ended = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )

    assert ended.returncode not in (0, None)
    assert "the secret has fewer than 32 bytes" in ended.stderr


def test_every_line_of_the_log_says_that_the_door_is_open() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "AUTH_INSECURE_DEV": "1", "DEBUG": "1"}
    words = "import config.wsgi, structlog, logging; structlog.get_logger('x').info('one'); logging.warning('two')"

    ended = subprocess.run(
        [sys.executable, "-c", words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )

    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == 2
    assert all("AUTH_INSECURE_DEV" in line for line in lines)
