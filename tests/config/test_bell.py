"""Celery is a doorbell: its loss costs latency, never an answer."""

from __future__ import annotations

import time

import pytest
from celery import Celery

from config.celery import Bell
from config.celery import app as ours


def task_of(broker: str):  # noqa: ANN201 (Celery has no types)
    app = Celery("test", broker=broker, set_as_current=False)
    app.conf.broker_transport_options = ours.conf.broker_transport_options
    return app.task(name="test.look", shared=False)(look)


def look(stripe_id: str) -> None:
    """Stand for any task: it is never reached."""


@pytest.mark.django_db
def test_a_bell_that_cannot_be_rung_is_no_error_and_is_not_tried_for_a_while(
    django_capture_on_commit_callbacks: object,
) -> None:
    """The first costs at most the time limit; the next ones nothing."""
    bell = Bell()
    task = task_of("redis://127.0.0.1:1/0")

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        bell.ring(task, "pi_1")

    assert bell.still_until > time.monotonic()


@pytest.mark.django_db
def test_a_bell_is_rung_after_the_commit_only(django_capture_on_commit_callbacks: object) -> None:
    """A worker that is told earlier would find nothing."""
    bell = Bell()
    task = task_of("redis://127.0.0.1:1/0")

    with django_capture_on_commit_callbacks(execute=False) as waiting:  # type: ignore[operator]
        bell.ring(task, "pi_1")

    assert len(waiting) == 1
    assert bell.still_until == 0.0
