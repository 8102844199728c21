"""A Message -> text, HTML or JSON for one channel, headlines made harmless for each. Pure; sends nothing."""

from __future__ import annotations

import html
import re
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from monitor.alerts.message import Chart, Message, StoryLine, clock, plural

BARS = "▁▂▃▄▅▆▇█"
SPARK_STEPS = 24
_MENTIONS = re.compile(r"@(?=\w)|<(?=[!@#/])")
_INVISIBLE = re.compile(r"[\u0000-\u001f\u007f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


class Links(NamedTuple):
    """Signed and expiring; each opens a page with a button."""

    acknowledge: str = ""
    noise: str = ""


def text(message: Message, links: Links | None = None) -> str:
    """Plain text: readable on a phone at three in the morning."""
    out = [harmless(line) for line in message.lines]
    if message.chart:
        out += ["", f"{sparkline(message.chart)}  {chart_caption(message.chart)}"]
    if message.stories:
        out.append("")
        for story in message.stories:
            out += _story_text(story, message.zone)
    if message.more:
        out.append(f"… and {plural(message.more, 'more story' if message.stories else 'more alert')} on the dashboard")
    out.append("")
    if message.link:
        out.append(f"Look: {message.link}")
    if links and links.acknowledge:
        out += [f"I am on it: {links.acknowledge}", f"It is noise: {links.noise}"]
    return "\n".join(out).strip()


def _story_text(story: StoryLine, zone: str) -> list[str]:
    at = story.at.astimezone(ZoneInfo(zone))
    lines = [f"• {harmless(story.title)} ({harmless(story.publishers)}, {at:%H:%M})"]
    return lines + ([f"  {story.url}"] if _is_web(story.url) else [])


def as_html(message: Message, links: Links | None = None, image: str = "") -> str:
    """For e-mail: everything a source said is escaped; only web links become links."""
    out = [f"<p>{'<br>'.join(_safe(line) for line in message.lines)}</p>"]
    if image:
        out.append(f'<p><img src="{html.escape(image)}" alt="{_safe(sparkline(message.chart))}"></p>')
    elif message.chart:
        out.append(f"<p><code>{sparkline(message.chart)}</code> {_safe(chart_caption(message.chart))}</p>")
    if message.stories:
        out.append(f"<ul>{''.join(_story_html(story, message.zone) for story in message.stories)}</ul>")
    if message.more:
        what = "more story" if message.stories else "more alert"
        out.append(f"<p>… and {plural(message.more, what)} on the dashboard</p>")
    anchors = [("Look at it on the dashboard", message.link)]
    anchors += [("I am on it", links.acknowledge), ("It is noise", links.noise)] if links else []
    shown = " · ".join(f'<a href="{html.escape(url)}">{name}</a>' for name, url in anchors if url)
    return "".join(out) + (f"<p>{shown}</p>" if shown else "")


def _story_html(story: StoryLine, zone: str) -> str:
    title = _safe(story.title)
    if _is_web(story.url):
        title = f'<a href="{html.escape(str(story.url))}">{title}</a>'
    return f"<li>{title}<br><small>{_safe(story.publishers)}, {clock(story.at.astimezone(ZoneInfo(zone)))}</small></li>"


def as_json(message: Message, key: str, links: Links | None = None) -> bytes:
    """For a webhook: the message as data, with the idempotency key and a text of it."""
    body: dict[str, Any] = msgspec.to_builtins(message)
    body |= {"version": 1, "key": key, "text": text(message)}
    body["links"] = {"acknowledge": links.acknowledge, "noise": links.noise} if links else {}
    return msgspec.json.encode(body)


def sparkline(chart: Chart | None) -> str:
    """The newest steps as bars; a step without stories is a low dot."""
    if chart is None:
        return ""
    seen = chart.seen[-SPARK_STEPS:]
    top = max([*seen, 1])
    return "".join("·" if not one else BARS[round(one / top * (len(BARS) - 1))] for one in seen)


def chart_caption(chart: Chart) -> str:
    steps = min(len(chart.seen), SPARK_STEPS)
    minutes = chart.step_s // 60
    length = f"{steps * minutes // 60} h" if steps * minutes >= 120 else f"{steps * minutes} min"
    return f"last {length}, most in {minutes} min: {max(chart.seen, default=0)}"


def harmless(line: str) -> str:
    """No mention, command or invisible character survives: `<!channel>` and `@everyone` reach nobody."""
    return _MENTIONS.sub(lambda found: found.group() + "\u200b", _INVISIBLE.sub(" ", line))


def _safe(line: str) -> str:
    return html.escape(_INVISIBLE.sub(" ", line))


def _is_web(url: str | None) -> bool:
    return bool(url) and str(url).startswith(("https://", "http://")) and not re.search(r"[\s<>|\"]", str(url))
