"""The rules as stored, with what was measured of them. Knows no episode."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from sqlalchemy import text

from monitor.alerts.rule_spec import refuse_faults, spec_of, unchecked
from monitor.alerts.rules import DEFAULT_NAME, Rule, StoredRule
from monitor.errors import UsageError
from monitor.store.alerts import Transaction


def rules(tx: Transaction) -> list[StoredRule]:
    """Every rule, oldest first, with the companies of its watch-lists."""
    rows = tx.execute(text("SELECT id, name, spec, enabled, level, rate, measured_at, who, changed_at FROM rules"))
    lists = _companies_of_lists(tx)
    found = [
        StoredRule(
            rule=_with_companies(unchecked(spec, id=id, name=name), lists),
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


def with_listed(tx: Transaction, rule: Rule) -> Rule:
    """The rule with the companies of its watch-lists as they stand."""
    return _with_companies(rule, _companies_of_lists(tx))


def _companies_of_lists(tx: Transaction) -> dict[str, list[str]]:
    rows = tx.execute(text("SELECT name, companies FROM watchlists")).all()
    return {name: list(companies) for name, companies in rows}


def _with_companies(rule: Rule, lists: Mapping[str, Sequence[str]]) -> Rule:
    keys = {company for name in rule.watchlists for company in lists.get(name, ())}
    return replace(rule, listed=tuple(sorted(keys)))


def save_rule(
    tx: Transaction,
    rule: Rule,
    who: str,
    now: datetime,
    *,
    enabled: bool = True,
    level: float | None = None,
    rate: float | None = None,
    measured_at: datetime | None = None,
) -> int:
    """Make a rule (its id is 0), or change the one of that id, its name too; its id.

    A rate was measured now, or when `measured_at` says; without either it is measured anew.
    UsageError for a wrong rule, another's name, and rules or watch-lists that it names and that are not there.
    """
    refuse_faults(rule)
    was = _refuse_strangers(tx, rule)
    values = {
        "id": rule.id,
        "name": rule.name,
        "spec": json.dumps(spec_of(rule)),
        "enabled": enabled,
        "level": level,
        "rate": rate,
        "measured_at": measured_at or (None if rate is None else now),
        "who": who,
        "now": now,
    }
    if was is None:
        return int(tx.execute(_INSERT, values).scalar_one())
    tx.execute(_UPDATE, values)
    if was != rule.name:
        rename_in_rules(tx, "inhibited_by", was, rule.name)
    return rule.id


_INSERT = text("""
    INSERT INTO rules (name, spec, enabled, level, rate, measured_at, who, changed_at)
    VALUES (:name, CAST(:spec AS jsonb), :enabled, :level, :rate, :measured_at, :who, :now) RETURNING id""")
_UPDATE = text("""
    UPDATE rules SET name = :name, spec = CAST(:spec AS jsonb), enabled = :enabled, level = :level, rate = :rate,
        measured_at = :measured_at, who = :who, changed_at = :now WHERE id = :id""")


def _refuse_strangers(tx: Transaction, rule: Rule) -> str | None:
    """The name so far of the rule that is changed; None where it is a new one."""
    names = {name: id for id, name in tx.execute(text("SELECT id, name FROM rules"))}
    if names.get(rule.name, rule.id) != rule.id:
        raise UsageError(f"name {rule.name!r} is another rule's; choose another, or change that one")
    was = next((name for name, id in names.items() if id == rule.id), None)
    if rule.id and was is None:
        raise UsageError("this rule was removed meanwhile; make a new one")
    if unknown := sorted(set(rule.inhibited_by) - names.keys()):
        raise UsageError(f"inhibited_by names no rule {unknown[0]!r}; known: {', '.join(names)}")
    _refuse_circles(tx, rule, was)
    lists = _companies_of_lists(tx)
    if unknown := sorted(set(rule.watchlists) - lists.keys()):
        raise UsageError(f"watchlists has no list {unknown[0]!r}; known: {', '.join(lists) or 'none yet'}")
    return was


def _refuse_circles(tx: Transaction, rule: Rule, was: str | None) -> None:
    """Two rules that wait for each other would both keep quiet until the event is over."""
    waits = {one.rule.name: one.rule.inhibited_by for one in rules(tx)}
    reached, ahead = set[str](), list(rule.inhibited_by)
    while ahead:
        name = ahead.pop()
        if name in (rule.name, was):
            raise UsageError(f"inhibited_by goes round in a circle back to {rule.name!r}; take one of them out")
        if name not in reached:
            reached.add(name)
            ahead += waits.get(name, ())


def rename_in_rules(tx: Transaction, field: Literal["inhibited_by", "watchlists"], was: str, name: str) -> None:
    """Rules that name another rule, or a list, follow its new name."""
    statement = text("""
        UPDATE rules SET spec = jsonb_set(spec, ARRAY[:field], (
            SELECT jsonb_agg(CASE WHEN one = :was THEN :name ELSE one END)
            FROM jsonb_array_elements_text(spec->:field) AS one))
        WHERE spec->:field ? :was""")
    tx.execute(statement, {"field": field, "was": was, "name": name})


def seed_default_rule(tx: Transaction, now: datetime) -> None:
    """A fresh database watches everything for a surge of negative stories; a deleted default stays deleted."""
    tx.execute(text("LOCK TABLE rules IN SHARE ROW EXCLUSIVE MODE"))
    if not tx.execute(text("SELECT 1 FROM marks WHERE name = 'default rule'")).first():
        if all(one.rule.name != DEFAULT_NAME for one in rules(tx)):
            save_rule(tx, Rule(), "tocsin", now)
        tx.execute(text("INSERT INTO marks (name, at) VALUES ('default rule', :now)"), {"now": now})


def set_level(tx: Transaction, measured: StoredRule, level: float, rate: float, now: datetime) -> bool:
    """Keep what was measured of a rule; False, and nothing kept, where it was changed or removed meanwhile."""
    statement = text("""
        UPDATE rules SET level = :level, rate = :rate, measured_at = :now
        WHERE id = :rule AND changed_at = :changed_at""")
    values = {"rule": measured.rule.id, "level": level, "rate": rate, "now": now, "changed_at": measured.changed_at}
    return bool(tx.execute(statement, values).rowcount)


def enable_rule(tx: Transaction, rule: int, enabled: bool, who: str, now: datetime) -> None:
    tx.execute(
        text("UPDATE rules SET enabled = :enabled, who = :who, changed_at = :now WHERE id = :rule"),
        {"rule": rule, "enabled": enabled, "who": who, "now": now},
    )


def delete_rule(tx: Transaction, rule: int) -> None:
    """Its past episodes stay, under no rule. UsageError while another rule waits for it."""
    statement = text("""
        SELECT other.name FROM rules other JOIN rules this ON other.spec->'inhibited_by' ? this.name
        WHERE this.id = :rule ORDER BY other.id""")
    if held := list(tx.execute(statement, {"rule": rule}).scalars()):
        raise UsageError(f"{', '.join(held)} keeps quiet while it rings (inhibited_by); take it out there first")
    tx.execute(text("DELETE FROM rules WHERE id = :rule"), {"rule": rule})
