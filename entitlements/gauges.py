"""What the cache counts for Prometheus (OB-03)."""

from __future__ import annotations

import threading

import prometheus_client as prometheus

FOUND = prometheus.Counter("entitlement_cache_lookups", "Where what is known of a user was found.", ["place"])
MISSES = FOUND.labels("postgres")
STALE_AVOIDED = prometheus.Counter("entitlement_cache_stale_avoided", "Older versions that were not kept.")
FALLBACKS = prometheus.Counter("entitlement_cache_fallbacks", "Questions that Valkey could not be asked.")
STREAMS = prometheus.Gauge("entitlement_streams", "Streams of changes that are open.", multiprocess_mode="livesum")


class Hits:
    """What one place answered, counted in a number: it is asked so often that Prometheus' own counting would show."""

    def __init__(self, place: str) -> None:
        self._counter = FOUND.labels(place)
        self.count = 0
        self._told = 0
        self._telling = threading.Lock()

    def note(self, *, soon: bool = True) -> None:
        """Count one; it is told at once when nobody will tell it soon."""
        self.count += 1
        if not soon:
            self.tell()

    def tell(self) -> None:
        """Let Prometheus know how many there were since the last time."""
        with self._telling:
            count = self.count
            self._counter.inc(count - self._told)
            self._told = count


HITS_MEMORY, HITS_VALKEY = Hits("memory"), Hits("valkey")


def tell() -> None:
    """Let Prometheus know what was counted here."""
    HITS_MEMORY.tell()
    HITS_VALKEY.tell()
