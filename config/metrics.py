"""Numbers for Prometheus, by the names that the services before used (requirements.md, OB-02)."""

from __future__ import annotations

import hmac
import os
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import prometheus_client as prometheus
from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.http import HttpRequest, HttpResponse
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config.requests import method_of, route_of

REQUESTS = prometheus.Counter("http_requests", "HTTP requests answered.", ["method", "route", "code"])
SECONDS = prometheus.Histogram("http_request_duration_seconds", "Time to answer.", ["method", "route"])
BELLS_LOST = prometheus.Counter("doorbells_lost", "Bells that could not be rung; the sweeper takes over.")
Handler = Callable[[HttpRequest], HttpResponse]


def measure(get_response: Handler) -> Handler:
    """Count and time every request by its route."""

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = get_response(request)
        requests, seconds = _numbers(method_of(request), route_of(request), response.status_code)
        requests.inc()
        seconds.observe(time.perf_counter() - started)
        return response

    return middleware


@cache
def _numbers(method: str, route: str, code: int) -> tuple[prometheus.Counter, prometheus.Histogram]:
    return REQUESTS.labels(method, route, code), SECONDS.labels(method, route)


class Tally:
    """Counts and times what is answered faster than Prometheus' own counters are raised: many at once, once a second.

    What was told last before a pause waits for the next answer.
    """

    AT_ONCE, SECONDS_APART = 1000, 1.0

    def __init__(self, counters: Sequence[prometheus.Counter], histograms: Sequence[prometheus.Histogram]):
        self._counters, self._histograms = counters, histograms
        self._waiting: list[float] = []
        self._told_at = 0.0
        self._lock = threading.Lock()

    def note(self, started: float, ended: float) -> None:
        """Note one that was answered between two moments of `time.monotonic()`."""
        waiting = self._waiting
        waiting.append(ended - started)
        if ended - self._told_at >= self.SECONDS_APART or len(waiting) >= self.AT_ONCE:
            self._told_at = ended
            self.tell()

    def tell(self) -> None:
        """Raise the counters by what waits."""
        with self._lock:
            count = len(self._waiting)
            told = self._waiting[:count]
            del self._waiting[:count]
        self.tell_of(told)

    def tell_of(self, seconds: Sequence[float]) -> None:
        """Raise the counters at once by several that were answered together."""
        for counter in self._counters:
            counter.inc(len(seconds))
        for histogram in self._histograms:
            _observe(histogram, seconds)


def _observe(histogram: prometheus.Histogram, seconds: Sequence[float]) -> None:
    # What `observe` does for each. Most are quicker than the first bound.
    bounds = histogram._upper_bounds
    slower = [each for each in seconds if each > bounds[0]]
    places = Counter(bisect_left(bounds, each) for each in slower)
    places[0] = len(seconds) - len(slower)
    histogram._sum.inc(sum(seconds))
    for place, count in places.items():
        histogram._buckets[place].inc(count)


class Books(Collector):
    """What the database knows, read when Prometheus asks: right across processes and restarts."""

    COUNTS = (
        ("payment_transactions", "Payments by status and currency.", "billing_payment", ("status", "currency")),
        ("mails", "E-mails by status.", "events_mail", ("status",)),
        ("webhook_events", "Stripe's events by status.", "billing_webhookevent", ("status",)),
    )

    def collect(self) -> Iterator[Metric]:
        """Yield one family for each table, the failed payments by code, and the age of the oldest waiting event."""
        with connection.cursor() as cursor:
            for name, text, table, labels in self.COUNTS:
                columns = ", ".join(labels)
                cursor.execute(f"SELECT {columns}, count(*) FROM {table} GROUP BY {columns}")  # noqa: S608 (names are ours)
                yield self._family(name, text, labels, cursor.fetchall())
            cursor.execute("SELECT failure_code, count(*) FROM billing_payment WHERE failure_code <> '' GROUP BY 1")
            yield self._family("payment_errors", "Payments by the reason they failed.", ("code",), cursor.fetchall())
            cursor.execute(
                "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)"
                " FROM billing_webhookevent WHERE status IN ('received', 'retry')"
            )
            age = GaugeMetricFamily("webhook_oldest_waiting_seconds", "Age of the oldest event not yet worked on.")
            age.add_metric([], float(cursor.fetchone()[0]))
            yield age
            yield from self._webhooks(cursor)
            cursor.execute(
                "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)"
                " FROM events_event WHERE seal_number IS NULL"
            )
            unsealed = GaugeMetricFamily("history_oldest_unsealed_seconds", "Age of the oldest event without a seal.")
            unsealed.add_metric([], float(cursor.fetchone()[0]))
            yield unsealed

    @staticmethod
    def _webhooks(cursor: CursorWrapper) -> Iterator[Metric]:
        """Yield what was not delivered, and how long ago Stripe's own list was read. (Dead ones: by status, above.)"""
        cursor.execute("SELECT count(*) FROM billing_webhookevent WHERE filled")
        filled = CounterMetricFamily("webhook_events_filled", "Events found in Stripe's list, not delivered in time.")
        filled.add_metric([], float(cursor.fetchone()[0]))
        yield filled
        cursor.execute("SELECT extract(epoch FROM clock_timestamp() - max(read_at)) FROM billing_reading")
        (age,) = cursor.fetchone()
        if age is not None:
            read = GaugeMetricFamily("webhook_list_read_seconds_ago", "Time since Stripe's list of events was read.")
            read.add_metric([], float(age))
            yield read

    @staticmethod
    def _family(name: str, text: str, labels: tuple[str, ...], rows: list[tuple[object, ...]]) -> CounterMetricFamily:
        family = CounterMetricFamily(name, text, labels=labels)
        for *values, count in rows:
            family.add_metric([str(value) for value in values], float(str(count)))
        return family


def show(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus: all web processes together (PROMETHEUS_MULTIPROC_DIR), and the books."""
    if not _may_read(request):
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'Bearer realm="farebox metrics"'})
    registry = prometheus.CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        shown = prometheus.generate_latest(registry)
    else:
        shown = prometheus.generate_latest(prometheus.REGISTRY)
    books = prometheus.CollectorRegistry()
    books.register(Books())
    return HttpResponse(shown + prometheus.generate_latest(books), content_type=prometheus.CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    asked = f"Bearer {settings.METRICS_TOKEN}".encode()
    given = request.headers.get("Authorization", "").encode()
    return not settings.METRICS_TOKEN or hmac.compare_digest(given, asked)
