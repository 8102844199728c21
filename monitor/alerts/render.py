"""A Message -> what one channel shows, headlines made harmless in that channel's own markup. Pure; sends nothing.

Every way of writing says the same in the same order: what and how rare, the stories, the chart, how complete the
data are, what to do. `Markup` holds what differs: how foreign words are made literal, and what a link looks like.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from monitor.alerts.chart import Chart, length
from monitor.alerts.message import Message, StoryLine, plural

BARS = "▁▂▃▄▅▆▇█"
BEGINS = "|"
_INVISIBLE = re.compile(r"[\u0000-\u001f\u007f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_MENTION = re.compile(r"@(?=\S)|<(?=[!@#/:])")


class Links(NamedTuple):
    """Signed and expiring; each opens a page with a button."""

    acknowledge: str = ""
    noise: str = ""


class Markup(NamedTuple):
    """How a channel writes."""

    say: Callable[[str], str]
    """Words that somebody else wrote -> the same words, doing nothing."""
    link: Callable[[str, str], str] | None = None
    """(words, already made harmless; web address) -> a link. None: addresses are shown as they are."""
    bold: Callable[[str], str] = str
    newline: str = "\n"
    blank: str = ""
    """An empty line."""


def visible(words: str) -> str:
    """No control or invisible character survives, and no line is broken."""
    return _INVISIBLE.sub(" ", words)


def calm(words: str) -> str:
    """`@everyone` and `<!channel>` reach nobody: what follows is no name any more."""
    return _MENTION.sub(lambda found: found.group() + "\u200b", visible(words))


def _for_telegram(words: str) -> str:
    return html.escape(calm(words), quote=False)


def _for_markdown(words: str) -> str:
    return re.sub(r"([\\`*_\[\]<>~|]|&(?=#?\w{1,32};))", r"\\\1", calm(words))


def _for_slack(words: str) -> str:
    """apprise writes < > & as entities, and leaves a backslash before anything else: so no other may be needed.
    Slack's markup is on only within blocks; what would be bold or code there gets its twin."""
    words = visible(words).translate({ord("*"): "∗", ord("`"): "ˋ", ord("\\"): "∖", ord("~"): "∼", ord("_"): "＿"})
    return re.sub(r"([\[\]<>])", r"\\\1", words)


def address(url: str) -> str:
    """A web address that neither ends a link's brackets nor names anybody."""
    return url.translate({ord(one): f"%{ord(one):02X}" for one in "()@*`\\"})


PLAIN = Markup(visible)
CALM = Markup(calm)
"""For chats that look for names in plain text."""
MARKDOWN = Markup(_for_markdown, lambda words, url: f"[{words}]({address(url)})", lambda words: f"**{words}**")
DISCORD = MARKDOWN._replace(link=lambda words, url: f"[{words}](<{address(url)}>)")
"""In angle brackets, an address unfolds no preview."""
SLACK = MARKDOWN._replace(say=_for_slack, link=lambda words, url: f"[{words}](<{address(url)}>)")
TELEGRAM = Markup(
    _for_telegram,
    lambda words, url: f'<a href="{html.escape(url)}">{words}</a>',
    lambda words: f"<b>{words}</b>",
    "<br>",
    "\u200b",  # apprise drops a line with nothing in it
)
TEAMS = MARKDOWN._replace(newline="\n\n")
"""Its cards run lines together that no empty line parts."""


def text(message: Message, links: Links | None = None, markup: Markup = PLAIN, *, titled: bool = False) -> str:
    """Readable on a phone at three in the morning; `titled`: its title comes first, for channels that have none."""
    say = markup.say
    out = [markup.bold(say(message.title)), ""] if titled else []
    out += [say(line) for line in message.lines]
    if message.stories:
        out.append("")
        for story in message.stories:
            out += _item(story.title, story.url, f" ({say(story.publishers)}, {story_time(story, message)})", markup)
    if message.alerts:
        out.append("")
        for one in message.alerts:
            # Twenty-five bare addresses would hide what they lead to; the list's own page has them all.
            out += _item(one.words, one.url if markup.link else None, "", markup)
    if message.more:
        out.append(f"… and {plural(message.more, what_more(message))} on the dashboard")
    if message.chart or message.after:
        out.append("")
    if message.chart:
        out.append(f"{say(sparkline(message.chart))}  {say(chart_caption(message.chart))}")
    out += [say(line) for line in message.after]
    out += ["", *_doors(message, links, markup)]
    return markup.newline.join(line or markup.blank for line in out).strip()


def story_time(story: StoryLine, message: Message) -> str:
    """`10:02`; where its stories are of several days `24 Nov 10:02`."""
    zone = ZoneInfo(message.zone)
    at, days = story.at.astimezone(zone), {one.at.astimezone(zone).date() for one in message.stories}
    return f"{at:%H:%M}" if len(days) == 1 else f"{at.day} {at:%b %H:%M}"


def _item(words: str, url: str | None, after: str, markup: Markup) -> list[str]:
    said = markup.say(words)
    if not is_web(url):
        return [f"• {said}{after}"]
    if markup.link is None:
        return [f"• {said}{after}", f"  {url}"]
    return [f"• {markup.link(said, str(url))}{after}"]


def _doors(message: Message, links: Links | None, markup: Markup) -> list[str]:
    """Where to go from here; what it is comes before its address."""
    open_ones = [(name, url) for name, url in doors(message, links) if url]
    if markup.link is None:
        return [f"{name}: {url}" for name, url in open_ones]
    return [" · ".join(markup.link(name, url) for name, url in open_ones)] if open_ones else []


def doors(message: Message, links: Links | None) -> list[tuple[str, str]]:
    """(words, address) of what a reader can do now; an address may be empty."""
    acts = [("I am on it", links.acknowledge), ("It is noise", links.noise)] if links else []
    return [("Look at it", message.link), *acts]


def what_more(message: Message) -> str:
    return "more alert" if message.sort == "list" else "more story"


def brief(message: Message, limit: int) -> str:
    """For pagers and phones: the title, the first line, the link; the link is whole or absent."""
    words = f"{visible(message.title)}. {visible(' '.join(message.lines[:1]))}".strip()
    room = limit - len(message.link) - 1
    if not message.link or room < 20:
        return _cut(words, limit)
    return f"{_cut(words, room)} {message.link}"


def _cut(words: str, limit: int) -> str:
    return words if len(words) <= limit else f"{words[: limit - 1].rstrip()}…"


def fitted(message: Message, limit: int, write: Callable[[Message], str]) -> str:
    """Written with as many of its stories or alerts as there is room for; the rest is counted, on the dashboard."""
    shown = max(len(message.stories), len(message.alerts))
    for left in range(shown, -1, -1):
        out = write(_shortened(message, left))
        if len(out) <= limit:
            return out
    return brief(message, limit)


def _shortened(message: Message, shown: int) -> Message:
    stories, alerts = message.stories[:shown], message.alerts[:shown]
    cut = len(message.stories) - len(stories) + len(message.alerts) - len(alerts)
    return msgspec.structs.replace(message, stories=stories, alerts=alerts, more=message.more + cut) if cut else message


def as_json(message: Message, key: str, links: Links | None = None) -> bytes:
    """For a webhook: the message as data, with the idempotency key and a text of it."""
    body: dict[str, Any] = msgspec.to_builtins(message)
    body |= {"version": 1, "key": key, "text": text(message)}
    body["links"] = {"acknowledge": links.acknowledge, "noise": links.noise} if links else {}
    return msgspec.json.encode(body)


def sparkline(chart: Chart | None) -> str:
    """A character per step, the same steps as the drawn chart; | marks where the episode begins."""
    if chart is None:
        return ""
    top = max([*chart.seen, 1])
    bars = ["·" if not one else BARS[round(one / top * (len(BARS) - 1))] for one in chart.seen]
    if 0 < chart.begins < len(bars):
        bars.insert(chart.begins, BEGINS)
    return "".join(bars)


def chart_caption(chart: Chart) -> str:
    """`2 h in steps of 5 min, at most 12`."""
    minutes = chart.step_s // 60
    return f"{length(len(chart.seen) * minutes)} in steps of {length(minutes)}, at most {max(chart.seen, default=0)}"


def is_web(url: str | None) -> bool:
    return bool(url) and str(url).startswith(("https://", "http://")) and not re.search(r"[\s<>|\"]", str(url))
