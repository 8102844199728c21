"""What a page shows, as values: window, kinds, the chosen point. Pure: URL text in, dates out; draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from monitor.store.reads import WEEK, StoredMinutes
from monitor.types import KINDS, Kind, Scope

WindowName = Literal["6h", "24h", "3d", "7d", "30d", "90d"]
WINDOWS: tuple[WindowName, ...] = ("6h", "24h", "7d", "30d", "90d")
"""What readers choose from; three days are an alert's own."""
DEFAULT_WINDOW: WindowName = "24h"
KIND_CHOICES: dict[str, tuple[Kind, ...]] = {
    "All": KINDS,
    "News": ("news",),
    "Reports": ("report",),
    "Comments": ("comment",),
}
"""By the words of the filter, which are also those of the URL."""
ANY_KIND = "All"


@dataclass(frozen=True, slots=True)
class Grain:
    """How finely a window is drawn: which stored roll-up is read, and the steps of chart and heat map."""

    length: timedelta
    stored: StoredMinutes
    step: timedelta
    heat_stored: StoredMinutes
    heat_step: timedelta
    words: str


GRAINS: dict[WindowName, Grain] = {
    "6h": Grain(timedelta(hours=6), 5, timedelta(minutes=10), 5, timedelta(minutes=15), "6 hours"),
    "24h": Grain(timedelta(hours=24), 5, timedelta(minutes=30), 60, timedelta(hours=1), "24 hours"),
    "3d": Grain(timedelta(days=3), 5, timedelta(minutes=30), 60, timedelta(hours=3), "3 days"),
    "7d": Grain(timedelta(days=7), 60, timedelta(hours=3), 60, timedelta(hours=6), "7 days"),
    "30d": Grain(timedelta(days=30), 60, timedelta(hours=12), 60, timedelta(days=1), "30 days"),
    "90d": Grain(timedelta(days=90), 60, timedelta(days=1), 1440, timedelta(days=3), "90 days"),
}


@dataclass(frozen=True, slots=True)
class View:
    """The filters of a page. Equal for nearby moments, so that caches answer: `until` is the end of a whole step."""

    window: WindowName
    kind: str
    zone_name: str
    until: datetime
    is_live: bool = True
    """The window ends now; else where the URL fixed it."""

    @property
    def grain(self) -> Grain:
        return GRAINS[self.window]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone_name)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return KIND_CHOICES.get(self.kind, KINDS)

    @property
    def since(self) -> datetime:
        return self.until - self.grain.length

    @property
    def origin(self) -> datetime:
        return midnight(self.until, self.zone)

    @property
    def stored(self) -> StoredMinutes:
        """The roll-up that makes whole steps of the reader's day: in India midnight lies within an hour of UTC."""
        return 5 if self.grain.stored == 60 and self.origin.minute else self.grain.stored

    @property
    def heat_stored(self) -> StoredMinutes:
        """As `stored`; beyond a week all topics are too many to read so finely, and half an hour of a day is little."""
        fine = self.grain.heat_stored == 60 and self.origin.minute and self.grain.length <= WEEK
        return 5 if fine else self.grain.heat_stored


MOVERS_COMPARED = 30
"""Scopes with the most negative stories whose weeks before are read: the bound on what the movers cost."""
SUMS_LENGTH = timedelta(days=30)
FIRST_YEAR, LAST_YEAR = 1970, 2200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOVERS_LENGTH = timedelta(days=7)
"""Longer windows show the movers of their last week: what is usual is known from the four weeks before."""


@dataclass(frozen=True, slots=True)
class Sums:
    """A window as whole buckets of the roll-up that is summed for it."""

    since: datetime
    until: datetime
    stored: StoredMinutes

    @property
    def length(self) -> timedelta:
        return self.until - self.since


def sums_window(view: View) -> Sums:
    """The window for lists of many scopes: exact up to a week, then whole UTC days, at most the last 30."""
    stored: StoredMinutes = {"6h": 5, "24h": 5, "3d": 60, "7d": 60, "30d": 1440, "90d": 1440}[view.window]  # type: ignore[assignment]
    bucket = timedelta(minutes=stored)
    until = ceil_to(view.until, bucket, EPOCH)
    return Sums(until - min(view.grain.length, SUMS_LENGTH), until, stored)


def movers_window(view: View) -> Sums:
    """The window, at most a week of it."""
    length = min(view.grain.length, MOVERS_LENGTH)
    return Sums(view.until - length, view.until, 5 if length < MOVERS_LENGTH else 60)


def weeks_before(view: View, begins: datetime | None) -> tuple[int, ...]:
    """How many weeks back the same window lies, up to four times, not overlapping, within the history."""
    stride = -(-view.grain.length // WEEK)
    return tuple(
        stride * turn for turn in range(1, 5) if begins is not None and view.since - stride * turn * WEEK >= begins
    )


def view_of(window: WindowName, kind: str, zone_name: str, now: datetime, fixed_until: datetime | None = None) -> View:
    """The view that ends now, or at `fixed_until`; its end is rounded up to a whole step of the reader's day."""
    end = fixed_until or now
    until = ceil_to(end, GRAINS[window].step, midnight(end, ZoneInfo(zone_name)))
    return View(window, kind, zone_name, until, fixed_until is None)


def midnight(at: datetime, zone: ZoneInfo) -> datetime:
    """The reader's midnight before `at`, which all steps are aligned to."""
    return at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A point of a chart: one scope during [since, until)."""

    scope: str
    since: datetime
    until: datetime

    def to_params(self) -> dict[str, str]:
        return {"scope": self.scope, "from": stamp(self.since), "to": stamp(self.until)}


def chosen_of(params: Mapping[str, str]) -> Chosen | None:
    """The chosen point of a URL; None where there is none or where it makes no sense."""
    since, until = moment(params.get("from")), moment(params.get("to"))
    scope = params.get("scope", "all")
    try:
        Scope.of(scope)
    except ValueError:
        return None
    return Chosen(scope, since, until) if since and until and since < until else None


def stamp(at: datetime) -> str:
    """A time as URLs hold it: UTC, to the minute."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def moment(value: str | None) -> datetime | None:
    """The inverse of `stamp`, tolerant: None for what is no time of ours."""
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:  # a window around it would leave the calendar
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def ceil_to(at: datetime, step: timedelta, origin: datetime) -> datetime:
    """The first multiple of `step` from `origin` that is not before `at`."""
    return at + (origin - at) % step


def params(view: View) -> dict[str, str | None]:
    """The filters as URL parameters, for links to other pages; defaults are left out."""
    return {
        "window": view.window if view.window != DEFAULT_WINDOW else None,
        "kind": view.kind if view.kind != ANY_KIND else None,
        "until": None if view.is_live else stamp(view.until),
    }
