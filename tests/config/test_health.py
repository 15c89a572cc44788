"""What operators and Prometheus ask."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.test import Client

from tests.buyer import Buyer


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "body"), [("/health", b'{"status": "healthy"}'), ("/healthz", b"ok"), ("/livez", b"ok")]
)
def test_health_by_every_name(path: str, body: bytes) -> None:
    """OB-01, ruling 9."""
    answer = Client().get(path)

    assert (answer.status_code, answer.content) == (200, body)


@pytest.mark.django_db
def test_ready_even_without_valkey(settings: LazySettings) -> None:
    """Ruling 37: a lost Valkey costs latency, not service."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    answer = Client().get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "parts": {"postgres": "ok", "valkey": "ConnectionError"}}


def test_metrics_by_the_names_that_were_asked(buyer: Buyer) -> None:
    """OB-02: five names, and the books are read from the database."""
    buyer.buy()

    shown = Client().get("/metrics").content.decode()

    assert 'payment_transactions_total{currency="usd",status="succeeded"} 1.0' in shown
    assert 'webhook_events_total{status="processed"}' in shown
    for name in ("http_requests_total", "http_request_duration_seconds", "payment_errors_total"):
        assert f"# TYPE {name.removesuffix('_total')}" in shown


@pytest.mark.django_db
def test_invented_methods_make_no_new_numbers() -> None:
    """API4:2023: each name would be kept for as long as the process lives."""
    for number in range(3):
        Client().generic(f"INVENTED{number}", "/healthz")

    shown = Client().get("/metrics").content.decode()

    assert "INVENTED" not in shown
    assert 'http_requests_total{code="200",method="OTHER",route="healthz"}' in shown


@pytest.mark.django_db
def test_metrics_may_ask_for_a_token(settings: LazySettings) -> None:
    settings.METRICS_TOKEN = "m" * 32

    asked = {
        given: Client().get("/metrics", headers={"Authorization": given}).status_code
        for given in ("", "Bearer", "Bearer x", f"Bearer {'m' * 31}", f"Bearer {'m' * 32} ", "m" * 32, "Bearer é")
    }

    assert set(asked.values()) == {401}, asked
    assert Client().get("/metrics").status_code == 401
    assert Client().get("/metrics", headers={"Authorization": f"Bearer {'m' * 32}"}).status_code == 200


@pytest.mark.django_db
def test_a_request_id_is_kept_or_made() -> None:
    """OB-04: a caller's own id when it is a plain token; anything else is replaced."""
    assert Client().get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    assert Client().get("/healthz", headers={"X-Request-Id": "a b\tc"}).headers["X-Request-Id"] != "a b\tc"
