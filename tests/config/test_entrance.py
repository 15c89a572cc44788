"""Django's entrance for the API answers as Django's own, and leaves as little behind."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import connection
from django.http import QueryDict
from django.test import Client
from rest_framework.response import Response

from config.api.answers import Answer
from config.api.strict import Plain
from config.entrance import PLAIN, Entrance, split
from config.ways import SHORT
from tests.api import token
from tests.config.test_ways import PATHS, UNUSUAL
from tests.environ import environ as made

Said = tuple[str, list[tuple[str, str]], bytes]
OTHERS = ["/api/v1/nothing", "/api/v1/plans/", "/payments/", "/ofrep/v1/", "/healthz", "/", "/api/docs", "/api/v1/é"]
QUERIES = [
    "",
    "country=IN",
    "a=1&a=2",
    "limit=5&nothing=",
    "a",
    "a=%FF",
    "a=b+c",
    "=",
    "&",
    "user_id=ann&feature_code=pdf",
]
CALLERS = {"nobody": None, "a bad token": "x.y.z", "admin": "admin", "a service": "service"}


def ask(application: Any, method: str, path: str, **environ: Any) -> Said:
    """Ask as a server would."""
    said: list[Any] = []
    body = b"" if method in ("GET", "HEAD", "OPTIONS") else b'{"nothing":1}'
    given = made(method, path, body, **environ)
    answer = application(given, lambda status, headers: said.extend([status, headers]))
    text = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    own = dict.fromkeys(("X-Request-Id", "RateLimit", "ETag", "Set-Cookie"), "*")
    shown = re.sub(rb'("(request_id|as_of|fresh_until)": ?)"[^"]*"', rb"\1", text)
    return said[0], [(name, own.get(name, value)) for name, value in said[1]], shown


@pytest.fixture(scope="module")
def both() -> tuple[Entrance, WSGIHandler]:
    return Entrance(), WSGIHandler()


def bearer(caller: str | None) -> dict[str, str]:
    if caller is None:
        return {}
    return {"HTTP_AUTHORIZATION": f"Bearer {caller if '.' in caller else token('anna', caller)}"}


@pytest.mark.django_db
@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST", "OPTIONS", "BREW"])
def test_every_path_has_one_answer_by_both_entrances(method: str, caller: str | None, both: Any) -> None:
    """Twice, because a path is remembered."""
    for path in [*PATHS, *OTHERS, *PATHS[:3]]:
        ours, django = (ask(each, method, path, **bearer(caller)) for each in both)
        assert ours == django, path


@pytest.mark.django_db
@pytest.mark.parametrize(
    "extra", [*UNUSUAL.values(), {"HTTP_COOKIE": "a=b"}, {"CONTENT_TYPE": "text/plain; charset=utf-16"}]
)
def test_the_unusual_has_one_answer_by_both_entrances(extra: dict[str, str], both: Any) -> None:
    for path in ("/api/v1/plans", "/api/v1/entitlements/check", "/payments/webhook", "/ofrep/v1/x"):
        for query in QUERIES:
            ours, django = (ask(each, "GET", path, QUERY_STRING=query, **bearer("service"), **extra) for each in both)
            assert ours == django, f"{path}?{query}"


@pytest.mark.django_db
def test_only_paths_without_ids_are_remembered(both: Any) -> None:
    """So what is remembered is as long as the list of routes."""
    for path in PATHS:
        ask(both[0], "BREW", path)

    assert both[0]._found
    assert not [path for path in both[0]._found if "0000-7000" in path or "absent" in path]


def test_a_plain_query_is_read_as_django_reads_it() -> None:
    """Names and values in their order, the last of several first asked for, and nothing to be changed."""
    dice = random.Random(4)
    letters = "ab=&%+;é _.~-@:/"
    said = [
        "".join(dice.choices(letters, weights=[9, 9, 6, 6, *[1] * 12], k=dice.randint(0, 12))) for _ in range(20_000)
    ]
    plain = [each for each in said if PLAIN.fullmatch(each)]

    assert len(plain) > 500
    for query in [*plain, "&".join(["a=1"] * 31)]:
        ours, django = split(query), QueryDict(query.encode())
        assert list(ours.lists()) == list(django.lists())
        assert (ours, vars(ours)) == (django, vars(django))
    assert not PLAIN.fullmatch("&".join(["a=1"] * 32))
    with pytest.raises(AttributeError):
        ours["a"] = "b"
    assert ours.copy() == django.copy()


def test_nobody_waits_for_a_signal_that_the_api_does_not_send() -> None:
    """What hears of each request, the entrance does by itself, or need not do as it set nothing."""
    heard = {
        receiver().__name__  # Weak, as nobody has asked otherwise.
        for signal in (request_started, request_finished)
        for _, receiver, *_ in signal.receivers
    }

    assert heard == {"reset_queries", "close_old_connections", "close_caches", "reset_urlconf"}


def test_the_connection_is_given_back_when_the_answer_is_made(books: None, both: Any) -> None:
    status, _, _ = ask(both[0], "GET", "/api/v1/features")

    assert status.startswith("200")
    assert connection.connection is None


def test_an_answer_has_all_that_drf_s_response_has() -> None:
    said = {"a": "é\u2028", "b": [1, None, 1.5]}
    plain: Any = Response(said, status=200)
    plain.accepted_renderer, plain.accepted_media_type, plain.renderer_context = Plain(), "application/json", {}
    ours, drf = Answer(said).render(), plain.render()
    apart = {"accepted_renderer", "accepted_media_type", "renderer_context", "headers"}

    assert {k: v for k, v in vars(ours).items() if k not in apart} == {
        k: v for k, v in vars(drf).items() if k not in apart
    }
    assert (ours.content, list(ours.items()), ours.status_code) == (drf.content, list(drf.items()), 200)
    assert ours.render() is ours


@pytest.mark.django_db
def test_pages_go_in_as_ever() -> None:
    assert not any("/admin/".startswith(each) for each in SHORT)
    assert Client().get("/healthz").status_code == 200
