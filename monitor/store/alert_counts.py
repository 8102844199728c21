"""What rules count, and the banks learned from it: five-minute counts in, learned state in and out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text

from monitor.alerts.rules import Rule, narrows_stories
from monitor.alerts.watch import Tally, steady_from
from monitor.store.alerts import ASKED, TOLD_BEFORE, Transaction, column_of, holding
from monitor.types import Sentiment

LEAST_STORIES = 8
"""Scopes with fewer stories in the whole past begin as nobody's row, which amounts to the same."""


_HEARD = """
    SELECT scope FROM counts WHERE model = :model AND minutes = :coarse AND kind = ANY(:kinds)
       AND at >= date_bin(:width, :since, 'epoch') AND at < :until
    GROUP BY scope HAVING sum(total) >= :least"""
_AGAIN = f"""
    UNION ALL
    SELECT c.scope, c.at, -1, -c.{{marked}}::int, -(NOT c.is_backfill)::int,
           -(c.{{marked}} AND NOT c.is_backfill)::int
    FROM story_counts c JOIN heard ON heard.scope = c.scope JOIN stories ON stories.story = c.story
    WHERE c.model = :model AND c.kind = ANY(:kinds) AND c.at >= :since AND c.at < :until
      AND stories.articles > 1 AND {TOLD_BEFORE}"""  # noqa: S608 (a constant)
"""What several kinds tell, taken out again; few stories are told twice at all."""


def tallies(
    tx: Transaction,
    model: int,
    kinds: Sequence[str],
    sentiment: Sentiment,
    since: datetime,
    until: datetime,
    *,
    least_stories: int = 1,
    scope: str | None = None,
) -> list[Tally]:
    """Five-minute counts in [since, until), the kinds together: of scopes with `least_stories` or more, or of one.

    Each kind has counts of its own: of their sum, the few stories that several tell are taken out again.
    """
    statement = text(f"""
        WITH heard AS ({_HEARD if scope is None else "SELECT id AS scope FROM scopes WHERE key = :scope"}),
        told AS (
          SELECT c.scope, c.at, c.total, c.{column_of(sentiment)} AS marked, c.total - c.backfilled AS live,
                 {_live(sentiment)} AS live_marked
          FROM counts c JOIN heard ON heard.scope = c.scope
          WHERE c.model = :model AND c.minutes = 5 AND c.kind = ANY(:kinds) AND c.at >= :since AND c.at < :until
          {_AGAIN.format(marked=column_of(sentiment)) if len(kinds) > 1 else ""})
        SELECT s.key, told.at, sum(total), sum(marked), sum(live), greatest(sum(live_marked), 0)
        FROM told JOIN scopes s ON s.id = told.scope GROUP BY s.key, told.at""")  # noqa: S608 (columns and constants)
    values = {
        "model": model,
        "kinds": list(kinds),
        "since": since,
        "until": until,
        "least": least_stories,
        "coarse": 1440 if least_stories > 1 else 5,
        "width": timedelta(days=1) if least_stories > 1 else timedelta(minutes=5),
        "words": [],
        "scope": scope,
    }
    return [Tally(key, at, *map(int, sums)) for key, at, *sums in tx.execute(statement, values)]


def narrow_tallies(
    tx: Transaction,
    model: int,
    kinds: Sequence[str],
    sentiment: Sentiment,
    since: datetime,
    until: datetime,
    *,
    families: Sequence[str],
    words: str,
    scope: str | None = None,
) -> list[Tally]:
    """As `tallies`, of stories that name all `words` in their headline and are told by one of `families` alone."""
    statement = text(f"""
        SELECT s.key, c.at, count(*), count(*) FILTER (WHERE c.{column_of(sentiment)}),
               count(*) FILTER (WHERE NOT c.is_backfill),
               count(*) FILTER (WHERE c.{column_of(sentiment)} AND NOT c.is_backfill)
        FROM articles a JOIN story_counts c ON c.story = a.story AND c.article = a.id JOIN scopes s ON s.id = c.scope
        WHERE a.counted_at >= :since AND a.counted_at < :until AND c.model = :model AND c.kind = ANY(:kinds)
          AND {ASKED} {"" if scope is None else "AND s.key = :scope"}
        GROUP BY s.key, c.at""")  # noqa: S608 (a column name and a constant)
    values = {
        "model": model,
        "kinds": list(kinds),
        "since": since,
        "until": until,
        "families": list(families),
        "words": holding(words),
        "scope": scope,
    }
    return [Tally(key, at, *map(int, sums)) for key, at, *sums in tx.execute(statement, values)]


def tallies_of(
    tx: Transaction,
    model: int,
    rule: Rule,
    since: datetime,
    until: datetime,
    *,
    least_stories: int = 1,
    scope: str | None = None,
) -> list[Tally]:
    """What a rule counts: whole scopes, or of them the stories that it asks for; of all scopes, or of one."""
    if narrows_stories(rule):
        return narrow_tallies(
            tx,
            model,
            rule.kinds,
            rule.sentiment,
            since,
            until,
            families=rule.publishers,
            words=rule.text,
            scope=scope,
        )
    return tallies(tx, model, rule.kinds, rule.sentiment, since, until, least_stories=least_stories, scope=scope)


def scopes_heard(tx: Transaction, model: int, rule: Rule, since: datetime, until: datetime) -> set[str]:
    """Scopes with LEAST_STORIES or more, of a rule that asks for some stories only: those that they are in."""
    if narrows_stories(rule):
        return {one.scope for one in tallies_of(tx, model, rule, since, until)}
    statement = text("""
        SELECT key FROM scopes WHERE id IN (
          SELECT scope FROM counts WHERE model = :model AND minutes = 1440 AND kind = ANY(:kinds)
             AND at >= date_bin('1 day', :since, 'epoch') AND at < :until
          GROUP BY scope HAVING sum(total) >= :least)""")
    values = {"model": model, "kinds": list(rule.kinds), "since": since, "until": until, "least": LEAST_STORIES}
    return set(tx.execute(statement, values).scalars())


def _live(sentiment: Sentiment) -> str:
    """Back-fill is kept apart for all and for negative stories; of positive ones it is taken in proportion."""
    if sentiment == "positive":
        return "c.positive * (c.total - c.backfilled) / greatest(c.total, 1)"
    return "c.negative - c.backfilled_negative"


def first_count(tx: Transaction, model: int, since: datetime) -> datetime | None:
    """When the stored past begins, at the earliest `since`."""
    statement = text("SELECT min(at) FROM counts WHERE model = :model AND minutes = 1440 AND at >= :since")
    return tx.execute(statement, {"model": model, "since": since}).scalar()


def steady_since(tx: Transaction, model: int, since: datetime, now: datetime) -> datetime | None:
    """From when on, at the earliest `since`, the stored past tells what is normal; None where nothing was counted."""
    statement = text("""
        SELECT at, sum(total) FROM counts WHERE model = :model AND minutes = 1440 AND at >= :since
        AND scope = (SELECT id FROM scopes WHERE key = 'all') GROUP BY at""")
    days = {at: int(total) for at, total in tx.execute(statement, {"model": model, "since": since})}
    return steady_from(days, now)


def stories_backfilled(tx: Transaction, model: int, since: datetime) -> int:
    """Stories that came as back-fill: more of them than were learned from, and the past must be learned anew."""
    statement = text("""
        SELECT coalesce(sum(backfilled), 0) FROM counts WHERE model = :model AND minutes = 1440
        AND scope = (SELECT id FROM scopes WHERE key = 'all') AND at >= :since""")
    return int(tx.execute(statement, {"model": model, "since": since}).scalar_one())


def load_bank(tx: Transaction, model: int, series: str) -> tuple[bytes, int] | None:
    """(bank, stories learned from)."""
    statement = text("SELECT bank, learned FROM detector_states WHERE model = :model AND series = :series")
    row = tx.execute(statement, {"model": model, "series": series}).first()
    return (bytes(row[0]), int(row[1])) if row else None


def drop_banks(tx: Transaction, latest: datetime) -> None:
    """Those that have taken in what comes after `latest`."""
    tx.execute(text("DELETE FROM detector_states WHERE at > :latest"), {"latest": latest})


def save_bank(tx: Transaction, model: int, series: str, at: datetime, bank: bytes, learned: int, now: datetime) -> None:
    tx.execute(
        text("""
        INSERT INTO detector_states (model, series, at, learned, bank, saved_at)
        VALUES (:model, :series, :at, :learned, :bank, :now)
        ON CONFLICT (model, series) DO UPDATE SET at = excluded.at, learned = excluded.learned,
          bank = excluded.bank, saved_at = excluded.saved_at"""),
        {"model": model, "series": series, "at": at, "learned": learned, "bank": bank, "now": now},
    )
