"""What the cache counts for Prometheus (OB-03)."""

from __future__ import annotations

import prometheus_client as prometheus

FOUND = prometheus.Counter("entitlement_cache_lookups", "Where what is known of a user was found.", ["place"])
HITS_VALKEY, MISSES = FOUND.labels("valkey"), FOUND.labels("postgres")
STALE_AVOIDED = prometheus.Counter("entitlement_cache_stale_avoided", "Older versions that were not kept.")
FALLBACKS = prometheus.Counter("entitlement_cache_fallbacks", "Questions that Valkey could not be asked.")
STREAMS = prometheus.Gauge("entitlement_streams", "Streams of changes that are open.", multiprocess_mode="livesum")


class Hits:
    """What memory answered, counted in a number: it is asked so often that Prometheus' own counting would show."""

    def __init__(self) -> None:
        self.count = 0
        self._told = 0

    def tell(self) -> None:
        """Let Prometheus know how many there were since the last time."""
        count = self.count
        FOUND.labels("memory").inc(count - self._told)
        self._told = count


HITS_MEMORY = Hits()
