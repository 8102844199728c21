"""A message's small chart as PNG bytes. Pure; no display, no global figure."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from monitor.alerts.message import Chart

RED, GREY, INK = "#c0392b", "#8a8f98", "#2b2f36"


def png(chart: Chart, title: str, zone: str = "UTC") -> bytes:
    """Bars of what was seen against the usual level, 640 x 240 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.4, 2.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    step = timedelta(seconds=chart.step_s)
    at: list[Any] = [chart.since + step * (place + 0.5) for place in range(len(chart.seen))]
    axes.bar(at, chart.seen, width=chart.step_s / 86400 * 0.85, color=RED, label="seen")
    axes.axhline(chart.usual, color=GREY, linewidth=1.2, linestyle="--", label="usual")
    axes.set_title(title.replace("$", r"\$"), loc="left", fontsize=10, color=INK)
    axes.set_ylim(0, max([*chart.seen, chart.usual, 1]) * 1.15)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    locator: Any = AutoDateLocator(tz=ZoneInfo(zone))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=ZoneInfo(zone)))  # type: ignore[no-untyped-call]
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=2)
    out = BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
