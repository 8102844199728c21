"""What trying a rule on the past reads: counts, stories with their witnesses, verdicts. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text

from monitor.alerts.calendar import Markets
from monitor.alerts.episodes import Evidence
from monitor.alerts.past import Past, Verdict, past_of
from monitor.alerts.rules import Rule, watches
from monitor.alerts.watch import HISTORY
from monitor.store.alert_counts import LEAST_STORIES, steady_since, tallies_of
from monitor.store.alerts import TOLD_BEFORE, Transaction, column_of, holding
from monitor.stories import WINDOW
from monitor.types import Scope, bucket_of


def load_past(
    tx: Transaction, model: int, rule: Rule, markets: Markets, since: datetime, until: datetime
) -> Past | None:
    """The stored past as the rule would have seen it, what was normal before known; None where nothing was counted."""
    first = steady_since(tx, model, since - HISTORY, until)
    if first is None:
        return None
    begin, end = bucket_of(max(first, since - HISTORY)), bucket_of(until)
    least = min(LEAST_STORIES, rule.min_stories)
    counted = tallies_of(tx, model, rule, begin, end, least_stories=least)
    names = sorted({one.scope for one in counted if watches(rule, Scope.of(one.scope))})
    told = witnesses(tx, begin, end)
    stories = past_stories(tx, model, rule, names, told, begin, end)
    return past_of(rule, counted, stories, max(begin, bucket_of(since)), end, markets, begin=begin, told=told)


_WITNESS = "CASE WHEN a.kind = 'comment' THEN coalesce(nullif(a.author, ''), a.family) ELSE a.family END"
"""types.Article.witness"""


def witnesses(tx: Transaction, since: datetime, until: datetime) -> dict[str, list[tuple[datetime, str]]]:
    """Of the stories with several articles: when each witness told it first, in order."""
    statement = text(f"""
        SELECT a.story, min(a.counted_at) AS at, {_WITNESS} AS witness
        FROM articles a JOIN stories s ON s.story = a.story
        WHERE s.articles > 1 AND a.counted_at >= :since AND a.counted_at < :until
        GROUP BY a.story, witness ORDER BY at""")  # noqa: S608 (a constant)
    found: dict[str, list[tuple[datetime, str]]] = {}
    for story, at, witness in tx.execute(statement, {"since": since - WINDOW, "until": until}):
        found.setdefault(story, []).append((at, witness))
    return found


def past_stories(
    tx: Transaction,
    model: int,
    rule: Rule,
    scopes: Sequence[str],
    told: Mapping[str, Sequence[tuple[datetime, str]]],
    since: datetime,
    until: datetime,
) -> dict[str, list[Evidence]]:
    """Per scope the stories of the sentiment watched for, back-fills included, oldest first.

    `told` as `witnesses` gives it: each story names all that ever told it.
    """
    statement = text(f"""
        SELECT s.key, c.story, c.article, a.title, a.url, a.publisher, a.counted_at, {_WITNESS}
        FROM story_counts c JOIN scopes s ON s.id = c.scope JOIN articles a ON a.id = c.article
        WHERE c.model = :model AND s.key = ANY(:scopes) AND c.kind = ANY(:kinds) AND c.{column_of(rule.sentiment)}
          AND c.at >= :since AND c.at < :until AND a.title ILIKE ALL(CAST(:words AS text[])) AND NOT {TOLD_BEFORE}
        ORDER BY a.counted_at, c.story""")  # noqa: S608 (a column name and constants)
    values = {
        "model": model,
        "scopes": list(scopes),
        "kinds": list(rule.kinds),
        "since": since,
        "until": until,
        "words": holding(rule.text),
    }
    found: dict[str, list[Evidence]] = {}
    same: dict[str, Evidence] = {}
    for key, story, article, title, url, publisher, at, witness in tx.execute(statement, values):
        families = tuple(who for _, who in told[story]) if story in told else (witness,)
        if rule.publishers and set(rule.publishers).isdisjoint(families):
            continue
        one = same.setdefault(
            article,
            Evidence(story=story, article=article, title=title, url=url, publisher=publisher, at=at, families=families),
        )
        found.setdefault(key, []).append(one)
    return found


def verdicts(tx: Transaction, sentiment: str) -> list[Verdict]:
    """The newest word on every episode of the sentiment watched for that somebody called useful or noise."""
    statement = text("""
        SELECT DISTINCT ON (e.id) e.scope, e.since, coalesce(e.ended, e.changed_at), f.verdict = 'useful', e.also
        FROM episodes e JOIN feedback f ON f.episode = e.id
        WHERE f.verdict IN ('useful', 'noise') AND e.sentiment = :sentiment
        ORDER BY e.id, f.id DESC""")
    rows = tx.execute(statement, {"sentiment": sentiment})
    return [Verdict(scope, since, until, is_useful, tuple(also)) for scope, since, until, is_useful, also in rows]
