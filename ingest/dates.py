"""What sources write as a date -> an aware UTC datetime. Pure; never invents a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MILLISECONDS_FROM = 10**11  # seconds up to the year 5138, milliseconds from 1973


ZONES = {
    "BST": "+0100",
    "CET": "+0100",
    "CEST": "+0200",
    "EET": "+0200",
    "EEST": "+0300",
    "HKT": "+0800",
    "SGT": "+0800",
    "JST": "+0900",
    "AEST": "+1000",
    "AEDT": "+1100",
}
"""Beside those of RFC 822. IST is India's, Israel's and Ireland's: a date with it is none that we know."""
_HALF = re.compile(r"\b(\d{1,2}):(\d\d(?::\d\d)?)\s*([AaPp])\.?[Mm]\b\.?")
_OFFSET = re.compile(r"\s*(?:GMT|UTC?)?\s*([+-]\d\d):?(\d\d)$")
_ZONE_NAME = re.compile(r"\b[A-Z]{3,4}$")
_AFTER_TIME = re.compile(r"\d:\d\d(?::\d\d(?:\.\d+)?)?\s*(.*)$")
_KNOWN_ZONE = re.compile(r"(?:[+-]\d{4}|UTC?|GMT|Z|[ECMP][SD]T|)(?:\s*\b\d{4})?(?:\s*\(.*\))?", re.IGNORECASE)
"""Then, in some forms, the year."""


def has_unknown_zone(text: str) -> bool:
    """Words after the time that may move it by hours."""
    return bool(re.search("[A-Za-z]{2}", _unknown_zone(text.strip())))


def _unknown_zone(text: str) -> str:
    """What stands after the time, where it is no zone that we know."""
    after = _AFTER_TIME.search(text)
    return "" if after is None or _KNOWN_ZONE.fullmatch(after[1]) else after[1]


def parse_date(value: object, form: str | None = None) -> datetime | None:
    """None for nothing; a date without zone is UTC. `form`: `epoch`, a strptime pattern, or None to recognise
    ISO 8601, RFC 822 and epoch numbers. ValueError, with a reason for people, for anything else."""
    if value is None or value == "":
        return None
    if isinstance(value, list | dict):  # never spelt out: deep ones end in a RecursionError
        raise ValueError(f"a {type(value).__name__} is no date")
    text = str(value).strip()
    try:
        if form and form != "epoch":
            return _utc(datetime.strptime(text, form))  # noqa: DTZ007  _utc makes it aware
        if form == "epoch" or _is_number(text):
            seconds = float(text)
            return datetime.fromtimestamp(seconds / 1000 if abs(seconds) >= MILLISECONDS_FROM else seconds, UTC)
        return _utc(_iso_or_rfc822(text))
    except (ValueError, OverflowError, OSError, TypeError, IndexError, re.error) as error:
        raise ValueError(f"{text[:60]!r} is no date{f' of the form {form!r}' if form else ''}") from error


def _iso_or_rfc822(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _rfc822(text)


def _rfc822(text: str) -> datetime:
    """The standard library reads over whatever it does not know after the time; what would move it is refused."""
    text = _OFFSET.sub(r" \1\2", _HALF.sub(_of_the_day, text))
    text = _ZONE_NAME.sub(lambda found: ZONES.get(found[0], found[0]), text)
    if unknown := _unknown_zone(text):
        raise ValueError(f"a zone that we do not know: {unknown!r}")
    return parsedate_to_datetime(text)


def _of_the_day(found: re.Match[str]) -> str:
    hour = int(found[1]) % 12 + (12 if found[3] in "pP" else 0)
    return f"{hour:02}:{found[2]}"


def _is_number(text: str) -> bool:
    # Eight digits are a date (20240131), not the 23rd of August 1970.
    return text.replace(".", "", 1).isdigit() and len(text.partition(".")[0]) >= 9


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
