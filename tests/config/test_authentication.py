"""Who comes in: a token of its issuer's one algorithm, with every claim, in its time; and nobody else."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from config.api import tokens
from config.api.authentication import Role
from config.api.roles import ROLES
from tests.api import token
from tests.config import bad_tokens
from tests.config.test_roles import OPERATIONS
from tests.shown import Shown

PATH = "/api/v1/users/anna/payments"
SECOND = "another-secret-of-more-than-32-bytes"


def ask(given: str, header: str = "Authorization", scheme: str = "Bearer ", path: str = PATH) -> int:
    return Client().get(path, headers={header: f"{scheme}{given}"}).status_code


@pytest.mark.django_db
def test_a_good_token_comes_in_by_both_header_names() -> None:
    """SE-01, SE-02, ruling 7: Authorization: Bearer, or better-auth-token."""
    assert ask(token()) == 200
    assert ask(token(), "better-auth-token", "") == 200


def test_bad_tokens_are_401_everywhere_and_touch_no_database(shown: Shown) -> None:
    """SE-03, API2:2023: there is no database fixture here, so one query would fail the test."""
    bad = bad_tokens.all_of_them()
    protected = [each for each in OPERATIONS if Role.ANONYMOUS not in ROLES[f"{each[0]} {each[1]}"]]
    queries: list[str] = []
    let_in = []

    with ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(lambda run, sql, *rest: queries.append(sql)))
        for method, name, path in protected:
            for what, each in bad.items():
                answer = Client().generic(
                    method, path, b"{}", content_type="application/json", headers={"Authorization": f"Bearer {each}"}
                )
                if answer.status_code != 401 or answer.headers["WWW-Authenticate"] != 'Bearer realm="farebox"':
                    let_in.append((method, name, what, answer.status_code))

    assert let_in == []
    assert queries == []
    assert len(bad) >= 60
    asked = len(bad) * len(protected)
    shown(f"{len(bad)} bad tokens x {len(protected)} protected operations = {asked} answers of 401, 0 queries")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "bearer", "Token x", ""])
def test_another_scheme_is_401(header: str) -> None:
    assert Client().get(PATH, headers={"Authorization": header}).status_code == 401


def test_a_bad_token_is_not_named_in_the_answer() -> None:
    answer = Client().get(PATH, headers={"Authorization": f"Bearer {token(sub='canary', aud='elsewhere')}"})

    assert b"canary" not in answer.content
    assert b"eyJ" not in answer.content


@pytest.mark.django_db
def test_thirty_seconds_of_leeway() -> None:
    """Clocks differ a little."""
    now = int(time.time())

    with time_machine.travel(now, tick=False):
        assert ask(token(iat=now - 300, exp=now - 29)) == 200
        assert ask(token(iat=now + 30, exp=now + 300)) == 200
        assert ask(token(iat=now - 300, exp=now - 30)) == 401
        assert ask(token(iat=now + 31, exp=now + 300)) == 401


@pytest.mark.django_db
def test_a_token_lives_fifteen_minutes_at_most_and_a_services_five() -> None:
    now = int(time.time())

    with time_machine.travel(now, tick=False):
        assert ask(token(exp=now + 900, iat=now)) == 200
        assert ask(token(exp=now + 901, iat=now)) == 401
        assert ask(token("shop", "service", exp=now + 300, iat=now)) == 200
        assert ask(token("shop", "service", exp=now + 301, iat=now)) == 401


def test_a_good_token_is_remembered_for_a_minute_and_not_past_its_end() -> None:
    now = int(time.time())
    memory = tokens._Memory()
    memory.put(b"long", {"exp": now + 900}, now)
    memory.put(b"short", {"exp": now - 20}, now)

    assert memory.get(b"long", now + 59)
    assert not memory.get(b"long", now + 60)
    assert memory.get(b"short", now + 9)
    assert not memory.get(b"short", now + 10)


def test_the_memory_of_tokens_has_a_bound() -> None:
    memory = tokens._Memory()

    for number in range(tokens.REMEMBERED_TOKENS + 100):
        memory.put(str(number).encode(), {"exp": 1000}, 0)

    assert len(memory._good) == tokens.REMEMBERED_TOKENS
    assert memory.get(b"0", 1) is None


@pytest.mark.django_db
def test_a_secret_that_was_changed_ends_what_was_remembered(settings: LazySettings) -> None:
    given = token()
    assert ask(given) == 200

    settings.JWT_SECRET = SECOND

    assert ask(given) == 401


def test_no_token_is_401_with_a_problem_that_names_the_scheme() -> None:
    """RFC 9457 and RFC 6750."""
    answer = Client().get(PATH)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="farebox"'
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def pem(key: Any) -> str:
    public = key.public_key()
    text = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return str(text.decode())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", rsa.generate_private_key(65537, 2048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ],
)
def test_a_public_key_by_configuration(settings: LazySettings, algorithm: str, key: ed25519.Ed25519PrivateKey) -> None:
    """SE-02: AUTH_PUBLIC_KEY_PEM. One algorithm is accepted, so an HS256 token made with the PEM is not."""
    settings.JWT_ALGORITHM, settings.AUTH_PUBLIC_KEY = algorithm, pem(key)
    confused = bad_tokens.signed({"alg": "HS256", "typ": "JWT"}, bad_tokens.claims())

    assert ask(jwt.encode(bad_tokens.claims(), key, algorithm=algorithm)) == 200
    assert ask(token()) == 401
    assert ask(confused) == 401


@pytest.mark.django_db
def test_each_issuer_has_its_own_key_algorithm_and_audience(settings: LazySettings) -> None:
    """A token of one issuer, signed with the key of another, is nobody's."""
    key = ed25519.Ed25519PrivateKey.generate()
    settings.JWT_ISSUERS = {
        "shop": {"algorithm": "HS256", "audience": "farebox", "secret": SECOND},
        "id": {"algorithm": "EdDSA", "audience": "till", "public_key": pem(key), "services": True},
    }

    def sign(secret: Any, algorithm: str, **changed: Any) -> int:
        return ask(jwt.encode(bad_tokens.claims(**changed), secret, algorithm))

    assert sign(SECOND, "HS256", iss="shop") == 200
    assert sign(key, "EdDSA", iss="id", aud="till") == 200
    assert sign(key, "EdDSA", iss="id", aud="till", role="service") == 200
    assert ask(token()) == 200
    assert sign(SECOND, "HS256") == 401
    assert sign(settings.JWT_SECRET, "HS256", iss="shop") == 401
    assert sign(key, "EdDSA", iss="shop") == 401
    assert sign(key, "EdDSA", iss="id") == 401
    assert sign(SECOND, "HS256", iss="shop", role="service") == 401


@pytest.mark.django_db
def test_a_services_token_may_narrow_its_scopes() -> None:
    check = "/api/v1/entitlements/check?user_id=anna&feature_code=export"

    assert ask(token("shop", "service", scope="check"), path=check) == 200
    assert ask(token("shop", "service", scope="check other"), path=check) == 200
    assert ask(token("shop", "service", scope="check"), path="/api/v1/events") == 403
    assert ask(token("shop", "service", scope="events:read"), path="/api/v1/events") == 200
    assert ask(token("shop", "service", scope="events:read"), path=PATH) == 403
    assert ask(token("shop", "service", scope="admin"), path=PATH) == 200
    assert ask(token("shop", "service", scope=""), path=check) == 403


@pytest.mark.django_db
def test_a_bare_id_is_believed_only_where_two_settings_say_so(settings: LazySettings) -> None:
    """Ruling 7: the bare id of 001."""
    believed = {}

    for insecure, debug in ((False, False), (False, True), (True, False), (True, True)):
        settings.AUTH_INSECURE_DEV, settings.DEBUG = insecure, debug
        believed[insecure, debug] = ask("anna", "better-auth-token", "")

    assert believed == {(False, False): 401, (False, True): 401, (True, False): 401, (True, True): 200}


def test_a_bare_id_is_never_a_bearer_token(settings: LazySettings) -> None:
    settings.AUTH_INSECURE_DEV = settings.DEBUG = True

    assert ask("anna") == 401


@pytest.mark.django_db
def test_a_good_token_alone_asks_no_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """SE-03: who asks is known before the first query: the one here is the answer's."""
    given = token("anna", "user")

    with django_assert_num_queries(0):
        assert ask(given, path="/api/v1/users/ben/payments") == 404
