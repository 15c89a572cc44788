"""What is measured: each server with its settings, and the requests that it is sent."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks import check_seeds, check_unleash, check_usage
from benchmarks.arena import CHECKS_THREADS, WEB_THREADS, Arena
from benchmarks.check_seeds import user
from benchmarks.wrk import Ask

OURS, PEERS = "config.wsgi:application", "benchmarks.peers"
WARM_USERS, ZIPF_USERS, TOKENS, MOST_COLD = 1000, 10_000, 10_000, 250_000
CHECK = "/api/v1/entitlements/check?user_id={}&feature_code=export"
# As many checks as a service may ask without being refused; they are counted all the same.
UNREFUSED = {"RATE_LIMIT_SERVICE_CHECKS": "100000000", "RATE_LIMIT_PER_MINUTE": "100000000"}
EDDSA = Ed25519PrivateKey.generate()


@dataclass(frozen=True, slots=True)
class Measured:
    """One thing that is measured in every round.

    `before` is run before each round, `fresh` sends each request once only, `python` is the peers' own.
    """

    name: str
    application: str
    asks: Callable[[str, int], Iterator[Ask]]
    environment: dict[str, str] = field(default_factory=dict)
    group: str = "warm"
    is_peer: bool = False
    empties_valkey: bool = False
    fresh: bool = False
    threads: int = CHECKS_THREADS
    # By what else than granian.
    served: Callable[[Arena, int | None], AbstractContextManager[tuple[str, int]]] | None = None


def service_token(secret: str) -> str:
    """Sign a token of a service, as a product's backend does."""
    now = int(time.time())
    claims = {"sub": "shop", "role": "service", "iss": "farebox", "aud": "farebox", "iat": now, "exp": now + 290}
    return jwt.encode({**claims, "jti": uuid4().hex}, secret, algorithm="HS256")


def eddsa_token() -> str:
    """Sign the same with Ed25519."""
    now = int(time.time())
    claims = {"sub": "shop", "role": "service", "iss": "farebox", "aud": "farebox", "iat": now, "exp": now + 290}
    return jwt.encode({**claims, "jti": uuid4().hex}, EDDSA, algorithm="EdDSA")


def peers_token(secret: str, number: int) -> str:
    """Sign a token as simplejwt does."""
    now = int(time.time())
    claims = {"token_type": "access", "exp": now + 7000, "iat": now, "jti": uuid4().hex, "user_id": user(number)}
    return jwt.encode(claims, secret, algorithm="HS256")


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer {token}"),)


def _hello(_secret: str, _users: int) -> Iterator[Ask]:
    yield Ask("/")


def _checks(numbers: Callable[[int], list[int]]) -> Callable[[str, int], Iterator[Ask]]:
    def asks(secret: str, users: int) -> Iterator[Ask]:
        headers = _bearer(service_token(secret))
        yield from (Ask(CHECK.format(user(number)), headers) for number in numbers(users))

    return asks


def _flags(_secret: str, _users: int) -> Iterator[Ask]:
    return check_unleash.asks(WARM_USERS)


def _many_tokens(_secret: str, _users: int) -> Iterator[Ask]:
    for place in range(TOKENS):
        yield Ask(CHECK.format(user(place % WARM_USERS)), _bearer(eddsa_token()))


def _own(path: str) -> Callable[[str, int], Iterator[Ask]]:
    def asks(secret: str, _users: int) -> Iterator[Ask]:
        for number in range(WARM_USERS):
            yield Ask(path.format(user(number)), _bearer(peers_token(secret, number)))

    return asks


def _bulk(users: int, features: int) -> Callable[[str, int], Iterator[Ask]]:
    def asks(secret: str, of: int) -> Iterator[Ask]:
        headers = (*_bearer(service_token(secret)), ("Content-Type", "application/json"))
        codes = ["export", *(f"feature-{number}" for number in range(features - 1))]
        for start in range(0, min(of, WARM_USERS) - users + 1, users):
            said = {"user_ids": [user(start + place) for place in range(users)], "feature_codes": codes}
            yield Ask("/api/v1/entitlements/check-bulk", headers, "POST", json.dumps(said))

    return asks


def _usage(subjects: int) -> Callable[[str, int], Iterator[Ask]]:
    def asks(secret: str, _users: int) -> Iterator[Ask]:
        headers = (*_bearer(service_token(secret)), ("Content-Type", "application/json"))
        run = uuid4().hex
        return check_usage.singles(headers, subjects, run) if subjects else check_usage.batches(headers, run)

    return asks


def _eddsa_environment() -> dict[str, str]:
    pem = EDDSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    issuer = {"algorithm": "EdDSA", "audience": "farebox", "public_key": pem, "services": True}
    # A file of settings beside it may name a secret of its own: nobody may name one issuer twice.
    return {**UNREFUSED, "JWT_ISSUERS": json.dumps({"farebox": issuer}), "JWT_SECRET": "", "JWT_ISSUER": "unused"}


WARM = _checks(lambda users: check_seeds.uniform(min(users, WARM_USERS), 20_000))
PATHS = (
    Measured("F0", f"{PEERS}.hello:application", _hello, group="F0"),
    Measured("F1", f"{PEERS}.django_hello:application", _hello),
    Measured("P1 idiomatic", f"{PEERS}.idiomatic.wsgi:application", _own(CHECK), is_peer=True),
    Measured("P2 waffle", f"{PEERS}.waffle.wsgi:application", _own("/api/v1/flags/export?of={}"), is_peer=True),
    Measured("P3 unleash", "", _flags, served=check_unleash.served),
    Measured("warm", OURS, WARM, UNREFUSED),
    Measured("F0 in web", f"{PEERS}.hello:application", _hello, threads=WEB_THREADS),
    Measured("warm in web", OURS, WARM, UNREFUSED, threads=WEB_THREADS),
    Measured("zipf", OURS, _checks(lambda users: check_seeds.zipf(min(users, ZIPF_USERS), 50_000)), UNREFUSED),
    Measured("eddsa", OURS, _many_tokens, _eddsa_environment(), group="eddsa"),
    Measured("view", OURS, WARM, {**UNREFUSED, "CHECK_FAST_LANE": "false"}, group="view"),
    Measured("valkey warm", OURS, WARM, {**UNREFUSED, "SNAPSHOT_MEMORY_BYTES": "0"}, group="valkey"),
    Measured(
        "all cold",
        OURS,
        # Nobody is asked for twice; of many, some from everywhere: the load generator holds them all.
        _checks(lambda users: list(range(0, users, 1 + users // MOST_COLD))),
        UNREFUSED,
        group="cold",
        empties_valkey=True,
        fresh=True,
    ),
    Measured("bulk 1 x 100", OURS, _bulk(1, 100), UNREFUSED, group="bulk"),
    Measured("bulk 100 x 1", OURS, _bulk(100, 1), UNREFUSED, group="bulk"),
    *(
        Measured(name, OURS, _usage(subjects), UNREFUSED, "usage", empties_valkey=True, fresh=True, threads=WEB_THREADS)
        for name, subjects in ((check_usage.HOT, 1), (check_usage.MANY, check_usage.SUBJECTS), (check_usage.AT_ONCE, 0))
    ),
)
GROUPS = ("warm", "eddsa", "view", "valkey", "cold", "bulk", "usage", "freshness", "memory", "client")


def peers_python(folder: Path) -> str:
    """Return the interpreter that has the peers' packages beside ours; they are installed at the first use."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        site = next((folder / "lib").glob("python*/site-packages"))
        (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
        wanted = Path(__file__).with_name("requirements.txt")
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-deps", "-r", str(wanted)], check=True)
    return str(python)
