"""A database worth looking at: 30 days of labelled stories, 40 companies, one crisis. Deterministic; writes by COPY.

The labels are the seed's own, no model runs: what is under test is the dashboard.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import pi, sin

import psycopg

TOPICS: dict[str, tuple[str, str, str]] = {
    "Analyst Update": ("{b} cuts {c} to sell", "{b} keeps hold on {c}", "{b} raises {c} target by a fifth"),
    "Company | Product News": ("{c} pulls its newest product", "{c} opens an office in Lyon", "{c} product sells out"),
    "Currencies": ("Krona slides to a two-year low", "Euro steady before the data", "Yen firms as carry trades pay"),
    "Dividend": ("{c} suspends its dividend", "{c} pays its usual dividend", "{c} lifts dividend by 12 %"),
    "Earnings": ("{c} misses on profit, warns", "{c} reports in line", "{c} beats forecasts, raises outlook"),
    "Energy | Oil": ("Crude sinks on glut of supply", "Crude little changed", "Gas firms as stores run low"),
    "Fed | Central Banks": ("Hawkish minutes jolt bonds", "Board member speaks on rates", "Bank signals a gentle path"),
    "Financials": ("{b} sets aside more for bad loans", "{b} names a new branch format", "{b} fees surge"),
    "General News | Opinion": ("Strike shuts the northern ports", "What we read this week", "Harvest best in years"),
    "Gold | Metals | Materials": ("Copper drops on weak orders", "Gold flat in thin trade", "Lithium rebounds sharply"),
    "IPO": ("{c} shelves its listing", "{c} files to list in spring", "{c} debut jumps 30 %"),
    "Legal | Regulation": ("{c} sued over safety defects", "Watchdog asks for comments", "{c} wins its appeal"),
    "M&A | Investments": ("{c} deal collapses", "{c} in talks with a rival", "{c} takeover wins approval"),
    "Macro": ("Factory orders shrink again", "Prices rise as forecast", "Hiring tops every forecast"),
    "Markets": ("Shares fall the most in months", "Shares drift before the close", "Shares end at a record"),
    "Personnel Change": ("{c} finance chief quits", "{c} names a new chair", "{c} lures a star designer"),
    "Politics": ("Budget talks break down", "Parliament returns on Monday", "Trade pact is signed"),
    "Stock Commentary": ("Why I am out of {c}", "{c}: what the chart says", "{c} looks cheap to me"),
    "Stock Movement": ("{c} shares plunge 9 %", "{c} shares open flat", "{c} shares leap to a high"),
    "Treasuries | Corporate Debt": ("{c} bonds slump", "{c} prices a five-year bond", "{c} rating is raised"),
}
LISTED = """
NRVN Norvane Motors; ALBT Albita Bank; CORD Cordal Steel; DELM Delmare Lines; ERGO Ergon Power;
FJRD Fjordic Foods; GRND Grandon Retail; HLXA Helixa Pharma; INDO Indora Software; JUNI Juniper Air;
KEPL Kepler Optics; LUMA Lumarin Energy; MERI Meridas Insurance; NOVO Novorex Labs; ORBI Orbital Freight;
PALM Palmera Hotels; QUAN Quantis Chips; RIVA Rivano Beverages; SOLI Solis Solar; TERN Ternova Paper;
ULMA Ulmar Mining; VEGA Vegana Foods; WEST Westlake Rail; XENO Xenon Gases; YARA Yarrow Media;
ZEPH Zephyr Wind; AMBR Amber Telecom; BRIO Brio Sports; CALA Calanda Water; DUNE Dunecrest Cement;
ECHO Echora Audio; FLOE Floe Shipping; GALE Galeno Clinics; HAZE Hazel Homes; ISLE Isleworth Trust;
JADE Jadestone Oil; KITE Kitemark Games; LARK Larkin Tools; MOSS Mossgrove Farms; NEST Nestor Logistics
"""
COMPANIES: dict[str, str] = dict(
    one.strip().split(" ", 1)
    for one in LISTED.replace("\n", " ").split(";")  # type: ignore[misc]
)
PUBLISHERS = "Harbour Wire|Ledger Post|Morning Tape|The Quay|Nordic Desk|Closing Bell Daily|Street Note|Meridian News"
BANKS = ("Albita Bank", "Ostra Capital", "Penrose & Vale")
CRISIS = ("{c} recalls cars after battery fires", "Regulator opens probe into {c} batteries", "{c} halts its plant")


@dataclass(frozen=True)
class Told:
    """One story of the seed."""

    at: datetime
    kind: str
    title: str
    topic: str
    company: str | None
    sentiment: int
    copies: int


def plain(url: str) -> str:
    """For psycopg, which does not know SQLAlchemy's `+driver`."""
    return url.replace("postgresql+psycopg://", "postgresql://")


def bucket(at: datetime, minutes: int) -> datetime:
    return datetime.fromtimestamp(int(at.timestamp()) // (minutes * 60) * minutes * 60, UTC)


def tell(now: datetime, days: int, seed: int) -> Iterator[Told]:
    """Stories with day, night and weekend rhythm; the last two hours bring the crisis at NRVN."""
    chance = random.Random(seed)
    names = list(TOPICS)
    weights = [1 / (rank + 2) for rank in range(len(names))]
    at = now - timedelta(days=days)
    while True:
        rhythm = 1.2 + sin((at.hour - 7) / 24 * 2 * pi)
        at += timedelta(minutes=chance.expovariate(1 / 12) / (rhythm * (0.4 if at.weekday() > 4 else 1.0)))
        if at >= now:
            break
        topic = chance.choices(names, weights)[0]
        mood = chance.choices((0, 1, 2), (30, 42, 28))[0]
        yield _told(chance, at, topic, mood, chance.choices(("news", "report", "comment"), (78, 7, 15))[0])
    for step in range(26):
        at = now - timedelta(minutes=115 - step * 4.3)
        title = chance.choice(CRISIS).format(c=COMPANIES["NRVN"]) + f", filing {step + 1} shows"
        yield Told(at, "news", title, "Legal | Regulation", "NRVN", 0, chance.choice((1, 1, 2, 4)))


def _told(chance: random.Random, at: datetime, topic: str, mood: int, kind: str) -> Told:
    template = TOPICS[topic][mood]
    ticker = chance.choice(list(COMPANIES)) if "{c}" in template else None
    title = template.format(c=COMPANIES.get(ticker or "", ""), b=chance.choice(BANKS))
    return Told(at, kind, title, topic, ticker, mood, chance.choice((1, 1, 1, 2, 3)))


def fill(url: str, now: datetime, days: int = 30, seed: int = 7) -> None:
    """Write the seed into an empty database with the schema in place."""
    chance = random.Random(seed)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        model = _register(cursor, now, days)
        scopes: dict[str, int] = {}
        rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in COLUMNS}
        for number, told in enumerate(tell(now, days, seed)):
            _add_story(rows, scopes, chance, told, number, model)
        for key, number in scopes.items():
            rows["scopes"].append((number, key, *_parts(key)))
        rows["companies"] = [(ticker, name, ticker) for ticker, name in COMPANIES.items()]
        rows["feeds"] = list(_feeds(now))
        rows["watermarks"] = [("news.raw", p, 4100 + p, now - timedelta(seconds=4 * p), now) for p in range(4)]
        rows["dead_letters"] = [("news.raw", 2, 991, b"{}", "title is empty", now - timedelta(hours=5), None)]
        for table, columns in COLUMNS.items():
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows[table]:
                    copy.write_row(row)
        for minutes in (5, 60, 1440):
            cursor.execute(RECOUNT, {"minutes": minutes, "width": f"{minutes} minutes"})
        _ring(cursor, now, model)
        cursor.execute("SELECT setval(pg_get_serial_sequence('scopes', 'id'), max(id)) FROM scopes")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


RECOUNT = """
INSERT INTO counts (model, scope, kind, minutes, at, total, negative, positive, score_sum, backfilled,
                    backfilled_negative)
SELECT model, scope, kind, %(minutes)s, date_bin(%(width)s::interval, at, 'epoch'), count(*),
       count(*) FILTER (WHERE negative), count(*) FILTER (WHERE positive), sum(score), 0, 0
FROM story_counts GROUP BY 1, 2, 3, 4, 5
"""
COLUMNS = {
    "articles": "id, source, kind, publisher, family, author, url, title, body, published, seen, counted_at, "
    "is_backfill, story, novelty, stored_at",
    "companies": "company, name, ticker",
    "mentions": "article, company, surface, counted_at",
    "stories": "story, articles, first_at, last_at",
    "story_publishers": "story, family",
    "scores": "article, model, topic, topic_probability, negative, neutral, positive, scored_at",
    "company_scores": "article, company, model, negative, neutral, positive",
    "scopes": "id, key, company, topic",
    "story_counts": "story, scope, kind, model, at, article, negative, positive, score, is_backfill",
    "feeds": "name, url, kind, publisher, family, cadence_s, failures, error, articles, next_at, asked_at, ok_at, "
    "article_at, gaps_s",
    "watermarks": 'topic, partition, "offset", counted_at, saved_at',
    "dead_letters": 'topic, partition, "offset", payload, reason, at, retried_at',
}


EPISODE, PAST = "c0ffee000001", "c0ffee000002"
_RULE = """INSERT INTO rules (name, spec, enabled, level, rate, measured_at, who, changed_at)
VALUES ('Negative surge', '{"budget": 1.0}', true, 2.1, 0.8, %(now)s, 'ada', %(now)s)
ON CONFLICT (name) DO UPDATE SET who = 'ada' RETURNING id"""
_EPISODE = """
INSERT INTO episodes (id, incident, rule, scope, number, kinds, sentiment, model, phase, since, detected, opened_at,
  ended, expected, seen, severity, peak, reason, volume_only, publishers, also, missing, reopened, changed_at)
VALUES (%(id)s, %(id)s, %(rule)s, %(scope)s, 1, '{news,report}', 'negative', %(model)s, %(phase)s, %(since)s,
  %(since)s + interval '15 min', %(since)s + interval '16 min', %(ended)s, 0.3, %(seen)s, %(severity)s, %(severity)s,
  'count', false, %(publishers)s, %(also)s, %(missing)s, 0, %(since)s)"""
_STORIES = """
INSERT INTO episode_stories (episode, story, article, at, families)
SELECT %(id)s, c.story, c.article, a.counted_at, ARRAY(SELECT family FROM story_publishers p WHERE p.story = c.story)
FROM story_counts c JOIN articles a ON a.id = c.article JOIN scopes s ON s.id = c.scope
WHERE s.key = %(scope)s AND c.negative AND c.at >= %(since)s - interval '5 min'
  AND c.at <= coalesce(%(ended)s, now())"""


def _ring(cursor: psycopg.Cursor[tuple[object, ...]], now: datetime, model: int) -> None:
    """The crisis has rung; another company's episode was over two weeks ago, and somebody called it noise."""
    cursor.execute(_RULE, {"now": now})
    row = cursor.fetchone()
    assert row is not None
    open_ = {"id": EPISODE, "scope": "company:NRVN", "phase": "growing", "seen": 26, "severity": 2.6, "publishers": 8}
    over = {"id": PAST, "scope": "topic:Dividend", "phase": "closed", "seen": 7, "severity": 1.1, "publishers": 3}
    then = now - timedelta(days=13)
    for episode, since, ended, also, missing in (
        (open_, now - timedelta(minutes=115), None, ["topic:Legal | Regulation"], ["street note is silent"]),
        (over, then, then + timedelta(hours=3), [], []),
    ):
        values = {**episode, "since": since, "ended": ended, "also": also, "missing": missing}
        values |= {"rule": row[0], "model": model}
        cursor.execute("INSERT INTO incidents VALUES (%(id)s, %(since)s, %(ended)s)", values)
        cursor.execute(_EPISODE, values)
        cursor.execute(_STORIES, values)
    cursor.execute(
        "INSERT INTO feedback (episode, verdict, who, note, at) VALUES (%s, 'noise', 'ada', '', %s)", (PAST, now)
    )
    cursor.execute(
        "INSERT INTO told (episode, incident, channel, reason, severity, at) "
        "VALUES (%s, %s, 'console', 'first', 2.6, %s)",
        (EPISODE, EPISODE, now - timedelta(minutes=98)),
    )


def _register(cursor: psycopg.Cursor[tuple[object, ...]], now: datetime, days: int) -> int:
    manifest = '{"name": "small", "scores": {"sentiment_macro_f1": 0.87, "topic_macro_f1": 0.85}}'
    since = now - timedelta(days=days)
    cursor.execute(
        "INSERT INTO models (version, manifest, registered_at) VALUES (%s, %s, %s) RETURNING id",
        ("small-1", manifest, since),
    )
    row = cursor.fetchone()
    assert row is not None
    cursor.execute(
        "INSERT INTO services (model, since, who, reason) VALUES (%s, %s, 'migrate', 'first model')", (row[0], since)
    )
    return int(str(row[0]))


def _add_story(
    rows: dict[str, list[tuple[object, ...]]],
    scopes: dict[str, int],
    chance: random.Random,
    told: Told,
    number: int,
    model: int,
) -> None:
    story = f"{number:08x}"
    publishers = chance.sample(PUBLISHERS.split("|"), told.copies)
    sure = chance.uniform(0.55, 0.97)
    odds = [(1 - sure) / 2] * 3
    odds[told.sentiment] = sure
    for copy, publisher in enumerate(publishers):
        article = story if copy == 0 else f"{story}-{copy}"
        at = told.at + timedelta(minutes=copy * 2)
        url = f"https://{publisher.lower().replace(' ', '-')}.example/{article}"
        rows["articles"].append(
            (
                *(article, publisher.lower(), told.kind, publisher, publisher, None, url, told.title, "", at, at, at),
                *(False, story, 1.0 if copy == 0 else 0.1, at),
            )
        )
        rows["story_publishers"].append((story, publisher))
        rows["scores"].append((article, model, told.topic, chance.uniform(0.6, 0.99), *odds, at))
        if told.company:
            rows["mentions"].append((article, told.company, COMPANIES[told.company], at))
            rows["company_scores"].append((article, told.company, model, *odds))
    rows["stories"].append((story, told.copies, told.at, told.at + timedelta(minutes=2 * told.copies - 2)))
    keys = ["all", f"topic:{told.topic}"]
    if told.company:
        keys += [f"company:{told.company}", f"company:{told.company}|topic:{told.topic}"]
    for key in keys:
        scope = scopes.setdefault(key, len(scopes) + 1)
        flags = (told.sentiment == 0, told.sentiment == 2, odds[2] - odds[0], False)
        rows["story_counts"].append((story, scope, told.kind, model, bucket(told.at, 5), story, *flags))


def _parts(key: str) -> tuple[str | None, str | None]:
    company, _, topic = (
        key.removeprefix("company:").partition("|topic:") if key.startswith("company:") else ("", "", "")
    )
    return company or None, topic or (key.removeprefix("topic:") if key.startswith("topic:") else None)


def _feeds(now: datetime) -> Iterator[tuple[object, ...]]:
    for number, publisher in enumerate(PUBLISHERS.split("|")):
        failures, error, silent = 0, None, timedelta(minutes=4 + number)
        if publisher == "Street Note":
            failures, error, silent = 6, "HTTP 503 from street-note.example; asking again in 16 min", timedelta(hours=7)
        if publisher == "The Quay":
            silent = timedelta(hours=9)
        ok = now - (silent if failures else timedelta(minutes=1))
        name, site = publisher.lower(), publisher.lower().replace(" ", "-")
        yield (
            *(name, f"https://{site}.example/rss", "news", publisher, publisher, 300, failures, error),
            *(700 + number * 31, now + timedelta(minutes=3), now - timedelta(minutes=1), ok, now - silent),
            [600, 900, 1200, 700],
        )
