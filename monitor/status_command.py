"""`tocsin status`: the numbers an operator asks for, for people or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from monitor.broker.protocol import Broker
from monitor.store import status
from monitor.store.engine import Database
from monitor.store.feeds import StoredFeedStates
from monitor.store.models import in_service
from monitor.store.workers import workers


def describe(database: Database, broker: Broker, now: datetime, *, as_json: bool) -> str:
    found = _look(database, broker, now)
    if as_json:
        return json.dumps(found)
    articles, feeds = found["articles"], found["feeds"]
    return "\n".join(
        (
            f"articles   {articles['raw']:,} came in, {articles['stored']:,} stored,"
            f" {articles['scored']:,} scored, {articles['dead']:,} dead letters",
            f"lag        {found['lag']:,} messages",
            f"feeds      {feeds['ok']} fine, {feeds['failing']} failing, {feeds['never']} not asked yet",
            f"model      {found['model'] or 'none in service'}",
            *(f"worker     {one['name']} {_doing(one)}" for one in found["workers"]),
            f"episodes   {found['episodes_open']} open",
            *([f"messages   {found['given_up']} given up: no channel took them"] if found["given_up"] else []),
        )
    )


def _look(database: Database, broker: Broker, now: datetime) -> dict[str, Any]:
    numbers = status.numbers(database)
    lag = sum(broker.lag().values())
    states = StoredFeedStates(database).all()
    failing = [state for state in states if state.failures]
    return {
        "articles": {
            "raw": numbers.read + lag,
            "stored": numbers.stored,
            "scored": numbers.scored,
            "dead": numbers.dead,
        },
        "lag": lag,
        "feeds": {
            "ok": sum(state.ok_at is not None and not state.failures for state in states),
            "failing": len(failing),
            "never": sum(state.asked_at is None for state in states),
            "silent": sorted(
                state.name for state in states if state.article_at and now - state.article_at > timedelta(days=7)
            ),
        },
        "model": in_service(database),
        "workers": [{"name": one.name, "model": one.version, "problem": one.problem} for one in workers(database, now)],
        "episodes_open": numbers.episodes_open,
        "given_up": numbers.given_up,
    }


def _doing(worker: Mapping[str, str | None]) -> str:
    if worker["model"] is None:
        return f"takes no messages: {worker['problem']}"
    return f"judges with {worker['model']}"
