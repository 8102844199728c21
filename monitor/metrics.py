"""Every Prometheus metric with its meaning, nowhere else. Serving them is asked for with TOCSIN_METRICS_PORT."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, start_http_server

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
EVALUATION_SECONDS = Histogram("tocsin_evaluation_seconds", "Seconds one evaluation of all open buckets takes")
EPISODES_OPEN = Gauge("tocsin_episodes_open", "Episodes that are open now")
NOTIFICATIONS = Counter(
    "tocsin_notifications_total", "Notifications, by channel kind and outcome", ["channel", "outcome"]
)


def serve_metrics(port: int | None) -> None:
    """Serve /metrics on 127.0.0.1:port in the background; nothing where no port is set."""
    if port is not None:
        start_http_server(port, addr="127.0.0.1")
