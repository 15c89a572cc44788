"""Keys that an issuer publishes: from an allowed https host, by kid, and not asked for more than needed."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from django.conf import LazySettings
from django.test import Client

from config.api import jwks
from tests.config import bad_tokens

PATH = "/api/v1/users/anna/payments"


class Publisher:
    """An issuer's https server."""

    def __init__(self, folder: Path):
        self.keys: dict[str, Any] = {}
        self.asked: list[str] = []
        self.status = 200
        outer = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status = outer.status if self.path == "/keys" else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(json.dumps({"keys": [outer.public(kid) for kid in outer.keys]}).encode())

            def log_message(self, *_args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}/keys"

    def public(self, kid: str) -> dict[str, Any]:
        shape = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(self.keys[kid].public_key()))
        return {**shape, "kid": kid, "use": "sig"}


def certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "issuer.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


@pytest.fixture
def publisher(tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    made = Publisher(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "issuer.pem"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    settings.JWKS_ALLOWED_HOSTS = ["127.0.0.1"]
    settings.JWT_ISSUERS = {"id": {"algorithm": "EdDSA", "audience": "farebox", "jwks_url": made.url}}
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def ask(key: Any, kid: str | None) -> int:
    headers = {"kid": kid} if kid else None
    made = jwt.encode(bad_tokens.claims(iss="id"), key, "EdDSA", headers=headers)
    return Client().get(PATH, headers={"Authorization": f"Bearer {made}"}).status_code


@pytest.mark.django_db
def test_a_token_is_verified_by_the_key_of_its_kid(publisher: Publisher) -> None:
    ours, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    publisher.keys = {"one": ours, "two": other}

    assert ask(ours, "one") == 200
    assert ask(other, "two") == 200
    assert ask(other, "one") == 401
    assert ask(ours, "three") == 401
    assert ask(ours, None) == 401
    assert publisher.asked == ["/keys"]


def test_an_unknown_kid_asks_again_once_a_minute_and_finds_the_new_key(publisher: Publisher) -> None:
    publisher.keys = {"one": ed25519.Ed25519PrivateKey.generate()}
    keys = jwks.KeySet(publisher.url, "EdDSA")
    assert keys.key("one", now=0)
    publisher.keys["two"] = ed25519.Ed25519PrivateKey.generate()

    early = [keys.key(f"invented {number}", now=30) for number in range(20)]
    later = keys.key("two", now=61)

    assert set(early) == {None}
    assert later is not None
    assert len(publisher.asked) == 2


def test_a_key_that_was_withdrawn_is_forgotten(publisher: Publisher) -> None:
    publisher.keys = {"one": ed25519.Ed25519PrivateKey.generate()}
    keys = jwks.KeySet(publisher.url, "EdDSA")
    assert keys.key("one", now=0)

    publisher.keys = {"two": ed25519.Ed25519PrivateKey.generate()}

    assert keys.key("one", now=jwks.FRESH_SECONDS + 1) is None


def test_an_issuer_that_is_away_is_believed_for_an_hour(publisher: Publisher) -> None:
    publisher.keys = {"one": ed25519.Ed25519PrivateKey.generate()}
    keys = jwks.KeySet(publisher.url, "EdDSA")
    assert keys.key("one", now=0)

    publisher.status = 500

    assert keys.key("one", now=jwks.STALE_SECONDS - 1)
    with pytest.raises(jwks.IssuerUnreachable):
        keys.key("one", now=jwks.STALE_SECONDS + 100)


def test_without_its_keys_the_answer_is_503_and_not_401(publisher: Publisher) -> None:
    """The token may be good: the product must not log its users out."""
    publisher.status = 500

    assert ask(ed25519.Ed25519PrivateKey.generate(), "one") == 503


def test_no_redirect_is_followed(publisher: Publisher) -> None:
    """API7:2023: the allow-list would be worth nothing."""
    publisher.keys, publisher.status = {"one": ed25519.Ed25519PrivateKey.generate()}, 302

    with pytest.raises(jwks.IssuerUnreachable):
        jwks.KeySet(publisher.url, "EdDSA").key("one", now=0)

    assert publisher.asked == ["/keys"]


def test_a_host_that_is_not_allowed_is_not_asked(publisher: Publisher, settings: LazySettings) -> None:
    settings.JWKS_ALLOWED_HOSTS = ["id.example"]

    for url in (publisher.url, publisher.url.replace("https", "http")):
        with pytest.raises(jwks.IssuerUnreachable):
            jwks.KeySet(url, "EdDSA").key("one", now=0)

    assert publisher.asked == []


def test_a_certificate_that_is_not_trusted_is_refused(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """SE-06."""
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(jwks.IssuerUnreachable):
        jwks.KeySet(publisher.url, "EdDSA").key("one", now=0)

    assert publisher.asked == []


def test_keys_of_another_use_or_algorithm_are_left_out(publisher: Publisher) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    publisher.keys = {"one": key}
    shape = publisher.public("one")
    listed = [shape, {**shape, "kid": "enc", "use": "enc"}, {**shape, "kid": "rs", "alg": "RS256"}, {"kty": "oct"}, 5]

    assert set(jwks._readable({"keys": listed}, "EdDSA")) == {"one"}
    assert jwks._readable({"keys": listed}, "RS256") == {}
