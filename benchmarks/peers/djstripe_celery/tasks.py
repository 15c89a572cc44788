"""The callback: https://dj-stripe.dev (Webhooks, "process webhooks with Celery"). The task itself does nothing here."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

app = Celery("peer", broker=os.environ["REDIS_URL"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=100)


@app.task(name="peer.work")
def work(trigger: int) -> None:
    """Stand for the least that a task can do."""


def ring(trigger: Any, api_key: str) -> None:
    """Hand an event to Celery."""
    work.delay(trigger.id)
