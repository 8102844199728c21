"""DataFrame -> Figure. Pure: colours come from a Palette, times are shown in the reader's zone, nothing is read.

Every mark carries `customdata` = (scope, from, to) in the form of URLs, so that a click leads to its stories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.drawing import add_chosen, clear, dress, local, utc
from dashboard.filters import Chosen, View, stamp
from dashboard.markup import scope_name
from dashboard.theme import Palette
from dashboard.usual import Usual
from monitor.alerts.episodes import Episode
from monitor.alerts.past import Trial
from monitor.store.reads import Point
from monitor.types import Sentiment


def frame(points: Sequence[Point], since: datetime, until: datetime, step: timedelta) -> pd.DataFrame:
    """Points as a frame with a row for every step of [since, until); steps without news are zeros."""
    index = pd.date_range(since, until, freq=step, inclusive="left").tz_convert("UTC")
    columns = ["total", "negative", "positive", "score_sum"]
    table = pd.DataFrame([point[1:] for point in points], columns=columns, index=utc([p.at for p in points]))
    return table.astype(float).reindex(index, fill_value=0.0)


def steps(table: pd.DataFrame) -> pd.DatetimeIndex:
    """The starts of a frame's steps, in UTC."""
    return pd.DatetimeIndex(table.index)


def pulse(
    table: pd.DataFrame, usual: Usual | None, view: View, palette: Palette, scope: str, chosen: Chosen | None
) -> go.Figure:
    """Net sentiment over time above, volume split by sentiment below, with the usual negative level behind it."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.36, 0.64])
    middle = local(steps(table) + view.grain.step / 2, view.zone)
    _add_net(figure, table, middle, palette)
    neutral = table.total - table.negative - table.positive
    for name, values, colour in (
        ("negative", table.negative, palette.negative),
        ("neutral", neutral, palette.neutral),
        ("positive", table.positive, palette.positive),
    ):
        figure.add_bar(
            x=middle,
            y=values,
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hoverinfo="skip",
            row=2,
            col=1,
        )
    if usual is not None:
        _add_usual(figure, usual, middle, palette)
    _add_columns(figure, table, usual, view, scope)
    dress(figure, view, palette, height=330)
    figure.update_layout(barmode="stack", bargap=0.18)
    figure.update_yaxes(range=_net_range(table), nticks=4, tickformat="+.1f", row=1, col=1)
    figure.update_yaxes(rangemode="tozero", nticks=4, row=2, col=1)
    add_chosen(figure, chosen, scope, view, palette)
    return figure


def surge(
    table: pd.DataFrame, usual: Usual | None, view: View, palette: Palette, episode: Episode, chosen: Chosen | None
) -> go.Figure:
    """An episode as counted: its stories per step against what is usual at that hour; the episode is shaded."""
    figure = make_subplots(rows=1, cols=1)
    middle = local(steps(table) + view.grain.step / 2, view.zone)
    column = "positive" if episode.sentiment == "positive" else "negative"
    colour = palette.positive if column == "positive" else palette.negative
    figure.add_bar(x=middle, y=table[column], marker={"color": colour, "line": {"width": 0}}, hoverinfo="skip")
    if usual is not None and column == "negative":
        _add_usual(figure, usual, middle, palette, row=1)
    _add_columns(figure, table, usual, view, episode.scope, over=("y",))
    dress(figure, view, palette, height=210)
    figure.update_layout(bargap=0.18)
    figure.update_yaxes(rangemode="tozero", nticks=4)
    figure.update_layout(yaxis3={"range": [0, 1]})
    x0, x1 = local(utc([episode.since, episode.ended or view.until]), view.zone)
    figure.add_vrect(x0=x0, x1=x1, fillcolor=palette.negative_soft, opacity=0.8, line_width=0, layer="below")
    add_chosen(figure, chosen, episode.scope, view, palette)
    return figure


def rung(
    table: pd.DataFrame,
    view: View,
    palette: Palette,
    trial: Trial,
    names: Mapping[str, str],
    sentiment: Sentiment,
) -> go.Figure:
    """All stories of a sentiment over a past, and above them a mark where a rule would have rung: full where it was
    useful, hollow where it was noise."""
    figure = go.Figure()
    colour = palette.positive if sentiment == "positive" else palette.negative
    values = table["positive" if sentiment == "positive" else "negative"]
    figure.add_bar(
        x=local(steps(table) + view.grain.step / 2, view.zone),
        y=values,
        marker={"color": clear(colour, 0.45), "line": {"width": 0}},
        hovertemplate="%{x|%a %-d %b}: %{y:.0f} stories<extra></extra>",
    )
    top = float(values.max() or 1) * 1.12
    first = {one.incident: one for one in sorted(trial.episodes, key=lambda one: one.detected, reverse=True)}
    episodes = list(first.values())
    marks = [trial.marks.get(one.incident) for one in episodes]
    figure.add_scatter(
        x=local(utc([one.detected for one in episodes]), view.zone),
        y=[top] * len(episodes),
        mode="markers",
        marker={
            "symbol": ["triangle-down-open" if said is False else "triangle-down" for said in marks],
            "size": 10,
            "color": [palette.accent if said else palette.ink for said in marks],
        },
        customdata=[scope_name(one.scope, names) for one in episodes],
        hovertemplate="%{customdata}<br>%{x|%a %-d %b %H:%M}<extra></extra>",
    )
    dress(figure, view, palette, height=190)
    figure.update_layout(bargap=0.18)
    figure.update_yaxes(range=[0, top * 1.08], nticks=4)
    return figure


def _add_net(figure: go.Figure, table: pd.DataFrame, middle: Any, palette: Palette) -> None:
    net = _net(table)
    for name, part, colour in (
        ("above", net.clip(lower=0), palette.positive),
        ("below", net.clip(upper=0), palette.negative),
    ):
        figure.add_scatter(
            x=middle,
            y=part,
            name=name,
            mode="lines",
            line={"width": 0, "color": colour, "shape": "spline", "smoothing": 0.4},
            fill="tozeroy",
            fillcolor=clear(colour, 0.28),
            hoverinfo="skip",
            row=1,
            col=1,
        )
    figure.add_scatter(
        x=middle,
        y=net,
        name="net sentiment",
        mode="lines",
        line={"width": 1.4, "color": palette.ink, "shape": "spline", "smoothing": 0.4},
        hoverinfo="skip",
        row=1,
        col=1,
    )


def _add_columns(
    figure: go.Figure,
    table: pd.DataFrame,
    usual: Usual | None,
    view: View,
    scope: str,
    over: Sequence[str] = ("y", "y2"),
) -> None:
    """One unseen column per step over each row: it answers the pointer with all figures, and the click."""
    step = view.grain.step
    starts = steps(table)
    ends = starts + step
    marks = list(
        zip(
            [scope] * len(table),
            [stamp(at) for at in starts],
            [stamp(at) for at in ends],
            _spoken(table, usual, view),
            strict=True,
        )
    )
    for number, under in enumerate(over, start=3):
        figure.add_bar(
            x=local(steps(table) + step / 2, view.zone),
            y=[1] * len(table),
            width=step.total_seconds() * 1000,
            xaxis="x" if under == "y" else "x2",
            yaxis=f"y{number}",
            marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
            customdata=marks,
            hovertemplate="%{customdata[3]}<extra></extra>",
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}},
        )
        hidden = {"overlaying": under, "range": [0, 1], "visible": False, "fixedrange": True}
        figure.update_layout({f"yaxis{number}": hidden})


def _spoken(table: pd.DataFrame, usual: Usual | None, view: View) -> list[str]:
    """What the pointer reads above a step."""
    words = []
    for at, row in zip(steps(table), table.to_dict("records"), strict=True):
        start, end = at.astimezone(view.zone), (at + view.grain.step).astimezone(view.zone)
        when = f"{start:%a %-d %b %H:%M}" + (f" to {end:%H:%M}" if view.grain.length.days < 30 else "")
        total, negative, positive = row["total"], row["negative"], row["positive"]
        line = f"<b>{when}</b><br>{negative:.0f} negative"
        if usual is not None:
            line += f" (usually {usual.negative[at]:.1f}, rarely above {usual.upper[at]:.1f})"
        line += f"<br>{total - negative - positive:.0f} neutral, {positive:.0f} positive"
        if total:
            line += f"<br>net sentiment {row['score_sum'] / total:+.2f}".replace("-", "−")
        words.append(line)
    return words


def _net(table: pd.DataFrame) -> pd.Series:
    """Mean score over three steps, with one neutral story added, so that a single story at night is no peak."""
    sums = table[["score_sum", "total"]].rolling(3, min_periods=1, center=True).sum()
    return sums.score_sum / (sums.total + 1)


def _net_range(table: pd.DataFrame) -> tuple[float, float]:
    edge = max(0.5, float(_net(table).abs().max()) * 1.1)
    return -edge, edge


def _add_usual(figure: go.Figure, usual: Usual, middle: Any, palette: Palette, row: int = 2) -> None:
    for name, values, dash, width in (
        ("usual negative", usual.negative, "dot", 1.6),
        ("rarely above", usual.upper, "solid", 1.0),
    ):
        figure.add_scatter(
            x=middle,
            y=values,
            name=name,
            mode="lines",
            line={"width": width, "dash": dash, "color": palette.ink, "shape": "hvh"},
            opacity=0.75 if dash == "dot" else 0.35,
            hoverinfo="skip",
            row=row,
            col=1,
        )
