"""What every answer tells a browser, on the API, the pages, the back office and errors."""

from __future__ import annotations

import importlib
import re

import pytest
from django.conf import LazySettings
from django.test import Client

from tests.api import api

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "farebox",
}
CLOSED = "default-src 'none'"
ANSWERS = [
    ("/api/v1/plans", 200, CLOSED),
    ("/api/v1/payments", 401, CLOSED),
    ("/api/v1/plans?nothing=1", 400, CLOSED),
    ("/api/v1/nothing", 404, CLOSED),
    ("/payments/webhook", 405, CLOSED),
    ("/api/schema", 200, CLOSED),
    ("/api/docs", 200, "style-src 'self' 'unsafe-inline'"),
    ("/api/docs?script=", 200, "default-src 'self'"),
    ("/", 200, "default-src 'self'"),
    ("/nothing", 404, "default-src 'self'"),
    ("/admin/login/", 200, "script-src 'self' 'unsafe-eval'"),
    ("/admin/", 302, "script-src 'self' 'unsafe-eval'"),
    ("/healthz", 200, "default-src 'self'"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "status", "policy"), ANSWERS, ids=[f"{path} {status}" for path, status, _ in ANSWERS])
def test_every_kind_of_answer_has_every_header(path: str, status: int, policy: str) -> None:
    """SE-06; ASVS 5.0, 3.4."""
    answer = Client().get(path)

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert "camera=()" in answer.headers["Permissions-Policy"]
    shown = answer.headers["Content-Security-Policy"]
    assert policy in shown
    assert "frame-ancestors 'none'" in shown
    assert "base-uri 'none'" in shown
    assert ("unsafe-eval" in shown) == path.startswith("/admin/")
    assert ("unsafe-inline" in shown) == path.startswith(("/admin/", "/api/docs"))
    assert "script-src 'self' 'unsafe-inline'" not in shown


@pytest.mark.django_db
def test_the_page_of_the_api_has_no_inline_script() -> None:
    """Its policy allows none."""
    page = Client().get("/api/docs").content.decode()

    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page) == []


def test_a_fault_of_ours_has_the_headers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 500 is a problem without a word of why."""
    client = Client(raise_request_exception=False)

    with monkeypatch.context() as broken:
        broken.setattr("config.health._postgres", lambda: 1 / 0)
        answer = client.get("/health")

    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert "division" not in answer.content.decode()


@pytest.mark.django_db
def test_behind_tls_browsers_are_kept_on_it(settings: LazySettings) -> None:
    """HSTS for a year with subdomains; plain requests are sent to https."""
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31536000, True
    settings.SECURE_PROXY_SSL_HEADER, settings.SECURE_SSL_REDIRECT = ("HTTP_X_FORWARDED_PROTO", "https"), True

    answer = Client().get("/api/v1/plans", headers={"X-Forwarded-Proto": "https"})
    plain = Client().get("/api/v1/plans")

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert (plain.status_code, plain.headers["Location"]) == (301, "https://testserver/api/v1/plans")


def test_tls_settings_follow_one_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """BEHIND_TLS makes cookies secure, HSTS long, and believes the proxy's word; without it none of that."""
    from config import settings

    monkeypatch.setenv("BEHIND_TLS", "true")
    tls = importlib.reload(settings)
    on = (tls.SESSION_COOKIE_SECURE, tls.CSRF_COOKIE_SECURE, tls.SECURE_SSL_REDIRECT, tls.SECURE_HSTS_SECONDS)
    monkeypatch.undo()
    plain = importlib.reload(settings)

    assert on == (True, True, True, 31536000)
    assert (plain.SESSION_COOKIE_SECURE, plain.SECURE_PROXY_SSL_HEADER) == (False, None)


@pytest.mark.django_db
def test_a_page_of_an_allowed_origin_may_read_the_answer(settings: LazySettings) -> None:
    """Explicit CORS: named origins only, no cookies, and the headers that a client needs."""
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]

    allowed = api().get("/api/v1/plans", headers={"Origin": "https://app.example"})
    other = api().get("/api/v1/plans", headers={"Origin": "https://evil.example"})
    office = Client().get("/admin/login/", headers={"Origin": "https://app.example"})
    asked = Client().options(
        "/api/v1/quotes", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    )

    assert allowed.headers["Access-Control-Allow-Origin"] == "https://app.example"
    exposed = set(allowed.headers["Access-Control-Expose-Headers"].split(", "))
    assert exposed >= {"ETag", "Retry-After", "Idempotent-Replayed", "RateLimit", "RateLimit-Policy"}
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    assert "Access-Control-Allow-Origin" not in other.headers
    assert "Access-Control-Allow-Origin" not in office.headers
    assert "idempotency-key" in asked.headers["Access-Control-Allow-Headers"]


def test_static_files_may_be_kept_and_may_load_nothing() -> None:
    """They hold nothing of anybody's."""
    answer = Client().get("/static/farebox/home.css")

    assert answer.status_code == 200
    assert "no-store" not in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
