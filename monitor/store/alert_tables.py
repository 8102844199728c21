"""The tables of alerting: rules, what was learned, episodes, what was told, what waits. Owns the schema, no query."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
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
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


rules = Table(
    "rules",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("spec", JSONB, nullable=False),  # alerts.rules.Rule without id and name
    Column("enabled", Boolean, nullable=False),
    Column("level", Float),  # severity that opens, calibrated; NULL: from the budget and the number of scopes
    Column("rate", Float),  # false episodes a week measured on the stored past at that level
    _time("measured_at", nullable=True),
    Column("who", Text, nullable=False),
    _time("changed_at"),
)

watchlists = Table(
    "watchlists",
    metadata,
    Column("name", Text, primary_key=True),
    Column("companies", ARRAY(Text), nullable=False),
    Column("who", Text, nullable=False),
    _time("changed_at"),
)

detector_states = Table(  # per kinds and sentiment; every rule that looks at them reads the same one
    "detector_states",
    metadata,
    Column("model", SmallInteger, nullable=False),
    Column("series", Text, nullable=False),  # "news+report/negative"
    _time("at"),  # the last final bucket
    Column("learned", BigInteger, nullable=False),  # stories of the past it knows; more of them: learn anew
    Column("bank", LargeBinary, nullable=False),
    _time("saved_at"),
    PrimaryKeyConstraint("model", "series"),
)

episode_states = Table(  # where the machine stands, per rule and scope; the key holds no time
    "episode_states",
    metadata,
    Column("rule", Integer, ForeignKey("rules.id", ondelete="CASCADE"), nullable=False),
    Column("scope", Text, nullable=False),  # types.Scope.key
    Column("number", Integer, nullable=False),  # episodes of this key so far
    Column("state", JSONB, nullable=False),  # alerts.state.EpisodeState
    _time("stepped_to"),  # the newest bucket taken in
    PrimaryKeyConstraint("rule", "scope"),
)

incidents = Table(  # episodes that share stories: one event, one message
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),  # the id of its first episode
    _time("started"),
    _time("ended", nullable=True),
)

episodes = Table(
    "episodes",
    metadata,
    Column("id", Text, primary_key=True),  # from rule, scope and number alone
    Column("incident", Text, ForeignKey("incidents.id"), nullable=False),
    Column("rule", Integer, ForeignKey("rules.id", ondelete="SET NULL")),
    Column("scope", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("sentiment", Text, nullable=False),
    Column("model", SmallInteger, nullable=False),
    Column("phase", Text, nullable=False),  # open | growing | easing | closed
    _time("since"),  # first abnormal bucket
    _time("detected"),  # the bucket whose data decided
    _time("opened_at"),  # when we knew
    _time("ended", nullable=True),  # the last abnormal bucket, once closed
    Column("expected", Float, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("severity", Float, nullable=False),
    Column("peak", Float, nullable=False),
    Column("reason", Text, nullable=False),  # count | share
    Column("volume_only", Boolean, nullable=False),
    Column("publishers", Integer, nullable=False),  # distinct families behind the evidence
    Column("also", ARRAY(Text), nullable=False),  # scopes that rise through the same stories
    Column("missing", ARRAY(Text), nullable=False),  # what was incomplete, in words
    Column("reopened", Integer, nullable=False),
    _time("changed_at"),
    Index("ix_episodes_opened_at", "opened_at"),
    Index("ix_episodes_scope", "scope"),
    Index("ix_episodes_incident", "incident"),
    UniqueConstraint("rule", "scope", "number", name="uq_episodes_key"),
)

episode_stories = Table(
    "episode_stories",
    metadata,
    Column("episode", Text, ForeignKey("episodes.id", ondelete="CASCADE"), nullable=False),
    Column("story", Text, nullable=False),
    Column("article", Text, nullable=False),
    _time("at"),
    Column("families", ARRAY(Text), nullable=False),
    PrimaryKeyConstraint("episode", "story"),
)

told = Table(  # what was decided to be told; decides repeats
    "told",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("episode", Text, nullable=False),
    Column("incident", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("reason", Text, nullable=False),  # first | worse | reminder | closed | unwatched
    Column("severity", Float, nullable=False),
    _time("at"),
    Index("ix_told_episode", "episode"),
    Index("ix_told_incident", "incident"),
    Index("ix_told_at", "at"),
)

deferred = Table(  # what waits for the end of a silence, quiet hours, a limit or for the next digest
    "deferred",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("episode", Text, nullable=False),
    Column("incident", Text, nullable=False),
    Column("channel", Text, nullable=False),  # "" before routes were asked
    Column("reason", Text, nullable=False),
    Column("why", Text, nullable=False),
    _time("at"),
    _time("until"),
    Index("ix_deferred_until", "until"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # idempotency: the receiver sees it, too
    Column("channel", Text, nullable=False),
    Column("episode", Text),  # NULL for digests and notices
    Column("message", JSONB, nullable=False),  # alerts.message.Message; no secret, no signed link
    _time("created_at"),
    Column("attempts", Integer, nullable=False),
    _time("next_at"),
    _time("sent_at", nullable=True),
    _time("gave_up_at", nullable=True),
    Column("error", Text),
    Column("asked_by", Text),  # who had it sent again after it was given up, or dismissed it
    _time("dismissed_at", nullable=True),  # given up, and nobody need hear of that any more
    Index("ix_outbox_waiting", "next_at", postgresql_where=text("sent_at IS NULL AND gave_up_at IS NULL")),
    Index("ix_outbox_episode", "episode"),
    Index("ix_outbox_channel_created_at", "channel", "created_at"),
)

silences = Table(
    "silences",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("scope", Text, nullable=False),  # this scope and all inside it; "all" for everything
    Column("rule", Integer, ForeignKey("rules.id", ondelete="CASCADE")),
    _time("starts"),
    _time("ends"),
    Column("who", Text, nullable=False),
    Column("comment", Text, nullable=False),
    _time("at"),
    Column("ended_by", Text),  # who ended it before its time
)

feedback = Table(  # never overwritten: the newest verdict of an episode stands
    "feedback",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("episode", Text, ForeignKey("episodes.id", ondelete="CASCADE"), nullable=False),
    Column("verdict", Text, nullable=False),  # acknowledged | useful | noise
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False),
    _time("at"),
    Index("ix_feedback_episode", "episode"),
)

marks = Table(  # when a thing was last done: digests, silent-feed notices
    "marks",
    metadata,
    Column("name", Text, primary_key=True),
    _time("at"),
)
