"""The API's short way gives the answers of the whole way, header by header; pages take the whole one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from config import ways
from config.routes import ByWord
from tests.api import token

ABSENT = "01900000-0000-7000-8000-000000000000"
# It says nothing, and a request with a cookie goes the whole way.
COOKIE = {"HTTP_COOKIE": "nothing=said"}
# What the API passes by: what may be put here says nothing to it, adds no header to its answers, and refuses nothing.
PASSED = {
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "config.staff.guard",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
}
Answer = tuple[int, list[tuple[str, str]], bytes]


def routes(patterns: list[Any], beginning: str = "/") -> Iterator[str]:
    """Name a path for every route."""
    for pattern in patterns:
        path = beginning + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield re.sub(r"<\w+:\w+>", "absent", re.sub(r"<uuid:\w+>", ABSENT, path))


PATHS = sorted(path for path in routes(get_resolver().url_patterns) if path.startswith(ways.SHORT))
CALLERS = {"nobody": None, "a bad token": "x.y.z", "admin": "admin"}


def answer(client: Client, method: str, path: str, **environ: Any) -> Answer:
    body = b"" if method in ("GET", "HEAD", "OPTIONS") else b'{"nothing":1}'
    said = client.generic(method, path, body, content_type="application/json", **environ)
    # Of each request its own.
    own = dict.fromkeys(("X-Request-Id", "RateLimit", "ETag"), "*")
    text = b"" if said.streaming else re.sub(rb'("(request_id|as_of|fresh_until)": ?)"[^"]*"', rb"\1", said.content)
    return said.status_code, [(name, own.get(name, value)) for name, value in said.headers.items()], text


def both(client: Client, method: str, path: str, **environ: Any) -> tuple[Answer, Answer]:
    return answer(client, method, path, **environ), answer(client, method, path, **COOKIE, **environ)


def headers(caller: str | None) -> dict[str, str]:
    if caller is None:
        return {}
    return {"HTTP_AUTHORIZATION": f"Bearer {caller if '.' in caller else token('anna', caller)}"}


@pytest.mark.django_db
@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", "BREW"])
def test_every_path_has_one_answer_on_both_ways(method: str, caller: str | None, settings: LazySettings) -> None:
    """The whole way is as Django gives it; the short one is ours."""
    settings.RATE_LIMITED = True
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 10**6)
    client = Client(raise_request_exception=False)

    for path in [*PATHS, "/api/v1/nothing", "/api/v1/plans/", "/payments/", "/ofrep/v1/", "/api/v1/plans?a=1"]:
        short, whole = both(client, method, path, **headers(caller))
        assert short == whole, path


UNUSUAL: dict[str, dict[str, str]] = {
    "an allowed origin": {"HTTP_ORIGIN": "https://app.example"},
    "another origin": {"HTTP_ORIGIN": "https://evil.example"},
    "no origin": {"HTTP_ORIGIN": "http://[x"},
    "a strange host": {"HTTP_HOST": "evil.example"},
    "no good host": {"HTTP_HOST": "a b"},
    "https": {"wsgi.url_scheme": "https"},
    "https behind a proxy": {"HTTP_X_FORWARDED_PROTO": "https"},
    "another name": {"SCRIPT_NAME": "/farebox"},
    "an id": {"HTTP_X_REQUEST_ID": "mine-1"},
    "what is accepted": {"HTTP_ACCEPT": "application/json; indent=4"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("behind_tls", [False, True], ids=["plain", "behind TLS"])
@pytest.mark.parametrize("name", UNUSUAL)
def test_the_unusual_has_one_answer_on_both_ways(name: str, behind_tls: bool, settings: LazySettings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    if behind_tls:
        settings.SECURE_HSTS_SECONDS, settings.SECURE_SSL_REDIRECT = 31536000, True
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    client = Client(headers={"Authorization": f"Bearer {token('anna')}"})

    for path in ("/api/v1/plans", "/api/v1/nothing", "/api/v1/payments", "/payments/webhook", "/ofrep/v1/x"):
        for method in ("GET", "OPTIONS", "POST"):
            short, whole = both(client, method, path, **UNUSUAL[name])
            assert short == whole, f"{method} {path}"


@pytest.mark.django_db
def test_only_the_api_takes_the_short_way_and_never_with_a_cookie() -> None:
    """Whoever has come by the sessions has one."""
    client = Client()
    ways_taken = {
        path: hasattr(client.get(path, **extra).wsgi_request, "session")
        for path, extra in [
            ("/api/v1/plans", {}),
            ("/api/v1/features", COOKIE),
            ("/", {}),
            ("/admin/login/", {}),
            ("/api/docs", {}),
            ("/healthz", {}),
        ]
    }

    assert [path for path, whole in ways_taken.items() if not whole] == ["/api/v1/plans"]


def test_a_page_that_shows_its_faults_takes_the_whole_way(settings: LazySettings) -> None:
    """Django's own pages of faults have other headers."""
    settings.DEBUG = True

    assert hasattr(Client().get("/api/v1/nothing").wsgi_request, "session")


def test_what_the_api_passes_by_is_named() -> None:
    """New middleware is put on both ways, or named above with the reason that the API can do without."""
    words = settings.MIDDLEWARE
    between = words[words.index("config.ways.Fork") + 1 : words.index("config.ways.meet")]
    adding = [word for word in between if word not in PASSED]

    assert words[-1] == "config.ways.meet"
    assert [import_string(word) for word in reversed(adding)] == list(ways.ADDING)


def test_no_path_of_the_api_ends_with_a_slash() -> None:
    """So none that is not found is looked for with one, and sent there."""
    assert len(PATHS) > 70
    assert [path for path in PATHS if path.endswith("/")] == []


def test_what_a_view_says_itself_stands_where_the_whole_way_leaves_it() -> None:
    """No view says one of these headers now."""

    def view(_request: HttpRequest) -> HttpResponse:
        own = {"Vary": "Accept", "Cache-Control": "public", "X-Frame-Options": "SAMEORIGIN", "Content-Length": "2"}
        return HttpResponse("ok", headers={"X-Own": "1", **own})

    whole = view
    for each in ways.ADDING:
        whole = each(whole)
    ways.meet(view)
    short = ways.Fork(whole)
    request = Client().get("/healthz").wsgi_request
    request.path_info = "/api/v1/plans"

    assert list(short(request).headers.items()) == list(whole(request).headers.items())


def test_every_route_is_found_by_its_first_word() -> None:
    """As if all had been tried in their order; and what starts otherwise is no path."""
    (mine,) = [each for each in get_resolver().url_patterns if isinstance(each, ByWord)]
    plain = URLResolver(mine.pattern, mine.url_patterns)

    for path in PATHS:
        if path.startswith("/api/v1/"):
            found, expected = mine.resolve(path[1:]), plain.resolve(path[1:])
            assert (found.route, found.kwargs, found.url_name) == (expected.route, expected.kwargs, expected.url_name)
            assert found.func is expected.func
    for path in ("/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1//plans", "/api/v1/plans/x/y", "/api/v1/Plans"):
        assert Client().get(path).status_code == 404
    with pytest.raises(ValueError, match="starts with no word"):
        ByWord("api/v1/", [URLPattern(plain.url_patterns[1].pattern.__class__("<str:x>"), lambda request: None)])
