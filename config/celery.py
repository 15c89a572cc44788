"""The Celery app and the timetable of every periodic job. Celery is a doorbell: Postgres is the queue."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import structlog
from celery import Celery, Task
from celery.schedules import crontab
from celery.signals import beat_init, celeryd_init, setup_logging
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings  # noqa: E402  (the settings module must be named first)

from config.metrics import BELLS_LOST  # noqa: E402

log = structlog.get_logger("farebox.bell")

app = Celery("farebox", broker=settings.REDIS_URL)
app.conf.update(
    task_ignore_result=True,
    # The table of events is the queue: a lost bell is swept. Late acknowledgements that a frozen broker lost
    # would fill the prefetch window and stop the worker for good.
    task_acks_late=False,
    worker_prefetch_multiplier=0,
    broker_connection_retry_on_startup=True,
    # A bell that cannot be rung at once is not worth waiting for: a buyer is.
    task_publish_retry=False,
    # Kombu's own would try again after two seconds, and after four.
    broker_transport_options={
        "socket_connect_timeout": 0.5,
        "socket_timeout": 1,
        "retry_on_timeout": False,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
    },
    timezone="UTC",
    beat_schedule={
        "ask again about what is unknown": {"task": "billing.settle_unknown", "schedule": 60.0},
        "follow changed rules": {"task": "billing.apply_policy", "schedule": 60.0},
        "write down what has ended": {"task": "entitlements.expire", "schedule": 60.0},
        "give back what is held too long": {"task": "entitlements.expire_reservations", "schedule": 60.0},
        "seal history": {"task": "events.seal", "schedule": 300.0},
        "settle claimed countries": {"task": "billing.settle_zones", "schedule": 60.0},
        "tell customers": {"task": "billing.tell_customers", "schedule": 300.0},
        "send mail": {"task": "events.send_mail", "schedule": 30.0},
        "forget sessions that have ended": {"task": "config.clear_sessions", "schedule": 3600.0},
        "forget wrong logins that lock nobody": {"task": "config.forget_failed_logins", "schedule": 900.0},
        "fill the gaps in what Stripe told": {"task": "billing.fill_gaps", "schedule": 300.0},
        "empty old webhook bodies": {"task": "billing.empty_bodies", "schedule": 6 * 3600.0},
        "compare the books of the day": {"task": "billing.reconcile", "schedule": crontab(minute=17)},
        "compare the books of the month": {
            "task": "billing.reconcile",
            "schedule": crontab(hour=3, minute=47),
            "kwargs": {"days": 35},
        },
    },
)
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_options: Any) -> None:
    """Stop Celery from replacing the log format."""


@celeryd_init.connect
@beat_init.connect
def _refuse_unsafe(**_options: Any) -> None:
    """End at start with the reason; Celery would log another exception of a signal and work on."""
    from config import boot

    try:
        boot.refuse_unsafe()
    except ImproperlyConfigured as reason:
        raise SystemExit(str(reason)) from None


class Bell:
    """Rings for work when its transaction has committed. A broker that is away is noted, never an error.

    After a lost ring it keeps still for a while: no buyer shall wait for a broker that does not answer.
    """

    STILL_SECONDS = 2.0
    GATHER_SECONDS = 0.1

    def __init__(self) -> None:
        self.still_until = 0.0
        self._wanted: set[Task[..., Any]] = set()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self, task: Task[..., Any], *args: Any) -> None:
        """Start a task after the commit. If it cannot be, the sweeper finds the work."""
        transaction.on_commit(lambda: self._now(task, *args))

    def gather(self, task: Task[..., Any]) -> None:
        """Start a task after the commit, once for all that ask within a tenth of a second; nobody waits for it."""
        transaction.on_commit(lambda: self.soon(task))

    def soon(self, task: Task[..., Any]) -> None:
        """Do so where no transaction is open, and none of Django's connections: to ask for one would keep it."""
        if task in self._wanted and self._thread and self._thread.is_alive():
            return
        self._wanted.add(task)
        # After a fork the thread is the parent's.
        if not (self._thread and self._thread.is_alive()):
            self._thread = threading.Thread(target=self._ringing, name="bell", daemon=True)
            self._thread.start()
        self._wake.set()

    def _ringing(self) -> None:
        while self._wake.wait():
            self._wake.clear()
            while self._wanted:
                # Out before it is rung: who comes from now on is rung for again.
                self._now(self._wanted.pop())
            time.sleep(self.GATHER_SECONDS)

    def _now(self, task: Task[..., Any], *args: Any) -> None:
        if time.monotonic() < self.still_until:
            BELLS_LOST.inc()
            return
        try:
            task.apply_async(args, retry=False)
        except task.OperationalError:
            self.still_until = time.monotonic() + self.STILL_SECONDS
            BELLS_LOST.inc()
            log.warning("bell lost", task=task.name)


bell = Bell()
