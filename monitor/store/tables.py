"""The tables of the news path: articles, stories, scores, counts, labels, models, feeds. Owns the schema, no query.

The log's tables lie in monitor/broker, the alerts' in monitor/store/alert_tables.py; migrations create all of them.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


articles = Table(
    "articles",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("publisher", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("author", Text),
    Column("url", Text),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    _time("published", nullable=True),
    _time("seen"),
    _time("counted_at"),
    Column("is_backfill", Boolean, nullable=False),
    Column("story", Text, nullable=False),
    Column("novelty", Float, nullable=False),
    _time("stored_at"),
    Index("ix_articles_counted_at", "counted_at"),
    Index("ix_articles_story", "story"),
    Index("ix_articles_source_seen", "source", "seen"),
)

mentions = Table(
    "mentions",
    metadata,
    Column("article", Text, ForeignKey("articles.id"), nullable=False),
    Column("company", Text, nullable=False),
    Column("surface", Text, nullable=False),
    _time("counted_at"),
    PrimaryKeyConstraint("article", "company"),
    Index("ix_mentions_company_counted_at", "company", "counted_at"),
)

companies = Table(
    "companies",
    metadata,
    Column("company", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("ticker", Text),
)

stories = Table(
    "stories",
    metadata,
    Column("story", Text, primary_key=True),  # the id of its first article
    Column("articles", Integer, nullable=False),
    _time("first_at"),
    _time("last_at"),
)

story_bands = Table(
    "story_bands",
    metadata,
    Column("band", BigInteger, nullable=False),
    _time("counted_at"),
    Column("article", Text, nullable=False),
    PrimaryKeyConstraint("band", "counted_at", "article"),
)

story_publishers = Table(
    "story_publishers",
    metadata,
    Column("story", Text, nullable=False),
    Column("family", Text, nullable=False),  # Article.witness: of a comment, its author
    PrimaryKeyConstraint("story", "family"),
)

models = Table(
    "models",
    metadata,
    Column("id", SmallInteger, Identity(), primary_key=True),
    Column("version", Text, nullable=False, unique=True),
    Column("manifest", JSONB, nullable=False),
    _time("registered_at"),
)

services = Table(  # append-only; the newest row names the version in service
    "services",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("model", SmallInteger, ForeignKey("models.id"), nullable=False),
    _time("since"),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

scores = Table(
    "scores",
    metadata,
    Column("article", Text, ForeignKey("articles.id"), nullable=False),
    Column("model", SmallInteger, ForeignKey("models.id"), nullable=False),
    Column("topic", Text, nullable=False),
    Column("topic_probability", Float, nullable=False),
    Column("negative", Float, nullable=False),
    Column("neutral", Float, nullable=False),
    Column("positive", Float, nullable=False),
    _time("scored_at"),
    PrimaryKeyConstraint("article", "model"),
)

company_scores = Table(
    "company_scores",
    metadata,
    Column("article", Text, ForeignKey("articles.id"), nullable=False),
    Column("company", Text, nullable=False),
    Column("model", SmallInteger, ForeignKey("models.id"), nullable=False),
    Column("negative", Float, nullable=False),
    Column("neutral", Float, nullable=False),
    Column("positive", Float, nullable=False),
    PrimaryKeyConstraint("article", "company", "model"),
)

labels = Table(  # a person's word, never overwritten: the newest per (article, task, company) stands
    "labels",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("article", Text, ForeignKey("articles.id"), nullable=False),
    Column("task", Text, nullable=False),  # topic | sentiment | company
    Column("company", Text),
    Column("value", Text, nullable=False),
    Column("origin", Text, nullable=False),  # correction | audit | import
    Column("who", Text, nullable=False),
    _time("at"),
    Index("ix_labels_article", "article"),
    Index("ix_labels_at", "at"),
)

scopes = Table(
    "scopes",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # types.Scope.key
    Column("company", Text),
    Column("topic", Text),
    Index("ix_scopes_company", "company"),
)

story_counts = Table(  # one row per story counted in a scope; a recount of it gives `counts`
    "story_counts",
    metadata,
    Column("story", Text, nullable=False),
    Column("scope", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("model", SmallInteger, nullable=False),
    _time("at"),  # the five-minute bucket
    Column("article", Text, nullable=False),  # whose scores counted
    Column("negative", Boolean, nullable=False),
    Column("positive", Boolean, nullable=False),
    Column("score", Float, nullable=False),
    Column("is_backfill", Boolean, nullable=False),
    PrimaryKeyConstraint("story", "scope", "kind", "model"),
    Index("ix_story_counts_scope_at", "scope", "model", "at"),
)

counts = Table(
    "counts",
    metadata,
    Column("model", SmallInteger, nullable=False),
    Column("scope", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("minutes", SmallInteger, nullable=False),  # 5, 60 or 1440
    _time("at"),
    Column("total", Integer, nullable=False),
    Column("negative", Integer, nullable=False),
    Column("positive", Integer, nullable=False),
    Column("score_sum", Float, nullable=False),
    Column("backfilled", Integer, nullable=False),
    Column("backfilled_negative", Integer, nullable=False),
    PrimaryKeyConstraint("model", "minutes", "scope", "kind", "at"),
    Index("ix_counts_minutes_at", "minutes", "at"),
)

watermarks = Table(  # per partition of the log: how far the rows have come
    "watermarks",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    _time("counted_at"),
    _time("saved_at"),
    PrimaryKeyConstraint("topic", "partition"),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text),
    Column("problem", Text),
    _time("at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    _time("at"),
    _time("retried_at", nullable=True),
    Column("digest", Text, Computed("md5(payload)", persisted=True), nullable=False),
    # In a log that was made anew another message may lie where one lay before.
    PrimaryKeyConstraint("topic", "partition", "offset", "digest"),
)

feeds = Table(
    "feeds",
    metadata,
    Column("name", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("publisher", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("cadence_s", Integer, nullable=False),
    Column("etag", Text),
    Column("modified", Text),
    Column("failures", Integer, nullable=False),
    Column("error", Text),
    Column("articles", BigInteger, nullable=False),
    _time("next_at", nullable=True),
    _time("asked_at", nullable=True),
    _time("ok_at", nullable=True),
    _time("article_at", nullable=True),
    Column(
        "gaps_s", ARRAY(Integer), nullable=False
    ),  # the latest gaps between articles, for "silent longer than usual"
    Column("claimed_by", Text),
    _time("claimed_until", nullable=True),
)
