"""What the cache counts for Prometheus (OB-03)."""

from __future__ import annotations

import prometheus_client as prometheus

FOUND = prometheus.Counter("entitlement_cache_lookups", "Where what is known of a user was found.", ["place"])
HITS_MEMORY, HITS_VALKEY, MISSES = (FOUND.labels(place) for place in ("memory", "valkey", "postgres"))
STALE_AVOIDED = prometheus.Counter("entitlement_cache_stale_avoided", "Older versions that were not kept.")
FALLBACKS = prometheus.Counter("entitlement_cache_fallbacks", "Questions that Valkey could not be asked.")
STREAMS = prometheus.Gauge("entitlement_streams", "Streams of changes that are open.", multiprocess_mode="livesum")
DECIDED = prometheus.Histogram(
    "entitlement_check_seconds",
    "Time to decide a question.",
    buckets=(0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3),
)
