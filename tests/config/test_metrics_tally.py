"""What is counted many at once is what would have been counted one by one."""

from __future__ import annotations

import threading

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from config.metrics import Tally

SECONDS = [0.00001, 0.005, 0.0051, 0.3, 12.0, 0.001]


def test_many_at_once_are_as_many_as_one_by_one() -> None:
    one, many = CollectorRegistry(), CollectorRegistry()
    count, time = Counter("answers", "", registry=one), Histogram("seconds", "", registry=one)
    for each in SECONDS:
        count.inc()
        time.observe(each)

    tally = Tally([Counter("answers", "", registry=many)], [Histogram("seconds", "", registry=many)])
    for each in SECONDS:
        tally.note(0.0, each)
    tally.tell()

    def lines(registry: CollectorRegistry) -> list[bytes]:
        return [line for line in generate_latest(registry).splitlines() if b"_created" not in line]

    assert lines(many) == lines(one)


def test_no_thread_is_counted_twice_or_lost() -> None:
    registry = CollectorRegistry()
    counter = Counter("answers", "", registry=registry)
    tally = Tally([counter], [])

    def work() -> None:
        for _ in range(5000):
            tally.note(0.0, 0.001)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.tell()

    assert counter._value.get() == 40_000
