"""What sources write as a date -> an aware UTC datetime. Pure; never invents a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MILLISECONDS_FROM = 10**11  # seconds up to the year 5138, milliseconds from 1973


def parse_date(value: object, form: str | None = None) -> datetime | None:
    """None for nothing; a date without zone is UTC. `form`: `epoch`, a strptime pattern, or None to recognise
    ISO 8601, RFC 822 and epoch numbers. ValueError, with a reason for people, for anything else."""
    if value is None or value == "":
        return None
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
        return parsedate_to_datetime(text)


def _is_number(text: str) -> bool:
    # Eight digits are a date (20240131), not the 23rd of August 1970.
    return text.replace(".", "", 1).isdigit() and len(text.partition(".")[0]) >= 9


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
