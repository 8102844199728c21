"""Every Prometheus metric with its meaning, nowhere else. Serving them is asked for with TOCSIN_METRICS_PORT."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from monitor.address import must_be_free

FETCHES = Counter("tocsin_fetches_total", "Times a source was asked, by how it ended", ["source", "outcome"])
PUBLISHED = Counter("tocsin_published_articles_total", "Raw articles appended to the log", ["source"])
STORED = Counter("tocsin_stored_articles_total", "Articles that became rows (copies of a known id excluded)")
DEAD = Counter("tocsin_dead_letters_total", "Messages that can never become an article")
BATCH_SECONDS = Histogram(
    "tocsin_batch_seconds",
    "Seconds a worker spends on one batch, by stage",
    ["stage"],
    buckets=(0.01, 0.05, 0.2, 1, 5, 30),
)
CLASSIFIED = Counter("tocsin_classified_passages_total", "Passages judged by the model", ["model"])
LAG = Gauge("tocsin_log_lag_messages", "Messages on the log that no worker has committed")
STALLED_SECONDS = Gauge(
    "tocsin_log_stalled_seconds", "Seconds for which a partition of the log has had messages that no worker takes"
)
EVALUATION_SECONDS = Histogram("tocsin_evaluation_seconds", "Seconds one evaluation of all open buckets takes")
EPISODES_OPEN = Gauge("tocsin_episodes_open", "Episodes that are open now")
OF_THE_ELECTED = (LAG, STALLED_SECONDS, EPISODES_OPEN)
"""Told by the elected jobs process alone, and 0 by the others."""
NOTIFICATIONS = Counter(
    "tocsin_notifications_total", "Notifications, by channel kind and outcome", ["channel", "outcome"]
)


PROGRAMS = ("worker", "jobs", "ingest", "dashboard")
"""The programs that can be asked; each listens that many ports above TOCSIN_METRICS_PORT."""
MEND = "set TOCSIN_METRICS_PORT to another port, or stop what listens there"


def serve_metrics(program: str, port: int | None, *, insecure: bool = False) -> None:
    """Serve /metrics in the background; nothing where no port is set. TocsinError where the port is taken."""
    if port is None or program not in PROGRAMS:
        return
    host, own = "0.0.0.0" if insecure else "127.0.0.1", port + PROGRAMS.index(program)
    must_be_free(host, own, MEND)
    start_http_server(own, addr=host)
