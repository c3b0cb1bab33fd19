"""The operator's own Prometheus metrics: what `/metrics` serves.

Names and labels are an interface; docs list them. Nothing reads them back.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

RECONCILES = Counter(
    "tidegate_reconcile",
    "Reconciles by outcome: done, requeued, conflict, unavailable, retryable, error.",
    ("controller", "outcome"),
    registry=REGISTRY,
)
RECONCILE_SECONDS = Histogram(
    "tidegate_reconcile_seconds",
    "How long a reconcile took.",
    ("controller",),
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
    registry=REGISTRY,
)
QUEUE_LENGTH = Gauge(
    "tidegate_queue_length",
    "Requests that wait for a worker.",
    ("controller",),
    registry=REGISTRY,
)
WORKERS_BUSY = Gauge(
    "tidegate_workers_busy", "Reconciles that run now.", ("controller",), registry=REGISTRY
)
CACHE_OBJECTS = Gauge(
    "tidegate_cache_objects", "Objects kept in memory.", ("kind",), registry=REGISTRY
)
WATCH_EVENTS = Counter(
    "tidegate_watch_events", "Events that watches delivered.", ("kind",), registry=REGISTRY
)
CACHE_REPAIRS = Counter(
    "tidegate_cache_repairs",
    "What a resync had to mend: vanished, or changed without an event so far.",
    ("kind", "what"),
    registry=REGISTRY,
)
LEADING = Gauge("tidegate_leading", "1 while this process holds the Lease.", registry=REGISTRY)
