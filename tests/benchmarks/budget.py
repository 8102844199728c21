"""Is the budget kept? Asked N alarms a week, got so many, on weeks not seen. Prints two tables.

python -m tests.benchmarks.budget [scopes] [rules] [SEED]

First each scope by itself, strictly causal from its first week on (`backtest --series`): real surges are no false
alarms, and severity must know it though nobody marks them. Then a saved rule's path: one budget over many scopes
together, its level set on sixty days (`past.calibrated`) and its alarms counted on the weeks after. There the budget
is of what nobody marked useful: with the past's surges marked, noise alone; unmarked, everything that rings. A level is
set on the few alarms of sixty days, so by chance alone a rule's figure of one or two worlds moves by a fifth.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from monitor.alerts.episodes import Episode
from monitor.alerts.past import Past, Verdict, calibrated, try_rule
from monitor.alerts.rules import Rule, levels_of
from monitor.backtest_command import MEASURED_PAST
from monitor.types import BUCKET
from tests.benchmarks.replays import alone, column_of, row_of, stored
from tests.benchmarks.simulated import AFTERGLOW, outcome, touches
from tests.benchmarks.worlds import World, world

ASKED = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
ASKED_OF_RULES = (0.05, 0.2, 1.0, 5.0)
"""A week and scope."""
PARTS = ("scopes", "rules")
EXPECTED, SCOPES = 100, 25
SPLIT = MEASURED_PAST // BUCKET


def line(title: str, asked: float, got: float, watched: float) -> None:
    """`watched`: scope-weeks."""
    ratio = got / watched / asked
    print(f"{title:<34} {asked:>6.2f} {got / watched:>8.3f} {ratio:>6.2f} {asked * watched:>9.0f}", flush=True)


def each(seed: int, *, with_surges: bool) -> None:
    """Worlds are added until each asked figure is pooled over EXPECTED false episodes or more."""
    false, watched = dict.fromkeys(ASKED, 0.0), dict.fromkeys(ASKED, 0.0)
    while wanting := [asked for asked in ASKED if asked * watched[asked] < EXPECTED]:
        sky = world(seed, SCOPES, with_surges=with_surges)
        seed += 1
        for asked, found in alone(sky, wanting).items():
            watched[asked] += sky.weeks * SCOPES
            false[asked] += outcome(sky, found).false_rate * sky.weeks * SCOPES
    for asked in ASKED:
        line(f"one scope, {'surges' if with_surges else 'no surges'}", asked, false[asked], watched[asked])


def of_rules(seed: int, *, with_surges: bool) -> None:
    titles = ("rule, surges marked useful", "rule, surges unmarked, all") if with_surges else ("rule, no surges",)
    got = {(title, asked): 0.0 for title in titles for asked in ASKED_OF_RULES}
    watched = dict.fromkeys(ASKED_OF_RULES, 0.0)
    while wanting := [asked for asked in ASKED_OF_RULES if asked * watched[asked] < EXPECTED]:
        sky = world(seed, SCOPES, with_surges=with_surges).since_surges()
        seed += 1
        whole = stored(sky, Rule(budget=max(wanting) * SCOPES, shapes=("company",)), len(sky.at))
        for asked in wanting:
            watched[asked] += (whole.until - whole.since - MEASURED_PAST) / timedelta(weeks=1) * SCOPES
            for title in titles:
                is_marked = with_surges and title == titles[0]
                found = list(unseen(whole, asked * SCOPES, marked(sky) if is_marked else []))
                got[title, asked] += sum(not (is_marked and is_real(sky, one)) for one in found)
    for (title, asked), number in got.items():
        line(title, asked, number, watched[asked])


def unseen(whole: Past, budget: float, verdicts: list[Verdict]) -> Iterator[Episode]:
    """Episodes after the past on which the level was set; of those that share an incident one."""
    rule, split = replace(whole.rule, budget=budget), whole.since + SPLIT * BUCKET
    seen = replace(whole, rule=rule, until=split, readings=[one for one in whole.readings if one[0] < split])
    level = calibrated(seen, verdicts).level
    trial = try_rule(replace(whole, rule=rule), levels_of(rule, level, whole.scopes))
    incidents = {one.incident: one for one in reversed(trial.episodes) if one.detected >= split}
    yield from incidents.values()


def marked(sky: World) -> list[Verdict]:
    """Somebody said of every surge that its alarm was useful."""
    return [
        Verdict(scope, _moment(sky, surge.first), _moment(sky, surge.last + AFTERGLOW), True)
        for scope, surges in zip(sky.bank().scopes, sky.surges, strict=True)
        for surge in surges
    ]


def _moment(sky: World, column: int) -> datetime:
    return datetime.fromtimestamp(float(sky.at[0]), UTC) + timedelta(seconds=300 * column)


def is_real(sky: World, one: Episode) -> bool:
    stretch = column_of(sky, one.detected), column_of(sky, one.ended or one.detected)
    return any(touches(stretch, surge) for surge in sky.surges[row_of(one.scope)])


def main(parts: list[str], seed: int) -> None:
    print(f"simulated scopes x 26 weeks, seed {seed}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print(f"{'a week and scope':<34} {'asked':>6} {'got':>8} {'ratio':>6} {'expected':>9}")
    for with_surges in (False, True):
        if "scopes" in parts:
            each(seed, with_surges=with_surges)
        if "rules" in parts:
            of_rules(seed + 100, with_surges=with_surges)


if __name__ == "__main__":
    named = [one for one in sys.argv[1:] if one in PARTS]
    seeds = [int(one) for one in sys.argv[1:] if one not in PARTS]
    main(named or list(PARTS), seeds[0] if seeds else 7)
