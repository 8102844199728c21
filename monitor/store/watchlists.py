"""Watch-lists: companies under a name, which rules watch together. Knows of rules what their specs name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from monitor.errors import UsageError
from monitor.store.alerts import Transaction
from monitor.store.rules import rename_in_rules


@dataclass(frozen=True, slots=True)
class WatchList:
    """Some companies under a name, the rules that watch them, and who changed it last."""

    name: str
    companies: tuple[str, ...]
    """Keys."""
    rules: tuple[str, ...]
    who: str
    changed_at: datetime


def watchlists(tx: Transaction) -> list[WatchList]:
    """Every list, by name."""
    statement = text("""
        SELECT name, companies, ARRAY(SELECT r.name FROM rules r WHERE r.spec->'watchlists' ? w.name ORDER BY r.id),
               who, changed_at FROM watchlists w ORDER BY lower(name)""")
    return [WatchList(name, tuple(keys), tuple(by), who, at) for name, keys, by, who, at in tx.execute(statement)]


def save_watchlist(
    tx: Transaction, name: str, companies: Sequence[str], who: str, now: datetime, was: str | None = None
) -> None:
    """Make a list, or change the one that `was` so called; rules that watch it follow, and are measured anew.

    UsageError without a name or companies, and where another list has the name.
    """
    name = name.strip()
    if not name:
        raise UsageError("name must not be empty: rules choose the list by it")
    if not companies:
        raise UsageError("companies must be one or more: a rule on an empty list would watch nothing")
    if name != was and tx.execute(text("SELECT 1 FROM watchlists WHERE name = :name"), {"name": name}).first():
        raise UsageError(f"name {name!r} is another list's; choose another, or change that one")
    values = {"name": name, "was": was or name, "companies": sorted(set(companies)), "who": who, "now": now}
    changed = tx.execute(
        text("""UPDATE watchlists SET name = :name, companies = :companies, who = :who, changed_at = :now
                WHERE name = :was"""),
        values,
    ).rowcount
    if not changed:
        tx.execute(text("INSERT INTO watchlists VALUES (:name, :companies, :who, :now)"), values)
    if was and was != name:
        rename_in_rules(tx, "watchlists", was, name)
    tx.execute(text("UPDATE rules SET measured_at = NULL WHERE spec->'watchlists' ? :name"), {"name": name})


def delete_watchlist(tx: Transaction, name: str) -> None:
    """UsageError while a rule watches it."""
    statement = text("SELECT name FROM rules WHERE spec->'watchlists' ? :name ORDER BY id")
    if used := list(tx.execute(statement, {"name": name}).scalars()):
        raise UsageError(f"{name!r} is watched by {', '.join(used)}; take it out there first")
    tx.execute(text("DELETE FROM watchlists WHERE name = :name"), {"name": name})
