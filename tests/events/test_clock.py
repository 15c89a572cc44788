"""The database's clock, asked and worked out."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from events import clock


@pytest.mark.django_db
def test_within_a_second_the_time_is_worked_out_and_never_behind_what_was_said() -> None:
    said = clock.now()

    with CaptureQueriesContext(connection) as queries:
        near = clock.near()

    assert not queries.captured_queries
    assert near >= said


@pytest.mark.django_db
def test_after_a_second_of_silence_it_is_asked_again() -> None:
    before = clock.now()
    clock.learn(before - timedelta(days=1), time.monotonic() - clock.TRUSTED_SECONDS)

    assert clock.peek() is None
    assert clock.near() >= before
    assert clock.peek()
