"""The rules as stored, with what was measured of them. Knows no episode."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import text

from monitor.alerts.rules import Rule, StoredRule, rule_of, spec_of
from monitor.store.alerts import Transaction


def rules(tx: Transaction) -> list[StoredRule]:
    """Every rule, oldest first."""
    rows = tx.execute(text("SELECT id, name, spec, enabled, level, rate, measured_at, who, changed_at FROM rules"))
    found = [
        StoredRule(
            rule=rule_of(spec, id=id, name=name),
            enabled=enabled,
            level=level,
            rate=rate,
            measured_at=measured_at,
            who=who,
            changed_at=changed_at,
        )
        for id, name, spec, enabled, level, rate, measured_at, who, changed_at in rows
    ]
    return sorted(found, key=lambda one: one.rule.id)


def save_rule(
    tx: Transaction,
    rule: Rule,
    who: str,
    now: datetime,
    *,
    enabled: bool = True,
    level: float | None = None,
    rate: float | None = None,
) -> int:
    """Make a rule, or change the one of that name; its id. A changed rule is measured anew."""
    statement = text("""
        INSERT INTO rules (name, spec, enabled, level, rate, measured_at, who, changed_at)
        VALUES (:name, CAST(:spec AS jsonb), :enabled, :level, :rate, :measured_at, :who, :now)
        ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, enabled = excluded.enabled, level = excluded.level,
            rate = excluded.rate, measured_at = excluded.measured_at, who = excluded.who,
            changed_at = excluded.changed_at
        RETURNING id""")
    values = {
        "name": rule.name,
        "spec": json.dumps(spec_of(rule)),
        "enabled": enabled,
        "level": level,
        "rate": rate,
        "measured_at": None if rate is None else now,
        "who": who,
        "now": now,
    }
    return int(tx.execute(statement, values).scalar_one())


def seed_default_rule(tx: Transaction, now: datetime) -> None:
    """A fresh database watches everything for a surge of negative stories; a deleted default stays deleted."""
    tx.execute(text("LOCK TABLE rules IN SHARE ROW EXCLUSIVE MODE"))
    if not tx.execute(text("SELECT 1 FROM marks WHERE name = 'default rule'")).first():
        save_rule(tx, Rule(), "tocsin", now)
        tx.execute(text("INSERT INTO marks (name, at) VALUES ('default rule', :now)"), {"now": now})


def set_level(tx: Transaction, rule: int, level: float, rate: float, now: datetime) -> None:
    tx.execute(
        text("UPDATE rules SET level = :level, rate = :rate, measured_at = :now WHERE id = :rule"),
        {"rule": rule, "level": level, "rate": rate, "now": now},
    )


def enable_rule(tx: Transaction, rule: int, enabled: bool, who: str, now: datetime) -> None:
    tx.execute(
        text("UPDATE rules SET enabled = :enabled, who = :who, changed_at = :now WHERE id = :rule"),
        {"rule": rule, "enabled": enabled, "who": who, "now": now},
    )


def delete_rule(tx: Transaction, rule: int) -> None:
    """Its past episodes stay, under no rule."""
    tx.execute(text("DELETE FROM rules WHERE id = :rule"), {"rule": rule})
