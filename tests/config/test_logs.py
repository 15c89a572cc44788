"""One JSON line each, with the fields that were asked, and nothing that must not be there."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
from django.db import IntegrityError, transaction
from django.test import Client
from structlog.stdlib import ProcessorFormatter

from billing.models import Customer
from config import logs, requests
from events import context
from tests.api import api


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Listen beside the real handler, with the real formatter."""
    words = dict(logs.configuration("INFO")["formatters"]["json"])
    words.pop("()")
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(ProcessorFormatter(**words))
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


@pytest.mark.django_db
def test_a_request_leaves_one_line_with_the_fields_that_were_asked(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """OB-04: level, timestamp in ISO 8601, caller, message, request_id, user_id, method, duration, code."""
    api("anna").get("/api/v1/users/anna/payments", headers={"X-Request-Id": "r-1"})

    (line,) = [line for line in lines() if line["message"] == "request"]
    assert (line["level"], line["method"], line["code"], line["user_id"]) == ("info", "GET", 200, "anna")
    assert line["request_id"] == "r-1"
    assert line["route"] == "api/v1/users/<user:user_id>/payments"
    assert {"timestamp", "caller", "duration_ms", "actor"} <= set(line)


@pytest.mark.django_db
def test_no_token_and_no_query_is_logged(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Logs hold no secrets: neither headers nor queries."""
    Client(headers={"Authorization": "Bearer secret-token"}).get("/api/v1/plans?country=IN&note=secret-note")

    assert not [line for line in lines() if "secret" in json.dumps(line)]


def test_a_field_that_nobody_allowed_is_dropped_and_counted(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """An allow-list: what a new caller names by mistake stays out."""
    structlog.get_logger("farebox.tests").warning("odd", email="anna@example.com", body={"a": 1}, stripe_id="pi_1")

    (line,) = [line for line in lines() if line["message"] == "odd"]
    assert line["stripe_id"] == "pi_1"
    assert line["dropped"] == 2
    assert set(line) <= logs.FIELDS | {"dropped"}


def test_a_sentence_in_the_place_of_a_word_is_dropped(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """`str(error)` may hold anything."""
    structlog.get_logger("farebox.tests").warning("odd", reason="No such customer: 'anna@example.com'")

    (line,) = [line for line in lines() if line["message"] == "odd"]
    assert "reason" not in line
    assert line["dropped"] == 1


@pytest.mark.django_db
def test_an_error_is_told_by_class_code_and_place_without_its_words(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Postgres quotes the row that it refuses."""
    log = structlog.get_logger("farebox.tests")
    Customer.objects.create(user_id="secret-user")

    try:
        with transaction.atomic():
            Customer.objects.create(user_id="secret-user")
    except IntegrityError:
        log.exception("refused")
        logging.getLogger("django.request").error("%s: %s", "secret", "/secret", exc_info=True)

    ours, theirs = (line for line in lines() if line["message"] in ("refused", "%s: %s"))
    for line in (ours, theirs):
        assert "secret" not in json.dumps(line)
        assert line["exception"][0] == "IntegrityError 23505"
        assert any("test_logs" in place for place in line["exception"])


def test_a_library_s_line_is_told_without_its_arguments(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Arguments are values; a text without arguments may have been put together from some."""
    logging.getLogger("psycopg.pool").warning("error connecting in %r: %s", "pool-1", "password secret")
    logging.getLogger("django.db.backends").warning("SELECT 'secret'")

    first, second = lines()
    assert (first["message"], first["logger"]) == ("error connecting in %r: %s", "psycopg.pool")
    assert second["message"] == logs.WITHHELD
    assert "secret" not in json.dumps([first, second])


def test_the_line_of_a_request_is_as_the_handlers_would_write_it(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """It is put together by hand: the same fields in the same order, whatever stands in them."""
    said: dict[str, Any] = {"method": "GET", "route": "a%b/<user:user_id>", "code": 200, "user_id": 'an"na\u2028\n%s家'}

    with context.acting(f"user:{said['user_id']}"):
        requests.tell(said["method"], said["route"], said["code"], 0.01234, user_id=said["user_id"])
        structlog.get_logger("farebox.tests").info("request", **said, duration_ms=12.3)

    ours, theirs = lines()
    assert set(ours) == set(theirs)
    assert {name: ours[name] for name in ours if name not in ("timestamp", "caller")} == {
        name: theirs[name] for name in theirs if name not in ("timestamp", "caller")
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", ours["timestamp"])


def test_every_line_is_written_once_also_by_many_at_once(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Who comes while another writes leaves his line to him."""
    ready = threading.Barrier(8)

    def tell(thread: int) -> None:
        ready.wait()
        for number in range(200):
            requests.tell("GET", f"{thread}/{number}", 200, 0.001)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tell, range(8)))

    told = [line["route"] for line in lines()]
    assert sorted(told) == sorted(f"{thread}/{number}" for thread in range(8) for number in range(200))
    assert all(
        [route for route in told if route.startswith(f"{thread}/")] == [f"{thread}/{number}" for number in range(200)]
        for thread in range(8)
    )


def test_a_line_that_cannot_be_written_fails_no_request(capsys: pytest.CaptureFixture[str]) -> None:
    """The pipe is gone: it is told where faults are told, and the next is tried again."""
    closed = io.StringIO()
    closed.close()
    handler = logging.StreamHandler(closed)
    logging.getLogger().addHandler(handler)

    for _ in range(2):
        requests.tell("GET", "x", 200, 0.001)

    logging.getLogger().removeHandler(handler)
    assert capsys.readouterr().err.count("Message: 'A line could not be written.'") == 2
