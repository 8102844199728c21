"""A Message as an e-mail's HTML: one column, readable on a phone, no style that a mail program would cut out. Pure."""

from __future__ import annotations

import html

from monitor.alerts.message import Message, StoryLine, plural
from monitor.alerts.render import Links, chart_caption, doors, is_web, sparkline, story_time, visible, what_more

PAGE = (
    "font-family:-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.45;color:#1d2129"
)
QUIET = "color:#5b6470;font-size:13px"
BUTTON = "display:inline-block;padding:9px 14px;margin:0 8px 8px 0;border-radius:6px;text-decoration:none"
COLOURS = ("background:#b3261e;color:#ffffff", "background:#eceef1;color:#1d2129", "background:#eceef1;color:#1d2129")


def as_html(message: Message, links: Links | None = None, image: str = "") -> str:
    """Everything a source said is escaped; only web addresses become links. `image`: the drawn chart's address."""
    out = [f'<h2 style="font-size:19px;line-height:1.3;margin:0 0 12px">{_safe(message.title)}</h2>']
    out += [f'<p style="margin:0 0 10px">{_safe(line)}</p>' for line in message.lines]
    out += [_story(story, message) for story in message.stories]
    out += [f'<p style="margin:0 0 8px">{_linked(one.words, one.url)}</p>' for one in message.alerts]
    if message.more:
        out.append(f'<p style="margin:0 0 10px">… and {plural(message.more, what_more(message))} on the dashboard</p>')
    if message.chart:
        out.append(_chart(message, image))
    out += [f'<p style="margin:0 0 8px;{QUIET}">{_safe(line)}</p>' for line in message.after]
    buttons = [
        f'<a href="{html.escape(url)}" style="{BUTTON};{colours}">{words}</a>'
        for (words, url), colours in zip(doors(message, links), COLOURS, strict=False)
        if url
    ]
    if buttons:
        out.append(f'<p style="margin:16px 0 0">{" ".join(buttons)}</p>')
    if message.link:
        # Where a service makes a plain text of this one, it keeps no address that is not to be seen.
        out.append(f'<p style="margin:6px 0 0;{QUIET}">{_safe(message.link)}</p>')
    return f'<div style="max-width:640px;{PAGE}">{"".join(out)}</div>'


def _story(story: StoryLine, message: Message) -> str:
    told = f"{_safe(story.publishers)}, {story_time(story, message)}"
    title = _linked(story.title, story.url)
    return f'<p style="margin:0 0 10px">{title}<br><span style="{QUIET}">{told}</span></p>'


def _chart(message: Message, image: str) -> str:
    caption = chart_caption(message.chart) if message.chart else ""
    if image:
        return (
            f'<p style="margin:14px 0 10px"><img src="{html.escape(image)}" alt="{_safe(caption)}" width="600"'
            f' style="width:100%;max-width:600px;height:auto;border:0"></p>'
        )
    return f'<p style="margin:14px 0 10px"><code>{sparkline(message.chart)}</code><br>{_safe(caption)}</p>'


def _linked(words: str, url: str | None) -> str:
    return (
        f'<a href="{html.escape(str(url))}" style="color:#0b57d0">{_safe(words)}</a>' if is_web(url) else _safe(words)
    )


def _safe(words: str) -> str:
    return html.escape(visible(words))
