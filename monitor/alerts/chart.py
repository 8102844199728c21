"""A message's small chart: which stretch it shows, and how it is drawn. Pure; no display, no global figure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

RED, PALE, GREY, INK = "#c0392b", "#b9bec6", "#5b6470", "#2b2f36"
LEAST_SHOWN = timedelta(hours=2)
MOST_STEPS = 32
"""More are neither read in a row of characters nor on a phone."""
TITLE_CHARS = 64
STEPS = tuple(timedelta(minutes=minutes) for minutes in (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440))


class Chart(msgspec.Struct, frozen=True):
    """Stories per step, the newest last, and how many are usual in each."""

    since: datetime
    step_s: int
    seen: tuple[int, ...]
    usual: tuple[float, ...] = ()
    """As long as `seen`, or empty where nothing is known."""
    begins: int = 0
    """The first step of the episode; what comes before shows what is usual."""


def frame(since: datetime, until: datetime) -> tuple[datetime, timedelta]:
    """(where the chart begins, its step): the episode so far, and as long a stretch before it."""
    shown = max(2 * (until - since), LEAST_SHOWN)
    step = next((one for one in STEPS if shown / one <= MOST_STEPS), STEPS[-1])
    return until - step * min(-(-shown // step), MOST_STEPS), step


def chart_of(
    counts: Sequence[tuple[datetime, int]], since: datetime, until: datetime, usual: Sequence[float] = ()
) -> Chart:
    """The stories of the stretch that `frame` gives for an episode since `since`."""
    first, step = frame(since, until)
    seen = [0] * round((until - first) / step)
    for at, stories in counts:
        place = (at - first) // step
        if 0 <= place < len(seen):
            seen[place] += stories
    return Chart(first, int(step.total_seconds()), tuple(seen), tuple(usual), max(0, (since - first) // step))


def png(chart: Chart, title: str, zone: str = "UTC") -> bytes:
    """Bars of what was seen, the episode's in red, over the usual level; 1248 x 504 pixels, shown at half that."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5.2, 2.1), dpi=240, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    step = timedelta(seconds=chart.step_s)
    edges: list[Any] = [chart.since + step * place for place in range(len(chart.seen) + 1)]
    middles: list[Any] = [edge + step / 2 for edge in edges[:-1]]
    for colour, part, words in ((PALE, slice(chart.begins), None), (RED, slice(chart.begins, None), "stories per ")):
        label = words and words + length(chart.step_s // 60)
        axes.bar(middles[part], chart.seen[part], width=chart.step_s / 86400 * 0.85, color=colour, label=label)
    if chart.usual:
        axes.stairs(chart.usual, edges, baseline=None, color=GREY, linewidth=1.2, linestyle="--", label="usual")
    axes.legend(fontsize=8, frameon=False, loc="upper left", labelcolor=INK, ncols=2, borderaxespad=0.1)
    shown = title if len(title) <= TITLE_CHARS else f"{title[: TITLE_CHARS - 1]}…"
    axes.set_title(shown.replace("$", r"\$"), loc="left", fontsize=9.5, color=INK)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max([*chart.seen, *chart.usual, 1]) * 1.3)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    locator: Any = AutoDateLocator(tz=ZoneInfo(zone), maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=ZoneInfo(zone)))  # type: ignore[no-untyped-call]
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    out = BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def length(minutes: int) -> str:
    """`5 min`, `2 h`, `3 d`"""
    if minutes >= 2 * 1440 or minutes == 1440:
        return f"{minutes / 1440:.3g} d"
    return f"{minutes / 60:.3g} h" if minutes >= 120 or minutes == 60 else f"{minutes} min"
